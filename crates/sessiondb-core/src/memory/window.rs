//! Windows over what a session shows.

use std::sync::Arc;

use super::{Entry, State};
use crate::{
    Conflict, Error, Message, MessagePage, Result, Window,
    calls::{self, Outline},
    limits::PAGE_MAX,
    time,
};

impl State {
    pub(super) fn window(&self, entry: &Entry, window: Window) -> Result<MessagePage> {
        let session = &entry.session;
        let all = self.visible(&session.view);
        let outlines: Vec<Outline> = all.iter().map(|message| Outline::from(message.as_ref())).collect();
        let page = |from: usize, to: usize, exceeds: bool| {
            let messages = all.get(from..to).unwrap_or(&[]).iter().map(|message| Message::clone(message));
            Ok(MessagePage::new(messages.collect(), from > 0, to < all.len(), exceeds))
        };
        // How many messages the view has up to one, with it or without it.
        let place = |seq: u64, with: bool| {
            let split = if with { session.view.split_after(seq) } else { session.view.split_before(seq) };
            match split {
                Some((front, _)) => Ok(self.visible(&front).len()),
                None => Err(Error::conflict(&session.key, Conflict::NotInView { seq })),
            }
        };
        match window {
            Window::Last { limit } => {
                let wanted = all.len().saturating_sub(limit);
                let from = calls::begin(&outlines, wanted);
                page(from, all.len(), from < wanted)
            }
            Window::Before { seq, limit } => {
                let to = place(seq, false)?;
                let wanted = to.saturating_sub(limit);
                let from = calls::begin(&outlines[..to], wanted);
                page(from, to, from < wanted)
            }
            Window::After { seq, limit } => {
                let from = place(seq, true)?;
                let length = calls::end(&outlines[from..], limit);
                page(from, from + length, length > limit)
            }
            Window::Range { first, last } => {
                let (from, to) = (place(first, false)?, place(last, true)?);
                let inside = session.view.split_before(first).and_then(|(_, rest)| rest.split_after(last));
                if inside.is_none() {
                    return Err(Error::Invalid(format!(
                        "session {}: message {last} does not come after message {first} in its view",
                        session.key
                    )));
                }
                let length = calls::end(&outlines[from..to], PAGE_MAX);
                page(from, from + length, length > PAGE_MAX)
            }
            Window::Tokens { max } => {
                let mut left = max;
                let fitting =
                    outlines.iter().rev().take(PAGE_MAX).take_while(|outline| {
                        left.checked_sub(outline.weight).map(|rest| left = rest).is_some()
                    });
                let wanted = all.len() - fitting.count();
                let from = calls::begin(&outlines, wanted);
                page(from, all.len(), from < wanted)
            }
            Window::Times { after, before, cursor, limit } => {
                let time_and_seq = |message: &Message| (message.created_at, message.seq);
                let cursor = cursor.map(|(at, seq)| (time::truncate(at), seq));
                let inside = |message: &&Arc<Message>| {
                    after.is_none_or(|after| message.created_at > after)
                        && before.is_none_or(|before| message.created_at < before)
                };
                let matching: Vec<_> = all.iter().filter(inside).collect();
                let mut wanted: Vec<_> = matching.clone();
                wanted.retain(|message| cursor.is_none_or(|cursor| time_and_seq(message) < cursor));
                let has_later = wanted.len() < matching.len();
                let mut latest: Vec<_> = wanted.iter().map(|message| time_and_seq(message)).collect();
                latest.sort_unstable();
                let has_earlier = latest.len() > limit;
                latest.drain(..latest.len().saturating_sub(limit));
                wanted.retain(|message| latest.first().is_some_and(|first| time_and_seq(message) >= *first));
                let messages = wanted.into_iter().map(|message| Message::clone(message)).collect();
                Ok(MessagePage::new(messages, has_earlier, has_later, false))
            }
            Window::Log { seq, limit } => {
                let inherited = entry.ancestors.iter().flat_map(|a| self.stretch(a.log, a.first, a.last));
                let log: Vec<_> = inherited.chain(self.log(session.log)).collect();
                let from = log.partition_point(|message| message.seq <= seq);
                let to = log.len().min(from + limit);
                let messages = log[from..to].iter().map(|message| Message::clone(message)).collect();
                Ok(MessagePage::new(messages, from > 0, to < log.len(), false))
            }
        }
    }
}
