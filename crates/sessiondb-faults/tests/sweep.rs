//! Every operation of the disk fails, one after the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "what was covered")]

use std::env;

use fastrand::Rng;
use sessiondb_faults::sweep::{self, Script};

/// Of each kind of fault in the whole life so many are tried; the long run tries all.
const OF_EACH: u64 = 5;

/// Whatever fails and when: nobody hangs or panics, nobody is told what is not so, reads go on, and the store goes on when
/// the disk does. Each operation of a short life fails, and some of a long
/// one; `cargo run --release -p sessiondb-faults -- sweep` has all
/// of both. With the seed that it prints it can be run again: `SESSIONDB_FAULTS_SEED=… cargo test -p sessiondb-faults`.
#[test]
fn a_disk_that_fails_is_told_as_what_it_is_and_nothing_acknowledged_is_lost() {
    let seed =
        env::var("SESSIONDB_FAULTS_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut rng = Rng::with_seed(seed);
    let mut cases = sweep::each_once(Script::Short, &mut rng).unwrap();
    cases.extend(sweep::cases(Script::Whole, OF_EACH, &mut rng).unwrap());
    rng.shuffle(&mut cases);
    let tally = sweep::run(&cases, 2).unwrap();
    println!("SESSIONDB_FAULTS_SEED={seed}\n{tally}");
    let findings: Vec<&str> = tally.findings.iter().take(5).map(String::as_str).collect();
    assert!(findings.is_empty(), "with SESSIONDB_FAULTS_SEED={seed}:\n{}", findings.join("\n\n"));
    assert_eq!(tally.gaps(), [], "never struck, with SESSIONDB_FAULTS_SEED={seed}");
    assert!(tally.written_again > 0, "no log was written again");
}
