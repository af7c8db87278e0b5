//! `sessiondb patch`: change a session's status, metadata or tokens.

use sessiondb::{Commit, Conflict, Error, Expect, Json, Write, blocking::Store};

use crate::{
    argument::{json, key},
    exit::{Exit, Failure},
    json::SessionJson,
    output::Output,
};

/// How often a merge is tried anew because others change the session meanwhile.
const MERGE_TRIES_MAX: usize = 100;

const ABOUT: &str = "\
Changes a session's status, metadata or count of tokens, all of what is given or nothing, and prints the session as \
JSON afterwards. At least one change must be given.

--merge changes the metadata member by member (RFC 7396): members of the patch replace those of the metadata, null \
removes one, objects are merged in the same way. It is safe beside other writers: when the session changes between \
reading and writing, it is read anew. With --revision it is not; then a change by others is a conflict.";

const EXAMPLES: &str = "\
Examples:
  sessiondb patch main:cli::dm:ann --status archived
  sessiondb patch main:cli::dm:ann --merge '{\"title\": \"Weather\", \"draft\": null}'
  sessiondb patch main:cli::dm:ann --add-tokens 1200
  sessiondb patch main:cli::dm:ann --metadata '{}' --revision 7";

/// Changes a session's status, metadata or count of tokens.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES, override_usage = "sessiondb patch [OPTIONS] <KEY>")]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["status", "metadata", "merge", "set_tokens", "add_tokens"]))]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// The new status
    #[arg(long)]
    status: Option<String>,
    /// The new metadata, a JSON object, in place of the old
    #[arg(long, value_name = "JSON", conflicts_with = "merge")]
    metadata: Option<String>,
    /// A merge patch of the metadata, a JSON object
    #[arg(long, value_name = "JSON")]
    merge: Option<String>,
    /// The new count of tokens used
    #[arg(long, value_name = "N", conflicts_with = "add_tokens")]
    set_tokens: Option<u64>,
    /// So many more tokens used
    #[arg(long, value_name = "N")]
    add_tokens: Option<u64>,
    /// Only if the session is at this revision
    #[arg(long, value_name = "R")]
    revision: Option<u64>,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let metadata = args.metadata.as_deref().map(|text| json::parse("--metadata", text)).transpose()?;
    let merge = args.merge.as_deref().map(|text| json::parse("--merge", text)).transpose()?;
    let key = key::resolve(store, &args.key)?;

    let mut commit = Commit::new(key.clone());
    commit.expect.extend(args.revision.map(Expect::State));
    commit.writes.extend(args.status.map(Write::SetStatus));
    commit.writes.extend(metadata.map(Write::SetMetadata));
    commit.writes.extend(args.set_tokens.map(Write::SetTokens));
    commit.writes.extend(args.add_tokens.map(Write::AddTokens));
    match merge {
        None => store.commit_one(commit).map(drop)?,
        Some(patch) => commit_merged(store, commit, &patch, args.revision)?,
    }
    out.json_line(&SessionJson::from(&key::session(store, &key)?))?;
    Ok(Exit::Done)
}

/// Commits with the metadata merged: read, merged, and written only if nobody wrote in between.
fn commit_merged(store: &Store, commit: Commit, patch: &Json, revision: Option<u64>) -> Result<(), Failure> {
    let mut tries = 1;
    loop {
        let session = key::session(store, &commit.key)?;
        let merged =
            session.metadata.merge_patch(patch).map_err(|error| Failure::from(error).at("--merge"))?;
        let commit = commit.clone().expect(Expect::State(session.revision)).write(Write::SetMetadata(merged));
        match store.commit_one(commit) {
            Err(Error::Conflict { conflict: Conflict::State { .. }, .. })
                if revision.is_none() && tries < MERGE_TRIES_MAX =>
            {
                tries += 1;
            }
            result => return result.map(drop).map_err(Failure::from),
        }
    }
}
