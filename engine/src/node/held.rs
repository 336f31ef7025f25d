//! Events that wait for the disk: the end of a recording is told when its file is there.
//!
//! ```text
//!   finished.* of ticket 7 ─▶ held, and all later events of the channel behind it ─▶ outcome of 7 ─▶ told in order
//! ```
//! Shape:  a queue per channel that waits; none in the common case.
//! Limits: [`OUTCOMES_MAX`] outcomes whose event did not come yet; a disk that says nothing for [`PATIENCE`] is told as an error.
//! Errors: none.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use rtp::api::{ChannelId, Event, EventAction, RecordEvent, RecordEventKind, Ticket};

use crate::files::Outcome;

/// As many as there may be recordings. Those without a control server leave outcomes that nobody asks for.
const OUTCOMES_MAX: usize = 4096;
/// Longer than the writer looks away, and than a disk that lives needs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The events.
#[derive(Debug, Default)]
pub struct Held {
    channels: HashMap<ChannelId, VecDeque<(Instant, Event)>>,
    outcomes: VecDeque<(Ticket, Outcome)>,
}

impl Held {
    /// Takes an event and gives those that may be told now.
    pub fn event(&mut self, event: Event, now: Instant) -> Vec<Event> {
        if !self.channels.contains_key(&event.channel) && waits_for(&event).is_none() {
            return vec![event];
        }
        let channel = event.channel;
        self.channels.entry(channel).or_default().push_back((now, event));
        self.release(channel)
    }

    /// The file of a recording is there, or not.
    pub fn ended(&mut self, ticket: Ticket, outcome: Outcome) -> Vec<Event> {
        if self.outcomes.len() >= OUTCOMES_MAX {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((ticket, outcome));
        let waiting = self.channels.iter().find(|(_, queue)| queue.front().is_some_and(|(_, event)| waits_for(event) == Some(ticket)));
        let channel = waiting.map(|(channel, _)| *channel);
        channel.map(|channel| self.release(channel)).unwrap_or_default()
    }

    /// Gives up on files that were not finished in time; at the end of the program on all.
    pub fn overdue(&mut self, now: Option<Instant>) -> Vec<Event> {
        let mut told = Vec::new();
        let late = |since: &Instant| now.is_none_or(|now| now.saturating_duration_since(*since) > PATIENCE);
        let channels: Vec<ChannelId> = self.channels.keys().copied().collect();
        for channel in channels {
            while let Some(ticket) = self.front(channel).filter(|(since, _)| late(since)).and_then(|(_, event)| waits_for(event)) {
                let outcome = Outcome { bytes: 0, error: Some("the disk does not answer".into()) };
                told.extend(self.ended(ticket, outcome));
            }
        }
        told
    }

    fn front(&self, channel: ChannelId) -> Option<&(Instant, Event)> {
        self.channels.get(&channel)?.front()
    }

    /// Everything from the front of a channel's queue that has nothing to wait for.
    fn release(&mut self, channel: ChannelId) -> Vec<Event> {
        let mut told = Vec::new();
        let Some(queue) = self.channels.get_mut(&channel) else { return told };
        while let Some((_, event)) = queue.front_mut() {
            if let Some(ticket) = waits_for(event) {
                let Some(index) = self.outcomes.iter().position(|(known, _)| *known == ticket) else { break };
                if let (Some((_, outcome)), EventAction::Record(record)) = (self.outcomes.remove(index), &mut event.action) {
                    complete(record, outcome);
                }
            }
            told.extend(queue.pop_front().map(|(_, event)| event));
        }
        if queue.is_empty() {
            self.channels.remove(&channel);
        }
        told
    }
}

/// The file that an event has to wait for.
fn waits_for(event: &Event) -> Option<Ticket> {
    match &event.action {
        EventAction::Record(record) => matches!(record.kind, RecordEventKind::Finished(_)).then_some(record.ticket),
        _ => None,
    }
}

fn complete(record: &mut RecordEvent, outcome: Outcome) {
    record.filesize = Some(outcome.bytes);
    record.detail = outcome.error;
}

#[cfg(test)]
mod tests {
    use rtp::api::{ControlUrl, MixEvent, RecordEnd};

    use super::*;

    fn event(channel: u128, seq: u64, action: EventAction) -> Event {
        Event { control: ControlUrl("http://h:1".into()), channel: ChannelId::from_random(channel), id: None, seq, action }
    }

    fn finished(channel: u128, seq: u64, ticket: u64) -> Event {
        let kind = RecordEventKind::Finished(RecordEnd::Requested);
        let record = RecordEvent { file: "a".into(), kind, filesize: Some(1), lost_ms: 0, ticket: Ticket(ticket), detail: None };
        event(channel, seq, EventAction::Record(Box::new(record)))
    }

    fn mix(channel: u128, seq: u64) -> Event {
        event(channel, seq, EventAction::Mix(MixEvent::Start))
    }

    fn seqs(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.seq).collect()
    }

    fn outcome(bytes: u64) -> Outcome {
        Outcome { bytes, error: None }
    }

    #[test]
    fn a_channel_waits_for_its_file_and_the_others_do_not() {
        let (mut held, now) = (Held::default(), Instant::now());
        assert_eq!(seqs(&held.event(mix(1, 1), now)), [1]);
        assert_eq!(seqs(&held.event(finished(1, 2, 7), now)), [0; 0]);
        assert_eq!(seqs(&held.event(finished(1, 3, 8), now)), [0; 0]);
        assert_eq!(seqs(&held.event(mix(1, 4), now)), [0; 0]);
        assert_eq!(seqs(&held.event(mix(2, 9), now)), [9]);
        assert_eq!(seqs(&held.ended(Ticket(8), outcome(80))), [0; 0], "7 is before it");
        let told = held.ended(Ticket(7), outcome(70));
        assert_eq!(seqs(&told), [2, 3, 4]);
        let sizes: Vec<_> = told
            .iter()
            .filter_map(|event| match &event.action {
                EventAction::Record(record) => record.filesize,
                _ => None,
            })
            .collect();
        assert_eq!(sizes, [70, 80]);
        assert!(held.channels.is_empty() && held.outcomes.is_empty());
    }

    #[test]
    fn an_outcome_may_come_first_and_a_dead_disk_is_told() {
        let (mut held, now) = (Held::default(), Instant::now());
        assert_eq!(seqs(&held.ended(Ticket(7), outcome(70))), [0; 0]);
        assert_eq!(seqs(&held.event(finished(1, 2, 7), now)), [2]);
        held.event(finished(1, 3, 9), now);
        held.event(mix(1, 4), now);
        assert_eq!(seqs(&held.overdue(Some(now + PATIENCE))), [0; 0]);
        assert_eq!(seqs(&held.overdue(Some(now + PATIENCE * 2))), [3, 4]);
        held.event(finished(1, 5, 10), now);
        assert_eq!(seqs(&held.overdue(None)), [5]);
    }
}
