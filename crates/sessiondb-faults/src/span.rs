//! [`Span`]: when something was going on, in places of a log.

use std::collections::BTreeMap;

use crate::{calls::Call, disk::Event, operation::Operation, workload::NAME};

/// The part of a log in which an operation was going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What.
    pub operation: Operation,
    /// How many events there were before it.
    pub begun: usize,
    /// How many events there were when it was acknowledged.
    pub ended: usize,
}

/// When calls and checkpoints were in flight.
pub(crate) fn spans_of(log: &[Event], calls: &[Call]) -> Vec<Span> {
    let mut spans = spans_of_calls(log, calls);
    spans.extend(spans_of_checkpoints(log));
    spans
}

/// When a call's writes were in flight: from when it was sent to its answer.
fn spans_of_calls(log: &[Event], calls: &[Call]) -> Vec<Span> {
    let mut answered = BTreeMap::new();
    for (at, event) in log.iter().enumerate() {
        if let Event::Acknowledged(number) = event {
            answered.insert(*number, at);
        }
    }
    let mut spans = Vec::new();
    for (call, number) in calls.iter().zip(0..) {
        let (Some(Ok(receipts)), Some(ended)) = (&call.answer, answered.get(&number)) else { continue };
        let mut span = |operation| spans.push(Span { operation, begun: call.sent, ended: *ended });
        if call.commits.len() > 1 {
            span(Operation::Batch);
        }
        let changed = call.commits.iter().zip(receipts).filter(|(_, receipt)| receipt.changed);
        for write in changed.flat_map(|(commit, _)| &commit.writes) {
            span(Operation::of(write));
        }
    }
    spans
}

/// When the log was being copied into the database.
fn spans_of_checkpoints(log: &[Event]) -> Vec<Span> {
    let (mut spans, mut begun) = (Vec::new(), None);
    for (at, event) in log.iter().enumerate() {
        match event {
            Event::Write { file, .. } | Event::Truncate { file, .. } if **file == *NAME => {
                begun.get_or_insert(at);
            }
            Event::Sync { file } | Event::SyncFailed { file } if **file == *NAME => {
                let operation = Operation::Checkpoint;
                spans.extend(begun.take().map(|begun| Span { operation, begun, ended: at }));
            }
            _ => {}
        }
    }
    spans
}
