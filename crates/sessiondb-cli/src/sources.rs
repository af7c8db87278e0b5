//! [`Sources`]: what there is to import, looked up before an import starts so that it can say so.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::ErrorKind,
    path::PathBuf,
};

use indicatif::HumanBytes;
use owo_colors::Style;
use serde::Serialize;
use sessiondb_import::{Format, Source, find};

use crate::{
    exit::{Exit, Failure},
    output::{Line, Output},
    summary::Summary,
};

/// What there is to import.
#[derive(Default)]
pub struct Sources {
    /// The transcripts, each once.
    pub sources: Vec<Source>,
    /// The directories that were searched for them.
    pub directories: Vec<Searched>,
    /// The files in `sources`, by the paths that the system has for them.
    known: HashSet<PathBuf>,
}

impl Sources {
    /// Looks where the agents keep transcripts, in each place for those of its own.
    ///
    /// # Errors
    /// If a format is wanted that has no such place.
    pub fn places(
        &mut self,
        wanted: Option<Format>,
        summary: &mut Summary,
        out: &Output,
    ) -> Result<(), Failure> {
        let formats = Format::ALL.into_iter().filter(|format| wanted.is_none_or(|wanted| wanted == *format));
        let places: Vec<_> = formats
            .flat_map(|format| format.places().into_iter().map(move |place| (format, place)))
            .collect();
        if let (true, Some(format)) = (places.is_empty(), wanted) {
            let failure =
                Failure::new(Exit::Usage, format!("{format} transcripts have no place of their own"));
            return Err(failure.hint("name the files or directories to import"));
        }
        for (format, place) in places {
            match fs::metadata(&place) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.directories.push(Searched::missing(place, Some(format)));
                }
                _ => self.look(Some(format), place, summary, out),
            }
        }
        Ok(())
    }

    /// Looks at a path.
    pub fn look(&mut self, wanted: Option<Format>, path: PathBuf, summary: &mut Summary, out: &Output) {
        let mut found = match find(wanted, std::slice::from_ref(&path)) {
            Ok(found) => found,
            Err(error) => return summary.fail(&error, out),
        };
        summary.passed_over += found.passed_over;
        found.unread.iter().for_each(|error| summary.fail(error, out));
        // A path may lie within another one.
        found.sources.retain(|source| {
            self.known.insert(fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone()))
        });
        if path.is_dir() {
            self.directories.push(Searched::with(path, wanted, &found.sources));
        }
        self.sources.append(&mut found.sources);
    }
}

/// A directory that was searched.
pub struct Searched {
    place: PathBuf,
    /// The format that was looked for; `None` for all.
    wanted: Option<Format>,
    exists: bool,
    /// What was found, by the names of the formats.
    found: BTreeMap<String, Transcripts>,
}

/// How many there are, and of how many bytes together.
#[derive(Clone, Copy, Default)]
struct Transcripts {
    count: u64,
    bytes: u64,
}

/// What is printed for a place and a format.
#[derive(Serialize)]
pub struct SearchedJson {
    place: String,
    format: Option<String>,
    exists: bool,
    transcripts: u64,
    bytes: u64,
}

impl Searched {
    /// A directory in which these were found.
    pub fn with(place: PathBuf, wanted: Option<Format>, sources: &[Source]) -> Searched {
        let mut found: BTreeMap<_, Transcripts> = BTreeMap::new();
        for source in sources {
            let of_format = found.entry(source.format.to_string()).or_default();
            of_format.count += 1;
            of_format.bytes += source.bytes;
        }
        Searched { place, wanted, exists: true, found }
    }

    /// A directory that is not there.
    pub fn missing(place: PathBuf, wanted: Option<Format>) -> Searched {
        Searched { place, wanted, exists: false, found: BTreeMap::new() }
    }

    /// What to tell of it: a line for each format, in grey if there is none.
    pub fn lines(&self) -> Vec<Line> {
        let place = self.place.display();
        if self.found.is_empty() {
            let whose = self.wanted.map_or_else(String::new, |format| format!("{format} "));
            let missing = if self.exists { "" } else { ", which does not exist" };
            let text = format!("found no {whose}transcripts in {place}{missing}");
            return vec![Line::new().styled(Style::new().dimmed(), text)];
        }
        let of_format = |(format, Transcripts { count, bytes }): (&String, &Transcripts)| {
            let plural = if *count == 1 { "" } else { "s" };
            let what = format!("{count} {format} transcript{plural} ({})", HumanBytes(*bytes));
            Line::new().plain(format!("found {what} in {place}"))
        };
        self.found.iter().map(of_format).collect()
    }

    /// The same to print as JSON.
    pub fn json(&self) -> Vec<SearchedJson> {
        let of = |format: Option<String>, Transcripts { count, bytes }| SearchedJson {
            place: self.place.to_string_lossy().into_owned(),
            format,
            exists: self.exists,
            transcripts: count,
            bytes,
        };
        if self.found.is_empty() {
            return vec![of(self.wanted.map(|format| format.to_string()), Transcripts::default())];
        }
        self.found.iter().map(|(format, transcripts)| of(Some(format.clone()), *transcripts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(searched: &Searched) -> Vec<String> {
        searched.lines().iter().map(|line| line.text(false)).collect()
    }

    #[test]
    fn each_format_has_its_line_and_what_is_not_there_too() {
        let source = |format, bytes| Source { format, path: "/p/x.jsonl".into(), bytes };
        let sources =
            [source(Format::OpenAi, 10), source(Format::Claude, 1 << 20), source(Format::Claude, 1 << 19)];
        let both = Searched::with("/p".into(), None, &sources);
        assert_eq!(
            texts(&both),
            ["found 2 claude transcripts (1.50 MiB) in /p", "found 1 openai transcript (10 B) in /p"]
        );
        let place = || PathBuf::from("/p\n");
        assert_eq!(texts(&Searched::with(place(), None, &[])), [r"found no transcripts in /p\n"]);
        assert_eq!(
            texts(&Searched::missing(place(), Some(Format::Claude))),
            [r"found no claude transcripts in /p\n, which does not exist"]
        );
        let json = |searched: &Searched| serde_json::to_string(&searched.json()).unwrap();
        assert_eq!(
            json(&Searched::missing("/p".into(), Some(Format::Claude))),
            r#"[{"place":"/p","format":"claude","exists":false,"transcripts":0,"bytes":0}]"#
        );
        assert!(
            json(&both)
                .ends_with(r#"{"place":"/p","format":"openai","exists":true,"transcripts":1,"bytes":10}]"#)
        );
    }
}
