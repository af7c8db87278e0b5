//! `sessiondb serve`: the store over HTTP.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sessiondb::{Scope, Store};
use sessiondb_server::{Listen, NewToken, Options, Rights, ServeError, Tls, Token, Tokens};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    exit::{Exit, Failure},
    output::{Line, Output},
    place,
};

const ABOUT: &str = "\
Serves the store over HTTP until it is interrupted (Ctrl-C, SIGTERM); then it takes no new requests, lets those that run \
end, and closes the store.

Only this machine reaches it, unless --bind says otherwise; then it needs a certificate, or a proxy in front that has \
one. Callers need a token. At the first start one that may do everything is made and put beside the store, in a \
file that only you can read: FILE-token; the commands with --db http://… find it there. `sessiondb token new` makes \
others, which may do and see less.

What the routes are is described at /openapi.json. /healthz and /readyz need no token; /metrics does.";

const EXAMPLES: &str = "\
Examples:
  sessiondb serve
  sessiondb serve --bind 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --host sessions.example.org
  curl -H \"Authorization: Bearer $(cat ~/.local/share/sessiondb/sessions.db-token)\" http://127.0.0.1:7878/v1/sessions";

/// Serves the store over HTTP
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// A file with these options by the same names, in TOML; what stands on the command line counts more
    #[arg(long, value_name = "FILE", env = "SESSIONDB_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// What may be chosen, on the command line or in a file.
#[derive(Debug, Default, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    /// Where to listen; port 0 lets the system choose [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS", env = "SESSIONDB_BIND")]
    bind: Option<SocketAddr>,
    /// The certificate, in PEM, with those that vouch for it
    #[arg(long, value_name = "FILE", env = "SESSIONDB_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", env = "SESSIONDB_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS; what lies between it and this server is trusted
    #[arg(long)]
    behind_tls_proxy: bool,
    /// A name under which the server is asked, beside localhost; may be given again
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Ask nobody for a token; only on the loopback
    #[arg(long)]
    insecure_no_auth: bool,
    /// Requests a second that one token may send [default: 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_second: Option<u32>,
    /// Refused tokens that one address may try in a minute; more are answered 429 [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    refused_per_minute: Option<u32>,
    /// Writes that may wait at a time; more are answered 503 [default: 96]
    #[arg(long, value_name = "N")]
    writes: Option<usize>,
    /// Reads that may run at a time; more are answered 503 [default: 256]
    #[arg(long, value_name = "N")]
    reads: Option<usize>,
    /// Bytes of requests' bodies that are held at a time; more are answered 503 [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    body_bytes: Option<usize>,
    /// Feeds that one token may follow at a time [default: 2000]
    #[arg(long, value_name = "N")]
    followers: Option<usize>,
    /// Where the routes of interviews stand beside /v1/interview: / for front ends that know POST /sessions
    #[arg(long, value_name = "PATH")]
    interview_at: Option<Root>,
    /// What is told on stderr [default: info]
    #[arg(long, value_enum, env = "SESSIONDB_LOG")]
    log: Option<Level>,
    /// How it is told [default: text]
    #[arg(long, value_enum)]
    log_format: Option<Form>,
}

impl Settings {
    /// These, and where they say nothing those of a file.
    fn or(self, file: Settings) -> Settings {
        Settings {
            bind: self.bind.or(file.bind),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            behind_tls_proxy: self.behind_tls_proxy || file.behind_tls_proxy,
            host: if self.host.is_empty() { file.host } else { self.host },
            insecure_no_auth: self.insecure_no_auth || file.insecure_no_auth,
            requests_per_second: self.requests_per_second.or(file.requests_per_second),
            refused_per_minute: self.refused_per_minute.or(file.refused_per_minute),
            writes: self.writes.or(file.writes),
            reads: self.reads.or(file.reads),
            body_bytes: self.body_bytes.or(file.body_bytes),
            followers: self.followers.or(file.followers),
            interview_at: self.interview_at.or(file.interview_at),
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
        }
    }
}

/// Reads a file of settings.
fn read_file(file: &Path) -> Result<Settings, Failure> {
    let bad = |reason: String| Failure::new(Exit::Usage, format!("{}: {reason}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    toml::from_str(&text).map_err(|error| bad(error.message().to_owned()))
}

/// The root of the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
enum Root {
    #[serde(rename = "/")]
    #[value(name = "/")]
    Slash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// Only what needs somebody
    Error,
    /// What is refused or given up, too
    Warn,
    /// Starting, ending, tokens made and revoked
    Info,
    /// Each request
    Debug,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// Lines to read
    Text,
    /// An object a line
    Json,
}

pub fn run(args: Args, store: &Store, url: &str, out: &mut Output) -> Result<Exit, Failure> {
    let file = args.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
    let settings = args.settings.or(file);
    log(&settings);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Store, format!("no threads for the server: {error}")))?;
    runtime.block_on(serve(settings, store, url, out))?;
    Ok(Exit::Done)
}

