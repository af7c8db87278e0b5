//! `sessiondb token`: who may use a server of the store.

use chrono::TimeDelta;
use pollster::block_on;
use serde::{Deserialize, Serialize};
use sessiondb::{Error, Result, Scope, time};
use sessiondb_client::HttpBackend;
use sessiondb_server::{NewToken, Right, TokenInfo, Tokens};

use crate::{
    exit::{Exit, Failure},
    output::{Line, Output},
    table::Table,
};

const ABOUT: &str = "\
Makes, lists and revokes the tokens with which programs use a server of this store (`sessiondb serve`). They are kept in \
the store itself. On the store's file everything may be done, and a server that runs learns of it within seconds; through a \
server (--url http://…) it takes a token with the right admin, and what it makes may do no more than that.

A token has rights, none of which includes another: read, append (open sessions, append messages), state (status, \
metadata, documents, what is shown), delete, export, import, admin. It sees what its scope covers: the \
leading parts of keys and then *, as support:slack:*.";

const EXAMPLES: &str = "\
Examples:
  sessiondb token new 'the Slack bot' --right read --right append --scope 'support:slack:*'
  sessiondb token ls
  sessiondb token revoke 4vJ8cQ2LrTz0";

/// Makes, lists and revokes the tokens of servers
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Makes a token and prints it, this once
    New {
        /// What it is for, in words
        name: String,
        /// What it may do; may be given again
        #[arg(long = "right", value_name = "RIGHT", required = true)]
        rights: Vec<Right>,
        /// What it may see
        #[arg(long, default_value = "*")]
        scope: Scope,
        /// After how many days it ends; 0 for never
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(0..=36_500))]
        days: i64,
    },
    /// Lists the tokens, without what is secret of them
    Ls {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t = Form::Table)]
        output: Form,
    },
    /// Revokes a token for ever
    Revoke {
        /// The token's id
        id: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Columns to read
    Table,
    /// One object a line
    Jsonl,
}

impl Args {
    /// Whether it puts something into the store, so that one which is not there is made.
    pub fn makes(&self) -> bool {
        matches!(self.action, Action::New { .. })
    }
}

/// Where tokens are made.
pub trait Desk {
    /// Answers the token's text and its id. With 0 days it never ends.
    fn make(&self, name: String, rights: Vec<Right>, scope: Scope, days: i64) -> Result<(String, String)>;
    fn list(&self) -> Result<Vec<TokenInfo>>;
    fn revoke(&self, id: &str) -> Result<Option<TokenInfo>>;
}

impl Desk for Tokens {
    fn make(&self, name: String, rights: Vec<Right>, scope: Scope, days: i64) -> Result<(String, String)> {
        let expires_at = (days > 0).then(|| time::now() + TimeDelta::days(days));
        let new = NewToken { name, rights: rights.into_iter().collect(), scope, expires_at };
        let (token, info) = block_on(self.create(new))?;
        Ok((token.reveal(), info.id))
    }

    fn list(&self) -> Result<Vec<TokenInfo>> {
        block_on(Tokens::list(self))
    }

    fn revoke(&self, id: &str) -> Result<Option<TokenInfo>> {
        block_on(Tokens::revoke(self, id))
    }
}

/// A server, through its routes.
impl Desk for HttpBackend {
    fn make(&self, name: String, rights: Vec<Right>, scope: Scope, days: i64) -> Result<(String, String)> {
        #[derive(Serialize)]
        struct Asked {
            name: String,
            rights: Vec<Right>,
            scope: String,
            days: i64,
        }

        #[derive(Deserialize)]
        struct Made {
            token: String,
            id: String,
        }

        let asked = Asked { name, rights, scope: scope.to_string(), days };
        let made: Option<Made> = self.request("POST", "/v1/tokens", Some(&asked))?;
        made.map(|made| (made.token, made.id)).ok_or_else(no_tokens)
    }

    fn list(&self) -> Result<Vec<TokenInfo>> {
        self.request("GET", "/v1/tokens", None::<&()>)?.ok_or_else(no_tokens)
    }

    fn revoke(&self, id: &str) -> Result<Option<TokenInfo>> {
        // What is no id has no place in an address.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        self.request("DELETE", &format!("/v1/tokens/{id}"), None::<&()>)
    }
}

fn no_tokens() -> Error {
    Error::Storage("the server has no tokens".into())
}

pub fn run(args: Args, desk: &dyn Desk, out: &mut Output) -> std::result::Result<Exit, Failure> {
    match args.action {
        Action::New { name, rights, scope, days } => {
            let (text, id) = desk.make(name, rights, scope, days)?;
            out.text(&format!("{text}\n"))?;
            out.flush()?;
            out.talk(&Line::new().plain(format!("this is token {id}, and is not shown again")));
        }
        Action::Ls { output } => {
            let all = desk.list()?;
            match output {
                Form::Jsonl => all.iter().try_for_each(|token| out.json_line(token))?,
                Form::Table => {
                    let mut table = Table::new(["ID", "NAME", "RIGHTS", "SCOPE", "ENDS"]);
                    all.iter().for_each(|token| row(&mut table, token));
                    table.print(out)?;
                }
            }
        }
        Action::Revoke { id } => match desk.revoke(&id)? {
            Some(token) => {
                out.talk(&Line::new().plain(format!("token {} ({}) is revoked", token.id, token.name)))
            }
            None => {
                let failure = Failure::new(Exit::NotFound, format!("there is no token {id}"));
                return Err(failure.hint("`sessiondb token ls` shows their ids"));
            }
        },
    }
    Ok(Exit::Done)
}

fn row(table: &mut Table<5>, token: &TokenInfo) {
    let rights: Vec<&str> = token.rights.iter().map(|right| right.name()).collect();
    let ends = match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", time::to_text(at)),
        (None, Some(at)) if at <= time::now() => format!("expired {}", time::to_text(at)),
        (None, Some(at)) => time::to_text(at),
        (None, None) => "never".into(),
    };
    table.row([&token.id, &token.name, &rights.join(","), &token.scope, &ends]);
}
