//! Sessions and the commits that restore them.

use rusqlite::Connection;
use sessiondb::Write;

use crate::desk::{archive, file, memory, read_whole, say, write};

/// A restore that was killed between two batches left the first messages of a session, which looked whole. A session
/// that fits into a batch is one commit now; one that does not is several.
#[test]
fn a_session_that_fits_into_a_batch_is_one_commit() {
    let source = memory();
    for n in 0..150 {
        let texts: Vec<String> = (0..22).map(|text| format!("{n} {text}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        write(&source, &format!("s{n}"), n, vec![Write::open(), say(&texts)]);
    }
    let texts = ["long"; 2_500];
    write(&source, "long", 200, vec![Write::open(), say(&texts)]);
    let first = archive(&source);
    let (store, dir) = file();
    read_whole(&store, &first);
    assert_eq!(archive(&store), first);
    let conn = Connection::open(dir.path().join("s.db")).unwrap();
    let counts = "SELECT s.peer_id, count(*) FROM commits c JOIN sessions s ON s.id = c.session_id
                  GROUP BY s.id HAVING count(*) > 1";
    let mut statement = conn.prepare(counts).unwrap();
    let several: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(several, ["long"]);
}
