//! `kill -9` in the middle of changes, again and again: what was answered is there, and the sides are brought in line.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use ait42_session::{
    DualWrite, SessionRepository, WorktreeSession,
    migration::{Authority, cut_over, rollback},
};

use crate::support::{Place, Watcher, message, open, sessions};

const KILLS: usize = 20;
/// Where the process that is to be killed works; without it, nobody is to be.
const ROOT: &str = "AIT42_SESSION_TEST_KILLED_IN";
/// Which one it is, so that no two say the same.
const ROUND: &str = "AIT42_SESSION_TEST_ROUND";

/// The process that is killed: this test, run again by the other. It tells each change that was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_work_until_killed() {
    let Some(root) = env::var_os(ROOT).map(PathBuf::from) else { return };
    let round = env::var(ROUND).unwrap();
    let store = open(&root).await;
    let mover = {
        let (store, dir) = (store.clone(), root.join("sessions"));
        // Every fourth is killed while the authority goes back and forth.
        let moves = round.parse::<usize>().unwrap() % 4 == 3;
        tokio::spawn(async move {
            if moves {
                loop {
                    cut_over(&store, &dir).await.unwrap();
                    rollback(&store, &dir).await.unwrap();
                }
            }
        })
    };
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (store, root, round) = (store.clone(), root.clone(), round.clone());
            tokio::spawn(async move {
                let dual = DualWrite::open(store, root.join("sessions")).await.unwrap();
                for n in 0.. {
                    let id = format!("{round}-{task}-{n}");
                    let hash = ["abc", "def"][(task + n) % 2];
                    match n % 3 {
                        0 => {
                            let session =
                                WorktreeSession::new(id.clone(), hash.into(), "debate".into(), String::new());
                            dual.create_session(session).await.unwrap();
                        }
                        _ => drop(dual.add_chat_message_in(hash, "comp-1", message(&id, "")).await.unwrap()),
                    }
                    let mut stdout = std::io::stdout().lock();
                    writeln!(stdout, "done {hash} {id}").unwrap();
                    stdout.flush().unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    mover.await.unwrap();
}

#[tokio::test]
async fn whatever_was_answered_survives_being_killed() {
    let place = Place::new().await;
    for hash in ["abc", "def"] {
        place.put(hash, &sessions(0..5));
    }
    place.import().await;
    let dual = place.dual().await;
    let watcher = Watcher::of(place.dir());
    let mut answered: Vec<(String, String)> = Vec::new();
    for round in 0..KILLS {
        let wanted = if round < KILLS / 2 { Authority::Json } else { Authority::Store };
        match wanted {
            Authority::Json => rollback(&place.store, place.dir()).await.unwrap(),
            Authority::Store => cut_over(&place.store, place.dir()).await.unwrap(),
        };
        assert_eq!(dual.authority().await.unwrap(), wanted);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::at_work_until_killed", "--nocapture"])
            .env(ROOT, place.root())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut goal = 1 + round % 5;
        while lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            // The first line may come after something of the test's harness.
            if let Some((_, done)) = line.trim_end().split_once("done ") {
                let (hash, id) = done.split_once(' ').unwrap();
                answered.push((hash.to_owned(), id.to_owned()));
                goal -= usize::from(goal > 0);
            }
            if goal == 0 {
                // What is in the pipe already is still read.
                child.kill().unwrap();
            }
            line.clear();
        }
        assert!(
            !child.wait().unwrap().success() && goal == 0,
            "the process ended by itself in round {round}"
        );

        assert_eq!(dual.replay().await.unwrap(), [], "round {round}");
        assert_eq!(place.differences().await, [""; 0], "round {round}");
    }
    assert!(watcher.finish() > 0);
    for hash in ["abc", "def"] {
        let sessions = place.store.get_all_sessions(hash).await.unwrap();
        let said = sessions.iter().flat_map(|session| &session.chat_history).map(|message| &message.id);
        let there: std::collections::BTreeSet<_> =
            sessions.iter().map(|session| &session.id).chain(said).collect();
        for (at, id) in &answered {
            assert!(at != hash || there.contains(id), "{id} was answered and is gone");
        }
    }
    assert!(answered.len() >= KILLS);
    assert!(place.store.pool().check().await.unwrap().is_clean());
}
