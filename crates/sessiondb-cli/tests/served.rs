//! `sessiondb serve`, as a process: started, used through a socket, killed, stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "what was measured on the way")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// A server of a store, and where it listens.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Starts one, and waits until it says that it listens.
    fn start(db: &Path, arguments: &[&str]) -> Served {
        let mut child = Command::new(cargo_bin!("sessiondb"))
            .args(["--db", db.to_str().unwrap(), "serve"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut all = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "it ended: {all}");
            all.push_str(&line);
            if let Some(address) = line.trim().strip_prefix("listening on ") {
                break address.to_owned();
            }
        };
        // What it says later must not fill the pipe.
        thread::spawn(move || drop(said.read_to_end(&mut Vec::new())));
        Served { child, address }
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn store() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("s.db");
    (dir, db)
}

fn token(db: &Path) -> String {
    fs::read_to_string(format!("{}-token", db.display())).unwrap().trim().to_owned()
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into()
}

/// Asks; `None` if no answer came.
fn ask(agent: &Agent, method: &str, url: &str, token: &str, body: Option<&Value>) -> Option<(u16, Value)> {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let answer = match body {
        Some(body) => agent.run(request.body(body.to_string()).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    let mut answer = answer.ok()?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

#[test]
fn a_server_is_started_used_and_stopped() {
    let (_dir, db) = store();
    let mut served = Served::start(&db, &["--bind", "127.0.0.1:0"]);
    let file = format!("{}-token", db.display());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (token, agent) = (token(&db), agent());
    let url = |path: &str| format!("{}{path}", served.address);
    assert_eq!(ask(&agent, "GET", &url("/healthz"), "", None).unwrap(), (200, json!("ok\n")));
    assert_eq!(ask(&agent, "GET", &url("/readyz"), "", None).unwrap().0, 200);
    assert_eq!(ask(&agent, "GET", &url("/v1/sessions"), "", None).unwrap().0, 401);
    let said = json!({ "role": "user", "content": "hello" });
    let path = url("/v1/sessions/main:cli::dm:ann/messages");
    assert_eq!(ask(&agent, "POST", &path, &token, Some(&said)).unwrap().0, 201);
    let metrics = ask(&agent, "GET", &url("/metrics"), &token, None).unwrap().1;
    let metrics = metrics.as_str().unwrap();
    for name in [
        "sessiondb_commit_batch_size_count",
        "sessiondb_sync_seconds_sum",
        "sessiondb_commit_seconds_bucket",
        "sessiondb_queue_depth 0",
        "sessiondb_wal_bytes ",
        "sessiondb_database_bytes ",
        "sessiondb_index_lag_messages ",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} in {metrics}");
    }
    assert!(metrics.contains(r#"sessiondb_http_request_seconds_count{route="/v1/sessions/{key}/messages",method="POST",status="201"} 1"#), "{metrics}");

    // The commands see through the server what they see in the file.
    let run = |db: &str, command: &[&str]| {
        let output = Command::new(cargo_bin!("sessiondb"))
            .args(["--url", db])
            .args(command)
            .env("SESSIONDB_TOKEN", &token)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for command in [
        &["ls"][..],
        &["show", "ann"],
        &["show", "nobody"],
        &["check"],
        &["export"],
        &["ls", "-o", "json"],
        &["search", "hello"],
        &["search", "hello", "-o", "json"],
        &["state", "*"],
    ] {
        assert_eq!(run(&served.address, command), run(db.to_str().unwrap(), command), "{command:?}");
    }
    // The index follows by itself, so the log may have grown meanwhile.
    let stats = |db: &str| {
        let mut stats: Value = serde_json::from_str(&run(db, &["stats", "-o", "json"]).1).unwrap();
        assert!(stats["size"]["log"].take().as_u64().unwrap() > 0);
        stats
    };
    assert_eq!(stats(&served.address), stats(db.to_str().unwrap()));
    for command in [
        &["append", "main:cli::dm:bob", "--content", "hi"][..],
        &["fork", "main:cli::dm:bob", "main:cli::dm:eve"],
    ] {
        assert_eq!(run(&served.address, command).0, Some(0), "{command:?}");
    }
    assert_eq!(run(db.to_str().unwrap(), &["ls"]), run(&served.address, &["ls"]));
    let (code, made, said) =
        run(&served.address, &["token", "new", "a reader", "--right", "read", "--days", "1"]);
    assert_eq!(code, Some(0), "{said}");
    let id = said.strip_prefix("this is token ").and_then(|said| said.split(',').next()).unwrap();
    let reader = made.trim();
    assert_eq!(ask(&agent, "GET", &url("/v1/usage"), reader, None).unwrap().0, 200);
    for command in [
        &["token", "ls"][..],
        &["token", "ls", "-o", "jsonl"],
        &["token", "revoke", "nobody"],
        &["token", "revoke", "a/b"],
    ] {
        assert_eq!(run(&served.address, command), run(db.to_str().unwrap(), command), "{command:?}");
    }
    assert_eq!(run(&served.address, &["token", "revoke", id]).0, Some(0));
    assert_eq!(ask(&agent, "GET", &url("/v1/usage"), reader, None).unwrap().0, 401);
    let (code, _, said) = run(&served.address, &["serve"]);
    assert!(code == Some(2) && said.contains("needs the store itself"), "{said}");

    served.signal("-TERM");
    assert!(served.child.wait().unwrap().success());
    // It was closed well: nothing is left of the log.
    assert!(!Path::new(&format!("{}-wal", db.display())).exists());
}

/// With a certificate the server speaks TLS and nothing else, and a client comes to it that trusts the certificate.
#[test]
fn a_server_with_a_certificate_speaks_tls() {
    let (dir, db) = store();
    let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (tls_cert, tls_key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    // It may listen where others can reach it: what is sent there is protected.
    let served = Served::start(&db, &["--bind", "0.0.0.0:0", "--tls-cert", tls_cert, "--tls-key", tls_key]);
    let port = served.address.rsplit(':').next().unwrap();
    let url = format!("https://127.0.0.1:{port}");
    let run = |url: &str, trusted: &str, command: &[&str]| {
        let mut program = Command::new(cargo_bin!("sessiondb"));
        program
            .args(["--url", url])
            .args(command)
            .env("SESSIONDB_TOKEN", token(&db))
            .env("SESSIONDB_CA", trusted);
        let output = program.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let append = ["append", "main:cli::dm:ann", "--content", "hello"];
    assert_eq!(run(&url, tls_cert, &append).0, Some(0));
    assert_eq!(run(&url, tls_cert, &["show", "ann"]).0, Some(0));
    // Nobody vouches for it, or it is another one; plain HTTP is not answered; and what to trust must be there.
    let (code, said) = run(&url, "", &["ls"]);
    assert!(code == Some(6) && said.contains("certificate"), "{said}");
    let other = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    fs::write(dir.path().join("other.pem"), other.cert.pem()).unwrap();
    assert_eq!(run(&url, dir.path().join("other.pem").to_str().unwrap(), &["ls"]).0, Some(6));
    assert_eq!(run(&url.replace("https", "http"), "", &["ls"]).0, Some(6));
    assert_eq!(run(&url, tls_key, &["ls"]).0, Some(6));
    assert_eq!(run(&url, "/nowhere/ca.pem", &["ls"]).0, Some(5));
}

/// An archive came to its end and the connection broke: what compresses bodies asks for more after the end.
#[test]
fn an_archive_comes_to_its_end() {
    let (_dir, db) = store();
    let served = Served::start(&db, &["--bind", "127.0.0.1:0"]);
    let (token, agent) = (token(&db), agent());
    let said =
        json!((0..50).map(|n| json!({ "role": "user", "content": "x".repeat(n * 100) })).collect::<Vec<_>>());
    let path = |path: &str| format!("{}{path}", served.address);
    assert_eq!(
        ask(&agent, "POST", &path("/v1/sessions/a:b:c:d:e/messages"), &token, Some(&said)).unwrap().0,
        201
    );
    for encoding in ["identity", "gzip"] {
        let request = ureq::http::Request::builder()
            .uri(path("/v1/export"))
            .header("authorization", format!("Bearer {token}"))
            .header("accept-encoding", encoding);
        let mut answer = agent.run(request.body(()).unwrap()).unwrap();
        let bytes = answer.body_mut().read_to_vec().unwrap();
        assert!(bytes.len() > 500, "{encoding}: {} bytes", bytes.len());
        if encoding == "identity" {
            assert!(String::from_utf8(bytes).unwrap().lines().last().unwrap().starts_with("{\"end\":"));
        }
    }
}

/// One address that tries token after token is told to wait, and a valid one from there is accepted all the same.
#[test]
fn who_tries_many_tokens_is_told_to_wait() {
    let (_dir, db) = store();
    let served = Served::start(&db, &["--bind", "127.0.0.1:0"]);
    let (agent, url) = (agent(), format!("{}/v1/sessions", served.address));
    let tried: Vec<u16> =
        (0..20).map(|n| ask(&agent, "GET", &url, &format!("guess-{n}"), None).unwrap().0).collect();
    assert_eq!(&tried[..10], [401; 10]);
    assert!(tried[11..].iter().all(|status| *status == 429), "{tried:?}");
    assert_eq!(ask(&agent, "GET", &url, &token(&db), None).unwrap().0, 200);
    // Who shows none has not tried any.
    let without = ureq::http::Request::builder().uri(&url).body(()).unwrap();
    assert_eq!(agent.run(without).unwrap().status().as_u16(), 401);
}

/// A token that is revoked by another process ends at a server that runs.
#[test]
fn a_revoked_token_ends() {
    let (_dir, db) = store();
    let served = Served::start(&db, &["--bind", "127.0.0.1:0"]);
    let run = |arguments: &[&str]| {
        let output = Command::new(cargo_bin!("sessiondb"))
            .arg("--db")
            .arg(&db)
            .arg("token")
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let token = run(&["new", "a test", "--right", "read", "--scope", "main:*"]).trim().to_owned();
    let (agent, url) = (agent(), format!("{}/v1/sessions", served.address));
    assert_eq!(ask(&agent, "GET", &url, &token, None).unwrap().0, 200);
    let id = token.split('_').nth(1).unwrap();
    assert!(run(&["ls"]).contains(id));
    run(&["revoke", id]);
    let revoked = Instant::now();
    while ask(&agent, "GET", &url, &token, None).unwrap().0 != 401 {
        assert!(revoked.elapsed() < Duration::from_secs(60), "it is still accepted");
        thread::sleep(Duration::from_millis(50));
    }
    println!("it ended after {:?}", revoked.elapsed());
    assert!(run(&["ls"]).contains("revoked"));
}

#[test]
fn what_would_be_open_to_others_is_refused() {
    let (dir, db) = store();
    let no = dir.path().join("none.pem").display().to_string();
    for (arguments, words) in [
        (&["--bind", "0.0.0.0:0"][..], "nothing protects what is sent there"),
        (&["--bind", "0.0.0.0:0", "--insecure-no-auth"], "nobody would be asked for a token"),
        (&["--bind", "127.0.0.1:0", "--tls-cert", &no, "--tls-key", &no], "cannot be used"),
        (&["--bind", "nowhere"], "invalid value"),
    ] {
        let output = Command::new(cargo_bin!("sessiondb"))
            .arg("--db")
            .arg(&db)
            .arg("serve")
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.contains(words)), (Some(2), true), "{arguments:?}: {said}");
    }
}

/// Sixteen clients append and send again what was not answered, while the server is killed ten times. Each message that was
/// acknowledged is there once, in the order in which its client sent it.
#[test]
fn a_server_that_is_killed_loses_nothing_that_it_acknowledged() {
    const CLIENTS: u64 = 16;
    const KILLS: u64 = 10;
    const BETWEEN: u64 = 300;
    let (_dir, db) = store();
    let mut served = Served::start(&db, &["--bind", "127.0.0.1:0"]);
    let (address, token) = (served.address.clone(), token(&db));
    let (acknowledged, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (acknowledged, over) = (Arc::clone(&acknowledged), Arc::clone(&over));
            let (address, token) = (address.clone(), token.clone());
            thread::spawn(move || {
                let (agent, mut seqs, mut again) = (agent(), Vec::new(), 0);
                let url = format!("{address}/v1/sessions/main:cli::dm:c{client}/messages");
                while !over.load(Ordering::Relaxed) {
                    let n = seqs.len();
                    let message = json!({ "role": "user", "content": n, "message_id": format!("m{n}") });
                    match ask(&agent, "POST", &url, &token, Some(&message)) {
                        Some((200 | 201, receipt)) => {
                            seqs.push(receipt["seqs"][0].as_u64().unwrap());
                            acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        Some((503, _)) | None => {
                            again += 1;
                            thread::sleep(Duration::from_millis(5));
                        }
                        Some(answer) => panic!("{answer:?}"),
                    }
                }
                (seqs, again)
            })
        })
        .collect();
    let (mut slowest, port) = (Duration::ZERO, address.rsplit(':').next().unwrap().to_owned());
    for _ in 0..KILLS {
        let before = acknowledged.load(Ordering::Relaxed);
        while acknowledged.load(Ordering::Relaxed) < before + BETWEEN {
            thread::sleep(Duration::from_millis(1));
        }
        served.signal("-KILL");
        served.child.wait().unwrap();
        let begun = Instant::now();
        served = Served::start(&db, &["--bind", &format!("127.0.0.1:{port}")]);
        let agent = agent();
        while ask(&agent, "GET", &format!("{address}/readyz"), "", None)
            .is_none_or(|(status, _)| status != 200)
        {}
        slowest = slowest.max(begun.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    let (mut sent_again, agent) = (0, agent());
    for (client, thread) in clients.into_iter().enumerate() {
        let (seqs, again) = thread.join().unwrap();
        sent_again += again;
        let (mut after, mut stored) = (0, Vec::new());
        loop {
            let url =
                format!("{address}/v1/sessions/main:cli::dm:c{client}/messages?after={after}&limit=1000");
            let page = ask(&agent, "GET", &url, &token, None).unwrap().1;
            let messages = page["messages"].as_array().unwrap();
            stored.extend(
                messages.iter().map(|m| (m["seq"].as_u64().unwrap(), m["content"].as_u64().unwrap())),
            );
            after = stored.last().map_or(0, |(seq, _)| *seq);
            if page["has_later"] == false {
                break;
            }
        }
        // The last one may be stored without its client having been told.
        assert!(stored.len() == seqs.len() || stored.len() == seqs.len() + 1, "client {client}");
        assert!(stored.iter().zip(0..).all(|((_, content), n)| *content == n), "client {client}: {stored:?}");
        assert!(seqs.iter().zip(&stored).all(|(told, (seq, _))| told == seq), "client {client}");
    }
    assert!(sent_again > 0, "no client met a server that was not there");
    println!(
        "{} messages were acknowledged, {sent_again} sent again; the slowest start took {slowest:?} until it was ready",
        acknowledged.load(Ordering::Relaxed)
    );
}
