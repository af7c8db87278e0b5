//! `sessiondb optimize`.

use crate::support::Place;

#[test]
fn the_file_shrinks_by_the_bytes_that_are_printed() {
    let place = Place::new();
    place.sessions(1);
    let size = || std::fs::metadata(place.path("sessions.db")).unwrap().len();
    assert_eq!(place.ok(&["optimize"]), "0\n");
    let small = size();
    place.ok(&["append", "000", "--content", &"x".repeat(100_000)]);
    place.ok(&["rm", "--yes", "000"]);
    let large = size();
    let given: u64 = place.ok(&["optimize"]).trim().parse().unwrap();
    assert!(given >= 90_000, "{given}");
    assert_eq!(size(), large - given);
    assert!(size() <= small + 8 * 4096, "{small} before, {} after", size());
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let place = Place::new();
    let run = place.run(&["optimize"]);
    assert_ne!(run.code, 0);
    assert!(!place.path("sessions.db").exists());
}
