//! Imports the transcripts that AI agents leave on disk into a SessionDB store, without losing a byte.
//!
//! [`find()`] finds the files, [`import()`] brings one of them into its session, or into one for each conversation that
//! it holds; a [`Rehearsal`] says what that would do. Importing a file again brings only what it has gained since: a
//! transcript can be imported while its agent is still writing it.
//!
//! ```
//! use std::fs;
//! use sessiondb_import::{Outcome, find, import, original_line};
//!
//! # pollster::block_on(async {
//! # let home = tempfile::tempdir()?;
//! # let projects = home.path().join("projects");
//! # fs::create_dir_all(projects.join("-home-ann-app"))?;
//! let line = r#"{"type":"user","uuid":"u-1","message":{"role":"user","content":"list files"},"cwd":"/home/ann/app"}"#;
//! fs::write(projects.join("-home-ann-app/s-1.jsonl"), format!("{line}\n"))?;
//!
//! let store = sessiondb::open("memory:").await?;
//! for source in &find(None, &[projects])?.sources {
//!     let verdict = import(&store, source, &mut |_bytes| {}).await?;
//!     assert_eq!((verdict.outcome, verdict.messages), (Outcome::New, 1));
//!     let key = verdict.key.ok_or("no session")?;
//!     assert_eq!(key.to_string(), "claude:-home-ann-app::session:s-1");
//!
//!     let messages = store.message_window(&key, sessiondb::Window::last(10)).await?.messages;
//!     assert_eq!(messages[0].content.get(), "\"list files\"");
//!     assert_eq!(original_line(&messages[0])?, line);
//!
//!     let again = import(&store, source, &mut |_bytes| {}).await?;
//!     assert_eq!(again.outcome, Outcome::Unchanged);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What becomes of a file that is a session
//!
//! - A record that is a message of the conversation becomes a message. Its content is the source's JSON text; all the
//!   rest of its line is in the attributes, with `null` where the content was, and with a member `sessiondb:around`
//!   added if there was whitespace around the record. [`original_line`] puts them together.
//! - Every other record, of whatever type, becomes a document of the collection `record` under its line's number.
//!   So does what looks like a message but cannot be one (it has no id, no role, no content, a time that cannot be
//!   read, something beyond a limit of the store), and a line with the id of a message that is there already.
//!   [`original_record`] gives its line.
//! - A line that cannot be kept (not JSON, not UTF-8, nested too deep, beyond 16 MiB) is a [`BadLine`] of the verdict,
//!   and the rest goes on. A last line without a newline is left for the next time unless it is a JSON object. Blank
//!   lines are counted and not kept, and whitespace that comes to a last line after it was imported (the `\r` of its line
//!   end, say) is lost: these are the only bytes of a transcript's records that are not in the store afterwards.
//! - What each answer of the model cost is a document of the collection `usage`, counted once however many lines speak
//!   of it; the session's `token_usage` is the sum of all.
//! - The session's metadata has `source`, and as far as the file tells `title`, `cwd`, `git_branch` and `version`, for
//!   Codex also `origin`, `parent` and `forked_from`. Members that others add to it stay.
//! - How far the file has been imported is the document `import/position`, moved by the same commits that bring the
//!   rest. A file is known again by its last line. One that was rewritten is read again from its start: messages that
//!   the session has already, shown or hidden, stay as they are, records are put where they differ, and nothing is
//!   removed.
//!
//! # Claude Code
//!
//! `<project>/<session id>.jsonl` is the session `claude:<project>::session:<session id>` of the family `claude-code`,
//! and the file `agent-<id>.jsonl` of a sub-agent the session `claude:<project>:<session id>:subagent:agent-<id>`,
//! where a sub-agent of a workflow has `workflows/<workflow>/agent-<id>` for its id. The names of the files count and
//! not the ids inside, since a resumed session copies those of the one it resumes.
//!
//! # Codex
//!
//! `rollout-<time>-<thread id>.jsonl` is the session `codex:::thread:<thread id>` of the family `codex`, wherever it
//! lies, and a file with which a thread goes on the session `codex:::thread:<thread id>_<page id>`. Nothing else counts,
//! since nothing else stays: a thread changes its directory, moves to the archive, is compressed. A file with another
//! name is the thread that its first record names.
//!
//! - **Messages.** What is said stands in the file twice, and is taken once: from the `response_item` of a legacy
//!   thread (and from the oldest files, whose records have no envelope), from the `item_completed` of a paginated
//!   one. The content is what was said: the `content` of a message, the `output` of a call, the `summary` of a
//!   reasoning; where that would not tell enough, as of the call of a tool, it is the whole item.
//! - **Roles.** Those that the messages have; `assistant` for calls and for reasoning, which is what the model wrote
//!   before it spoke; `tool` for what comes back; `user` for what another agent said. Reasoning of which nothing can be
//!   read, since it is encrypted, is a record. A call opens its `call_id`, and its output closes it; of a paginated
//!   thread call and output are one message, which does both.
//! - **Ids.** A message's id is a hash of its record, because not every record has an id.
//! - **Tokens.** Input and output of each answer, of which cached input and reasoning are parts. A `token_count` counts
//!   if its sum is not the one before, with its last usage or else with what the sum has grown by; from the first
//!   `token_usage_record` on only these count, once for each response.
//! - **Forks and sub-agents.** What the file has is imported into its own session, also the copy of its parent's history
//!   that it may begin with; `parent` and `forked_from` in the metadata name the other thread. The tokens of the copy
//!   are not counted again: it ends where the file says so, or where a turn begins whose id is no older than the
//!   thread's. Versions whose turns have no id do not tell; there the copy is taken to end with the first turn that
//!   begins two seconds or more after the file.
//! - **Compressed files.** `.jsonl.zst` is the same session as the `.jsonl` that it was, and all offsets are those of
//!   the text. To find what is new it is decompressed from its start, in bounded memory. Of a file that is damaged or
//!   cut off everything is imported that can be decompressed, and then it is an [`ImportError::Read`], until it is whole.
//!
//! # OpenAI's chat form
//!
//! In `<name>.jsonl` each line is a whole conversation, `{"messages": [{"role": …, "content": …, …}, …], …}`, as in
//! fine-tuning data and in logs of chat completions. Each is a session of the family `openai`.
//!
//! - **Which one it is.** A line with a text `id` is `openai:<name>::conversation:<id>`. One without an id that an
//!   address can have is known by what it says: its id is the hash (XXH3, 128 bits) of its JSON text. Its number in the
//!   file says nothing, since lines come and go. So the same line is the same session, however often and wherever in a
//!   file of this name it comes; whitespace around the JSON makes no difference, whitespace in it does.
//! - **What it becomes.** The content and the `tool_calls` of each message are the source's JSON text; the rest of the
//!   message is in the attributes, with `null` where they were. Its message id is its place, `/messages/<n>` from 0. The
//!   line without its messages, with `null` where each was, is a document of the collection `line` under the hash of the
//!   line. [`original_conversation`] puts them together, byte for byte. The document `import/origin` says in which file
//!   and line that was; the metadata have `source` and `title`. A whole number of seconds in the line's `created` or
//!   `created_at` is the time of all of it, and without one it is the time of the import.
//! - **Calls.** A message opens the calls whose ids are in its `tool_calls`; a message of the role `tool` closes that of
//!   its `tool_call_id`. The older `function_call` stands where `tool_calls` would. It has no id, so its place
//!   (`/messages/<n>/function_call`) is one; the next message of the role `function` with its name closes it. An id that
//!   the store does not take (empty, too long, with a NUL) is only in the text.
//! - **Again.** Each import reads the whole file, since any line may have changed. A line that is in the store costs one
//!   look and writes nothing. A conversation of the same id with more messages at its end is appended to, and one with
//!   fewer is in the store already; of both the line is kept beside those before it. A line without an id that has grown
//!   is another conversation. Messages that the session hides, because they were compacted say, do not come again.
//! - **Changed.** If a line has the id of a conversation that does not begin alike, because it was changed or because two
//!   have one id, nothing is overwritten and nothing is left out: it is a session beside the other,
//!   `openai:<name>:<hash of the line>:conversation:<id>`, and the verdict names it as a [`Variant`].
//! - **Wholly or not at all.** A conversation is written by one commit, its last messages together with its line. Only
//!   one of more messages than a commit takes, nearly 10,000, comes in several; if that is interrupted, the next import
//!   goes on with what is missing.
//! - **Compressed files.** `<name>.jsonl.zst` holds the same sessions as `<name>.jsonl`. What is damaged or cut off is
//!   dealt with as for Codex.
//! - A line that is no conversation (not JSON, no list of messages, a message without a role, anything beyond a limit of
//!   the store, more than 16 MiB) is a [`BadLine`], of which nothing is kept. It is named at each import.

mod batch;
mod claude;
mod codex;
mod content;
mod conversations;
mod error;
mod facts;
mod find;
mod format;
mod head;
mod import;
mod known;
mod ledger;
mod lines;
mod members;
mod openai;
mod original;
mod position;
mod rehearsal;
mod run;
mod verdict;

pub use error::ImportError;
pub use find::{Found, Source, default_places, find};
pub use format::Format;
pub use import::import;
pub use openai::original_conversation;
pub use original::{original_line, original_record};
pub use rehearsal::{Rehearsal, nothing_to_import};
pub use verdict::{BadLine, Outcome, Sessions, Variant, Verdict};
