//! What the model's answers cost is counted once.

use crate::desk::{Desk, assistant, user};

impl Desk {
    fn tokens(&self) -> u64 {
        self.session().unwrap().token_usage
    }

    fn usages(&self) -> Vec<(String, String)> {
        let usages = self.documents("usage").into_iter();
        usages.map(|usage| (usage.id, usage.body.get().to_owned())).collect()
    }
}

fn charged(id: &str, tokens: u64) -> (String, String) {
    (format!("{id}/r"), format!(r#"{{"output_tokens":{tokens}}}"#))
}

#[test]
fn an_answer_in_several_lines_is_counted_once_at_its_largest() {
    let lines =
        [assistant("1", "m", 3), assistant("2", "m", 9), assistant("3", "m", 9), assistant("4", "m", 5)];
    let desk = Desk::with(lines.concat() + &assistant("5", "n", 100));
    desk.import();
    assert_eq!(desk.tokens(), 109);
    assert_eq!(desk.usages(), [charged("m", 9), charged("n", 100)]);
}

#[test]
fn an_answer_that_goes_on_in_a_later_import_is_counted_once() {
    let desk = Desk::with(user("0", "go"));
    for (line, sum) in [
        (assistant("1", "m", 3), 3),
        (assistant("2", "m", 3), 3),
        (assistant("3", "m", 10), 10),
        (assistant("4", "m", 1), 10),
        (assistant("5", "n", 0), 10),
        (assistant("6", "n", 5), 15),
    ] {
        desk.append(line);
        desk.import();
        assert_eq!(desk.tokens(), sum);
    }
    assert_eq!(desk.usages(), [charged("m", 10), charged("n", 5)]);
}

#[test]
fn an_answer_across_batches_is_counted_once() {
    let lines: String = (0..1200).map(|n| assistant(&format!("u-{n}"), "m", n)).collect();
    let desk = Desk::with(lines);
    desk.import();
    assert_eq!(desk.tokens(), 1199);
    assert_eq!(desk.usages(), [charged("m", 1199)]);
}

#[test]
fn a_rewritten_file_counts_only_what_is_new() {
    let desk = Desk::with(assistant("1", "m", 3) + &assistant("2", "n", 4));
    desk.import();
    desk.write(assistant("2", "n", 4) + &assistant("3", "o", 5));
    desk.import();
    assert_eq!(desk.tokens(), 12);
}

#[test]
fn the_same_request_without_a_message_id_and_a_record_that_is_no_message_count_too() {
    let line = |id: &str, rest: &str| {
        format!(
            r#"{{"type":"assistant","uuid":"{id}",{rest}"message":{{"role":"assistant","usage":{{"input_tokens":7}}}}}}"#
        ) + "\n"
    };
    let desk = Desk::with(line("1", "") + &line("2", r#""requestId":"r","#));
    assert_eq!(desk.import().records["assistant"], 2);
    assert_eq!(desk.tokens(), 14);
    assert_eq!(desk.usages().into_iter().map(|usage| usage.0).collect::<Vec<_>>(), ["1/", "2/r"]);
}

#[test]
fn counts_beyond_all_reason_do_not_stop_the_import() {
    let lines: String =
        (0..3).map(|n| assistant(&n.to_string(), &format!("m-{n}"), i64::MAX as u64)).collect();
    let desk = Desk::with(lines);
    assert_eq!(desk.import().messages, 3);
    assert_eq!(desk.tokens(), 0);
}
