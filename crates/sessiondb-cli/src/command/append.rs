//! `sessiondb append`: add messages to a session, and say when each is safe.

use std::io::{self, IsTerminal};

use serde::Serialize;
use sessiondb::{Error, ErrorClass, Json, NewMessage, Receipt, SessionKey, Time, blocking::Store};

use crate::{
    argument::{json, key, time},
    exit::{Exit, Failure},
    ndjson::{self, Lines},
    output::{Line, Output},
};

const ABOUT: &str = "\
Appends one message, or many from stdin.

With --content or --content-json it appends that one message. A message names the tool calls that it makes (--opens) \
and those whose results it brings (--closes): by these names calls are kept together with their results. Without them it reads stdin: one JSON object a line, \
with role and content, and if need be tool_calls, created_at, message_id, opens and closes (lists of ids of tool \
calls), token_count, attributes. \
Other members are refused; lines without anything in them are passed over.

For every message there is one line on stdout, {\"seq\": …, \"message_id\": …} (message_id where the message has one), \
printed when the message is stored durably and not before. A slow writer gets each line answered at once; of a fast \
one, up to 500 messages are stored together.

It stops at the first line that cannot be accepted and names it; what came before is stored and answered. A message \
whose message_id is in the session already with the same content is answered with the number it has, so a stream \
with message ids may be sent again. The session is opened if it does not exist.";

const EXAMPLES: &str = "\
Examples:
  sessiondb append main:cli::dm:ann --content 'What is the weather in Rome?'
  sessiondb append main:cli::dm:ann --role tool --closes call-1 --content-json '{\"temp\": 31}'
  my-agent --log-json | sessiondb append main:cli::dm:ann";

/// Appends one message, or many from stdin.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one existing session begins
    key: String,
    /// What is said, as text
    #[arg(long, value_name = "TEXT", group = "said", allow_hyphen_values = true)]
    content: Option<String>,
    /// What is said, as JSON
    #[arg(long, value_name = "JSON", group = "said", allow_hyphen_values = true)]
    content_json: Option<String>,
    /// Who says it [default: user]
    #[arg(long, requires = "said")]
    role: Option<String>,
    /// Your own id of the message; appending it again changes nothing
    #[arg(long, value_name = "ID", requires = "said")]
    message_id: Option<String>,
    /// Tool calls, where they stand beside the content
    #[arg(long, value_name = "JSON", requires = "said")]
    tool_calls: Option<String>,
    /// The id of a tool call that it makes; may be given again [default: the ids in --tool-calls]
    #[arg(long, value_name = "ID", requires = "said")]
    opens: Vec<String>,
    /// The id of a tool call whose result it brings; may be given again
    #[arg(long, value_name = "ID", requires = "said")]
    closes: Vec<String>,
    /// When it was said: RFC 3339, or a date [default: now]
    #[arg(long, value_name = "TIME", requires = "said", value_parser = time::parse)]
    at: Option<Time>,
}

impl Args {
    /// Whether what the command line says can be appended, and whether it may be to a session that is not there yet.
    pub fn check(&self) -> Result<bool, Failure> {
        self.message()?;
        let whole = self.key.contains(':');
        if whole {
            self.key.parse::<SessionKey>()?;
        }
        Ok(whole)
    }

    /// The one message of the command line, if it has one.
    fn message(&self) -> Result<Option<NewMessage>, Failure> {
        let content = match (&self.content, &self.content_json) {
            (Some(text), _) => Json::string(text),
            (None, Some(text)) => json::parse("--content-json", text)?,
            (None, None) => return Ok(None),
        };
        let mut message = NewMessage::new(self.role.as_deref().unwrap_or("user"), content);
        message.tool_calls =
            self.tool_calls.as_deref().map(|text| json::parse("--tool-calls", text)).transpose()?;
        message.opens = self.opens.clone();
        message.closes = self.closes.clone();
        if let Some(calls) = message.tool_calls.as_ref().filter(|_| message.opens.is_empty()) {
            message.opens = call_ids(calls);
        }
        message.message_id = self.message_id.clone();
        message.created_at = self.at;
        Ok(Some(message))
    }
}

