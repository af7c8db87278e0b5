//! Several imports at the same time.

use std::thread;

use pollster::block_on;
use sessiondb_import::{Sessions, import};

use crate::desk::{Desk, chat, content, long, nameless, source};

fn lines() -> String {
    let named = (0..600).map(|n| chat(&format!("c-{n}"), &["1", "2"]));
    let nameless = (0..600).map(|n| nameless(&[n.to_string().as_str()]));
    named.chain(nameless).collect::<String>() + &long("long", 10_500)
}

#[test]
fn imports_at_the_same_time_share_the_work_and_double_nothing() {
    let alone = Desk::with(lines());
    alone.try_import().unwrap();
    let disk = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let desk = Desk::with(lines());
        let url = disk.path().join(format!("{round}.db")).display().to_string();
        let store = match round {
            0 => desk.store.clone(),
            _ => block_on(sessiondb::open(&url)).unwrap(),
        };
        let verdicts = thread::scope(|scope| {
            let one = || block_on(import(&store, &source(&desk.path), &mut |_| {})).unwrap();
            let imports: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
            imports.into_iter().map(|import| import.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(verdicts.iter().map(|verdict| verdict.messages).sum::<u64>(), 1200 + 600 + 10_500);
        let of = |which: fn(&Sessions) -> u64| {
            verdicts.iter().map(|verdict| which(&verdict.sessions)).sum::<u64>()
        };
        assert_eq!((of(|s| s.new), of(|s| s.rewritten)), (1201, 0));
        assert!(verdicts.iter().all(|verdict| verdict.bad_lines.is_empty()));
        let without_path = |mut content: crate::desk::Content| {
            content.values_mut().for_each(|session| session.1.retain(|document| document.0 != "import"));
            content
        };
        assert!(without_path(content(&store)) == without_path(content(&alone.store)));
        block_on(store.close()).unwrap();
    }
}

#[test]
fn an_import_can_be_awaited_on_any_thread() {
    fn can_be_sent(_: &impl Send) {}
    let (desk, mut progress) = (Desk::with(chat("a", &["1"])), |_| {});
    let source = source(&desk.path);
    let importing = import(&desk.store, &source, &mut progress);
    can_be_sent(&importing);
    assert_eq!(block_on(importing).unwrap().messages, 1);
}