fn log(settings: &Settings) {
    let level = match settings.log.unwrap_or(Level::Info) {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr);
    // Only the second call in a process fails, and there is none.
    let _ = match settings.log_format.unwrap_or(Form::Text) {
        Form::Text => builder.with_ansi(false).try_init(),
        Form::Json => builder.json().try_init(),
    };
}

async fn serve(settings: Settings, store: &Store, url: &str, out: &mut Output) -> Result<(), Failure> {
    let usual = Options::default();
    let options = Options {
        tokens: !settings.insecure_no_auth,
        hosts: settings.host,
        requests_per_second: settings.requests_per_second.unwrap_or(usual.requests_per_second),
        refused_per_minute: settings.refused_per_minute.unwrap_or(usual.refused_per_minute),
        writes_max: settings.writes.unwrap_or(usual.writes_max),
        reads_max: settings.reads.unwrap_or(usual.reads_max),
        body_bytes_max: settings.body_bytes.unwrap_or(usual.body_bytes_max),
        followers_max: settings.followers.unwrap_or(usual.followers_max),
        interview_at_root: settings.interview_at == Some(Root::Slash),
    };
    let tls = match (settings.tls_cert, settings.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        (None, None) => None,
        _ => return Err(Failure::new(Exit::Usage, "--tls-cert and --tls-key go together")),
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = settings.bind.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7878)));
    let listen = Listen { address, tls, behind_tls_proxy: settings.behind_tls_proxy };
    let token = if options.tokens { own_token(store, url).await? } else { None };
    let ended = end()?;
    let listening = |address: SocketAddr| {
        out.talk(&Line::new().plain(format!("listening on {scheme}://{address}")));
        match &token {
            Some(Kept::InFile(file)) => {
                out.talk(&Line::new().plain(format!("the token is in {}", file.display())));
            }
            Some(Kept::Nowhere(token)) => {
                out.talk(&Line::new().plain(format!("the token is {}", token.reveal())));
            }
            None => out.talk(&Line::new().plain(
                "nobody is asked for a token: whoever reaches this machine's loopback may do everything",
            )),
        }
    };
    sessiondb_server::serve(store.clone(), &options, listen, listening, ended).await.map_err(failed)
}

fn failed(error: ServeError) -> Failure {
    let hint = match &error {
        ServeError::Unprotected(_) => "give --tls-cert and --tls-key, or --behind-tls-proxy",
        ServeError::Open(_) => "leave --insecure-no-auth out",
        ServeError::Listen { .. } => "--bind takes another address; with port 0 the system chooses",
        _ => "",
    };
    match error {
        ServeError::Store(error) => error.into(),
        error if hint.is_empty() => Failure::new(Exit::Usage, error.to_string()),
        error => Failure::new(Exit::Usage, error.to_string()).hint(hint),
    }
}

/// When somebody wants it to end.
fn end() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let watch = |kind: SignalKind| {
        signal(kind).map_err(|error| Failure::new(Exit::Store, format!("no signals can be watched: {error}")))
    };
    let (mut interrupted, mut terminated) =
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// Where the token of whoever started the server is.
enum Kept {
    InFile(PathBuf),
    /// A store in memory has no place for it.
    Nowhere(Token),
}

/// The token that may do everything: that of the file beside the store, made if there is none.
async fn own_token(store: &Store, url: &str) -> Result<Option<Kept>, Failure> {
    let tokens = Tokens::of(store)?;
    let new = |name: &str| NewToken {
        name: name.to_owned(),
        rights: Rights::all(),
        scope: Scope::all(),
        expires_at: None,
    };
    let Some(file) = place::token_file(url) else {
        return Ok(Some(Kept::Nowhere(tokens.create(new("made when the server was started")).await?.0)));
    };
    if !file.exists() {
        let (token, _) = tokens.create(new("in the file beside the store")).await?;
        write_token(&file, &token).map_err(|error| {
            Failure::new(Exit::Store, format!("{}: the token cannot be written: {error}", file.display()))
        })?;
    }
    Ok(Some(Kept::InFile(file)))
}

/// Into a new file that only its owner can read.
fn write_token(file: &Path, token: &Token) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(format!("{}\n", token.reveal()).as_bytes())?;
    file.sync_all()
}
