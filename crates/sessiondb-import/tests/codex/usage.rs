//! What the model's answers cost is counted once.

use std::{fs, path::Path};

use crate::desk::{Desk, THREAD, count, line, meta};

fn response(second: usize, id: &str, input: u64) -> String {
    line(
        second,
        "token_usage_record",
        &format!(r#"{{"response_id":"{id}","usage":{{"input_tokens":{input}}}}}"#),
    )
}

fn sample(below: &str) -> Desk {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/codex/sessions");
    let desk = Desk::with(fs::read(samples.join(below)).unwrap());
    desk.import();
    desk
}

#[test]
fn a_real_session_has_cost_what_it_says_itself_in_the_end() {
    // The last `total_token_usage` of each: its input and output.
    let desk = sample("2025/12/09/rollout-2025-12-09T19-55-16-019b04ae-b1c6-7c72-a134-a4c2de66058c.jsonl");
    assert_eq!((desk.tokens(), desk.usages().len()), (26740 + 408, 7));
    let desk = sample("2026/04/20/rollout-2026-04-20T16-43-30-019dabc6-8fef-7681-a054-b5bb75fcb97d.jsonl");
    let text = fs::read_to_string(&desk.path).unwrap();
    let (_, last) = text.rsplit_once("\"total_token_usage\":").unwrap();
    let number = |name: &str| -> u64 {
        let (_, after) = last.split_once(&format!("\"{name}\":")).unwrap();
        after.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    assert_eq!(desk.tokens(), number("input_tokens") + number("output_tokens"));
}

#[test]
fn a_count_that_is_repeated_in_a_later_import_is_counted_once() {
    let desk = Desk::with(meta(THREAD));
    for (text, sum) in [
        (count(1, 100, 100), 100),
        (count(2, 100, 100), 100),
        (count(3, 130, 30), 130),
        (count(4, 130, 30), 130),
        (response(5, "a", 30), 130),
        (count(6, 150, 20), 130),
        (response(7, "b", 20), 150),
        (response(8, "b", 20), 150),
    ] {
        desk.append(text);
        desk.import();
        assert_eq!(desk.tokens(), sum);
    }
    let ids: Vec<_> = desk.usages().into_iter().map(|usage| usage.0).collect();
    assert_eq!(ids, ["response:b", "total:100/0/0/0", "total:130/0/0/0"]);
}

#[test]
fn counts_across_batches_are_counted_once() {
    let lines: String = (1..1300).map(|n| count(n, n.div_ceil(2) as u64 * 10, 10)).collect();
    let desk = Desk::with(meta(THREAD) + &lines);
    desk.import();
    assert_eq!((desk.tokens(), desk.usages().len()), (6500, 650));
}

#[test]
fn an_id_that_the_store_would_not_take_is_counted_under_another() {
    let desk = Desk::with(
        meta(THREAD) + &response(1, &"x".repeat(600), 3) + &response(2, "\\u0000", 4) + &response(3, "", 5),
    );
    desk.import();
    assert_eq!((desk.tokens(), desk.usages().len()), (12, 3));
}

#[test]
fn counts_beyond_all_reason_do_not_stop_the_import() {
    let desk = Desk::with(meta(THREAD) + &count(1, i64::MAX as u64, i64::MAX as u64) + &count(2, 3, 3));
    assert_eq!(desk.import().bad_lines, []);
    assert_eq!(desk.tokens(), 3);
}