/// The ids of tool calls in the form of OpenAI's API and its likes: a list of objects with an `id` each.
fn call_ids(calls: &Json) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Call {
        id: Option<String>,
    }
    let calls: Vec<Call> = calls.read().unwrap_or_default();
    calls.into_iter().filter_map(|call| call.id).filter(|id| !id.is_empty()).collect()
}

/// What is printed for a message that is stored.
#[derive(Serialize)]
struct Acknowledgement<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let message = args.message()?;
    let key = key::resolve(store, &args.key)?;
    match message {
        Some(message) => {
            let id = message.message_id.clone();
            let receipt = store.append(&key, vec![message]).map_err(refused)?;
            acknowledge(&[id], &receipt, out)?;
        }
        None => append_stdin(&key, store, out)?,
    }
    Ok(Exit::Done)
}

fn append_stdin(key: &SessionKey, store: &Store, out: &mut Output) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        out.talk(&Line::new().plain("reading messages from the terminal, a JSON object a line; Ctrl-D ends"));
    }
    let lines = Lines::read(io::stdin());
    loop {
        let batch =
            lines.take().map_err(|bad| Failure::bad_input(bad.reason).at(format!("line {}", bad.number)))?;
        if batch.is_empty() {
            return Ok(());
        }
        append_batch(key, batch, store, out)?;
    }
}

/// Appends the batch in one commit. If that is refused because of one message, those before it are still stored.
fn append_batch(
    key: &SessionKey,
    batch: Vec<ndjson::Line>,
    store: &Store,
    out: &mut Output,
) -> Result<(), Failure> {
    let one_by_one = (batch.len() > 1).then(|| batch.clone());
    match (append_lines(key, batch, store, out), one_by_one) {
        // The store cannot say which of them it does not accept; it wrote none, so they can be tried singly.
        (Err(Stop::Refused(_, error)), Some(lines)) if is_about_content(&error) => lines
            .into_iter()
            .try_for_each(|line| append_lines(key, vec![line], store, out))
            .map_err(Failure::from),
        (result, _) => Ok(result?),
    }
}

/// Why a batch was not stored and acknowledged.
enum Stop {
    /// The store refused it: the numbers of its first and last line, and why.
    Refused((u64, u64), Error),
    /// It is stored, but the acknowledgement could not be printed.
    Output(Failure),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        match stop {
            Stop::Refused((first, last), error) if first == last => {
                refused(error).at(format!("line {first}"))
            }
            Stop::Refused((first, last), error) => refused(error).at(format!("lines {first} to {last}")),
            Stop::Output(failure) => failure,
        }
    }
}

fn append_lines(
    key: &SessionKey,
    batch: Vec<ndjson::Line>,
    store: &Store,
    out: &mut Output,
) -> Result<(), Stop> {
    let numbers = (batch.first().map_or(0, |line| line.number), batch.last().map_or(0, |line| line.number));
    let ids: Vec<_> = batch.iter().map(|line| line.message.message_id.clone()).collect();
    let messages = batch.into_iter().map(|line| line.message).collect();
    let receipt = store.append(key, messages).map_err(|error| Stop::Refused(numbers, error))?;
    acknowledge(&ids, &receipt, out).map_err(Stop::Output)
}

/// Prints the acknowledgements and hands them over at once: somebody may wait for them.
fn acknowledge(ids: &[Option<String>], receipt: &Receipt, out: &mut Output) -> Result<(), Failure> {
    for (&seq, id) in receipt.seqs.iter().zip(ids) {
        out.json_line(&Acknowledgement { seq, message_id: id.as_deref() }).map_err(unread)?;
    }
    out.flush().map_err(|error| unread(error.into()))
}

/// Elsewhere a reader that goes away has seen enough. Here it has not: it would take the rest for not stored.
fn unread(failure: Failure) -> Failure {
    match failure {
        Failure::ClosedPipe => {
            Failure::new(Exit::Partly, "stdout is closed: nobody reads the acknowledgements")
                .hint("the last messages are stored without having been acknowledged")
        }
        other => other,
    }
}

fn is_about_content(error: &Error) -> bool {
    matches!(error.class(), ErrorClass::Invalid | ErrorClass::Conflict)
}

fn refused(error: Error) -> Failure {
    let class = error.class();
    let failure = Failure::from(error);
    match class {
        ErrorClass::Unknown => {
            failure.hint("send them again; only messages with a message_id are sure not to double")
        }
        _ => failure,
    }
}
