//! `sessiondb state`: what belongs to more than one session.

use sessiondb::{Document, Json, Scope, blocking::Store, limits};

use crate::{
    argument::json,
    exit::{Exit, Failure},
    output::Output,
};

const ABOUT: &str = "\
Shows and changes the state of a scope: what belongs to an agent, to a user of it, to a workspace, and not to one session.

A scope is the leading parts of keys, then '*': shop:* is the agent shop, shop:web:ann:* what it knows of ann on the web, * \
everything. A whole key is a session, whose documents of the collection 'state' these are.

Without a NAME it shows all of it, a line each. With a NAME it prints its value, which is any JSON.";

const EXAMPLES: &str = "\
Examples:
  sessiondb state 'shop:*'
  sessiondb state 'shop:web:ann:*' theme --set '\"dark\"'
  sessiondb state 'shop:web:ann:*' cart --patch '{\"items\": {\"a\": 1}}'
  sessiondb state 'shop:web:ann:*' cart --rm";

/// Shows and changes the state of a scope.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The leading parts of keys, then '*'; or a whole key
    scope: Scope,
    /// The name of one value
    name: Option<String>,
    /// Puts this JSON there
    #[arg(long, value_name = "JSON", requires = "name")]
    set: Option<String>,
    /// Changes what is there by this merge patch (RFC 7396)
    #[arg(long, value_name = "JSON", requires = "name", conflicts_with = "set")]
    patch: Option<String>,
    /// Removes it
    #[arg(long, requires = "name", conflicts_with_all = ["set", "patch"])]
    rm: bool,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// The value; or a line each, the name and the value
    Text,
    /// One object a line: id, body, revision, updated_at
    Jsonl,
}

impl Args {
    /// Whether a store that is not there is made.
    ///
    /// # Errors
    /// If what is to be put in is no JSON.
    pub fn makes(&self) -> Result<bool, Failure> {
        let set = self.set.as_deref().map(|text| json::parse("--set", text)).transpose()?;
        let patch = self.patch.as_deref().map(|text| json::parse("--patch", text)).transpose()?;
        Ok(set.or(patch).is_some())
    }
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let Args { scope, name, set, patch, rm, output } = args;
    let Some(name) = name else { return list(store, &scope, output, out) };
    if let Some(text) = set {
        store.state_put(&scope, &name, json::parse("--set", &text)?)?;
        return Ok(Exit::Done);
    }
    if let Some(text) = patch {
        store.state_patch(&scope, &name, json::parse("--patch", &text)?)?;
        return Ok(Exit::Done);
    }
    let missing = || Failure::new(Exit::NotFound, format!("the state of {scope} has nothing named {name}"));
    if rm {
        return if store.state_remove(&scope, &name)? { Ok(Exit::Done) } else { Err(missing()) };
    }
    let document = store.state(&scope, &name)?.ok_or_else(missing)?;
    match output {
        Form::Text => out.json_line(&document.body)?,
        Form::Jsonl => out.json_line(&StateJson::from(&document))?,
    }
    Ok(Exit::Done)
}

/// A value, as it is printed.
#[derive(serde::Serialize)]
struct StateJson<'a> {
    id: &'a str,
    body: &'a Json,
    revision: u64,
    updated_at: String,
}

impl<'a> From<&'a Document> for StateJson<'a> {
    fn from(document: &'a Document) -> StateJson<'a> {
        StateJson {
            id: &document.id,
            body: &document.body,
            revision: document.revision,
            updated_at: sessiondb::time::to_text(document.updated_at),
        }
    }
}

fn list(store: &Store, scope: &Scope, output: Form, out: &mut Output) -> Result<Exit, Failure> {
    let mut after = None;
    loop {
        let page = store.state_list(scope, after, limits::PAGE_MAX)?;
        for document in &page.documents {
            match output {
                Form::Text => {
                    out.text(&format!("{}\t", document.id.replace(['\n', '\t'], " ")))?;
                    out.json_line(&document.body)?;
                }
                Form::Jsonl => out.json_line(&StateJson::from(document))?,
            }
        }
        after = page.next.map(|(_, name)| name);
        if after.is_none() {
            return Ok(Exit::Done);
        }
    }
}
