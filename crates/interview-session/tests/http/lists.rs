//! `GET /sessions`, page by page.

use interview_session::{Session, SessionStatus};
use serde_json::{Value, json};

use crate::Server;

#[test]
fn a_list_is_read_page_by_page_and_says_how_many_there_are() {
    let server = Server::start();
    let moment = "2025-01-31T10:00:00Z".parse().unwrap();
    server.run(async {
        for index in 0..7 {
            let status = SessionStatus::ALL[index % 3];
            let new = Session::new("mec", "oat-milk", "Oat milk");
            // All of one moment: the order is that of creation.
            let given = Session { id: format!("s{index}"), created_at: moment, status, ..new };
            server.repository.create(given).await.unwrap();
        }
    });
    let (mut path, mut seen) = ("/sessions?status=active&status=completed&limit=2".to_owned(), Vec::new());
    let first = path.clone();
    loop {
        let page = server.get(&path).json();
        assert_eq!(page["total"], 5, "on all pages");
        seen.extend(page["sessions"].as_array().unwrap().iter().map(|session| session["id"].clone()));
        match &page["next"] {
            Value::String(next) => path = format!("{first}&after={next}"),
            next => break assert_eq!(*next, Value::Null),
        }
    }
    assert_eq!(seen, ["s6", "s5", "s3", "s2", "s0"].map(|id| json!(id)));
}
