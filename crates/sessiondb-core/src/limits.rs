//! Every limit of the store, in one place. What exceeds one is refused with [`Error::Invalid`](crate::Error::Invalid)
//! before anything is written.

/// Longest part of a [`SessionKey`](crate::SessionKey), in bytes of UTF-8.
pub const KEY_PART_BYTES_MAX: usize = 512;
/// Longest [`SessionKey`](crate::SessionKey): the sum of its five parts, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest short name: a role, a status, a family, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest identifier: a message id, a commit id, a tool call id, a document's collection or id, in bytes.
pub const ID_BYTES_MAX: usize = 512;
/// Largest message: content, tool calls, attributes and the ids of the calls it opens and closes together, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Largest document: body and blob together, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Largest metadata of a session, in bytes.
pub const METADATA_BYTES_MAX: usize = 1 << 20;
/// Largest call of `commit`: the bytes of all its messages, documents and metadata together.
pub const COMMIT_BYTES_MAX: usize = 64 << 20;
/// Most single changes (messages and other writes) and expectations together in one call of `commit`.
pub const COMMIT_WRITES_MAX: usize = 10_000;
/// Most tool calls that one message may open or close.
pub const CALLS_PER_MESSAGE_MAX: usize = 1_000;
/// Deepest nesting of arrays and objects in any JSON given to the store. What is deeper could be stored but not
/// be read back by `serde_json::Value`, whose own limit this is.
pub const JSON_DEPTH_MAX: usize = 127;
/// Most items in one page: of sessions, of documents, of messages in a window.
pub const PAGE_MAX: usize = 1_000;
/// Most messages, and most documents, in one page of sessions with their [parts](crate::Parts). A page ends before the
/// session with which it would have more; of a single session with more, the first of them are read.
pub const PARTS_MAX: usize = 10_000;
/// Items in a page when the caller does not say.
pub const PAGE_DEFAULT: usize = 100;
/// Largest count of tokens, and largest number of any kind: what SQLite and PostgreSQL hold in 64 signed bits.
pub const COUNT_MAX: u64 = i64::MAX as u64;
/// How far apart, in messages of a view, a tool call and its result may be and still be kept together. It is also how
/// much longer than asked for a window may become to keep them together.
pub const CALL_REACH: usize = 1_000;
/// Most spans in a view. One that grows beyond is rewritten: the consecutive spans with the fewest messages are copied to the
/// end of the log and shown as one, so that about half as many are left. What is copied has new numbers.
pub const VIEW_SPANS_MAX: usize = 1_024;
/// Longest text to search for, in bytes.
pub const SEARCH_BYTES_MAX: usize = 1_024;
/// Most words to search for at once.
pub const SEARCH_WORDS_MAX: usize = 32;
/// Of a longer word only so many bytes are compared.
pub const SEARCH_WORD_BYTES_MAX: usize = 64;
/// Of a message's text a search looks at the first so many bytes.
pub const SEARCH_TEXT_BYTES_MAX: usize = 256 << 10;
/// A longer string of plain ASCII without a space is no language, but an image or the like, and not searched.
pub const SEARCH_BLOB_BYTES: usize = 1_024;
