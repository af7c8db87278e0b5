//! The text of a view, as it stands in a row that may have been written by hand, and what is made of it.

use sessiondb::{LogId, View, limits::COUNT_MAX};

/// The first 16 bytes are two numbers, the last message of the log and one up to there to split at; the rest is the text.
pub fn holds(data: &[u8]) {
    let Some((numbers, text)) = data.split_first_chunk::<16>() else { return };
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap()) % COUNT_MAX;
    let head = number(&numbers[..8]);
    let seq = number(&numbers[8..]) % (head + 1);
    let Some(view) = str::from_utf8(text).ok().and_then(|text| View::from_text(text).ok()) else { return };
    assert_eq!(View::from_text(&view.to_text()).as_ref(), Ok(&view));

    let own = view.spans().last().map_or(LogId(1), |span| span.log);
    let closed = view.closed(head);
    assert_eq!(closed.len(head), view.len(head));
    assert!(closed.spans().iter().all(|span| span.last.is_some()));
    assert_eq!(closed.greatest(head), view.greatest(head));
    for split in [closed.split_after(seq), closed.split_before(seq)] {
        assert_eq!(split.is_some(), closed.contains(seq) || seq == 0);
        let Some((front, back)) = split else { continue };
        // Only a view that shows messages again and again has more than can be counted.
        if closed.len(head) < u64::MAX {
            assert_eq!(front.len(head) + back.len(head), closed.len(head), "{seq} in {view:?}");
        }
    }
    for changed in [
        view.rewound(seq, own, head),
        view.without_suffix(seq, own, head),
        view.compacted(seq, own, head, head + 1),
        Some(view.uncompacted(&closed, Some((seq, head)), own, head)),
        Some(view.undone(&closed, seq, seq, own, head)),
    ] {
        let Some(changed) = changed else { continue };
        let last = changed.spans().last().unwrap();
        assert_eq!((last.log, last.last), (own, None), "{changed:?} is not open");
        assert!(
            changed.len(head + 1) <= view.len(head + 1).saturating_add(closed.len(head)).saturating_add(1)
        );
    }
    _ = view.validate_rewrite(head);
    if let Some((front, copied, back)) = view.overflow(head) {
        let rewritten = View::rewritten(front.clone(), &back, own, head, head + 1);
        assert!(rewritten.spans().len() < view.spans().len());
        let spans = [front, copied, back].iter().map(|part| part.spans().len()).sum::<usize>();
        assert_eq!(spans, view.spans().len());
    }
}
