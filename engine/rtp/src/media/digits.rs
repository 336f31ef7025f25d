//! Digits: told to control once each, made anew for those who hear the channel, and sent by command.
//!
//! ```text
//!   event packets ─▶ EventReceiver ─▶ Start, End ─┬▶ control, player      run ─▶ EventSender ─▶ packets
//!   in-band detector of a clocked channel ────────┴▶ EventSender of each other member ─▶ tones (`tones`) where a far end takes
//!                                                                                        no events
//! ```
//! Shape:  channels with something to do are in a list; a slot looks at those only. Event packets never go on as they came.
//! Parts:  who stops hearing another while that one presses a digit has the digit ended; see `EventSender`.
//! Bounds: at most [`DIGITS_OUT`] packets a slot; what does not fit goes out in the next.
//! Errors: `Impossible` where the far end takes neither events nor sound of ours.
//! Source: RFC 4733 §2.5.

use std::time::Instant;

use super::{ChannelKey, Media, Pending, Port};
use crate::api::{ChannelId, CommandError, DigitSource, Dtmf};
use crate::channel::{Channel, Link};
use crate::clock::Next;
use crate::packet::HEADER_LEN;
use crate::stream::{ExtendedSequence, PayloadType, RtpTimestamp, SourcePacket};
use crate::telephone_event::{Digits, EVENT_MAX, EventPayload, Heard, PAYLOAD_LEN};

/// Event packets of a slot: 5000 channels that all dial, 50 packets/s each.
pub(super) const DIGITS_OUT: usize = 256;
/// Source of a stream's events: no slot of a table, and not the channel's own sound.
pub(super) const EVENTS: u32 = u32::MAX - 1;

impl Media {
    /// Sends digits to a far end.
    pub(super) fn dial(&mut self, id: ChannelId, dtmf: &Dtmf, now: Instant) -> Result<(), CommandError> {
        if let Some(on) = dtmf.inband {
            self.listen_inband(id, on, now)?;
        }
        let slot = self.touch(id, now)?;
        if dtmf.digits.is_empty() {
            return Ok(());
        }
        let channel = self.table.get_mut(slot).ok_or(CommandError::NotFound(id))?;
        if channel.formats.event().is_none() && channel.formats.preferred_of_ours().is_none() {
            return Err(CommandError::Impossible("the far end takes neither telephone-event (RFC 4733) nor sound that we can make".into()));
        }
        let digits = Digits { events: &dtmf.digits, duration_ms: dtmf.duration_ms.into(), gap_ms: dtmf.gap_ms.into() };
        if !channel.events_out.push(digits) {
            return Err(CommandError::WrongState("so many digits do not fit behind those that are being sent"));
        }
        self.attend(slot);
        Ok(())
    }

    /// Listens for digits in the sound of a channel, which runs by the clock for that, or no longer.
    fn listen_inband(&mut self, id: ChannelId, on: bool, now: Instant) -> Result<(), CommandError> {
        let slot = if on { self.clocked(id, now)? } else { self.touch(id, now)? };
        if let Some(clock) = self.table.get_mut(slot).and_then(|c| c.clock.as_mut())
            && on != clock.listener.is_some()
        {
            clock.listener = on.then(Box::default);
        }
        self.review(slot);
        Ok(())
    }

    /// Takes an event packet of a channel.
    pub(super) fn digit_packet(&mut self, key: ChannelKey, place: &SourcePacket, payload: &[u8]) {
        let now_ms = self.slot_number();
        let (Some(payload), Some(channel)) = (EventPayload::parse(payload), self.table.by_key(key)) else { return };
        let heard = channel.events_in.take(payload, place.timestamp.0, place.epoch, place.in_clock_hz, now_ms);
        for heard in heard.into_iter().flatten() {
            self.heard_digit(key, heard, DigitSource::Rfc4733);
        }
        self.attend(key.slot);
    }

    /// A digit was pressed or let go at a far end.
    pub(super) fn heard_digit(&mut self, key: ChannelKey, heard: Heard, source: DigitSource) {
        let Some(channel) = self.table.by_key(key) else { return };
        let link = channel.link;
        match heard {
            Heard::Start(event) => {
                if let Some(clock) = channel.clock.as_deref_mut()
                    && let (Some(player), Some(digit)) = (clock.player.as_mut(), dsp::dtmf::Digit::from_event(event))
                    && !clock.player_ended
                {
                    let next = player.digit(digit);
                    clock.player_ended = next == Next::Ended;
                    clock.player_news |= next != Next::Goes;
                }
            }
            Heard::End { event, duration_ms } if event <= EVENT_MAX && self.outputs.len() < self.outputs.capacity() => {
                self.outputs.push_back(Pending::Digit { key, event, duration_ms, source });
            }
            Heard::End { .. } => {}
        }
        if self.table.get(key.slot).is_some_and(|channel| channel.levels.mute_in) {
            return;
        }
        if source == DigitSource::Inband {
            // The others hear the tone itself.
            return;
        }
        match link {
            Link::None => {}
            Link::Echo => self.pass_on(key.slot, heard),
            Link::Peer(peer) => self.pass_on(peer, heard),
            Link::Mix => {
                let Some(group) = self.table.get(key.slot).and_then(|c| c.clock.as_ref()).map(|clock| clock.group) else { return };
                let mut index = 0;
                while let Some(&member) = self.groups.get(group).and_then(|group| group.members.get(index)) {
                    if member != key.slot {
                        self.pass_on(member, heard);
                    }
                    index += 1;
                }
            }
        }
    }

    /// A channel is about to part from those in its mix: what it presses ends for them, and for it what they press. For commands.
    pub(super) fn part_digits(&mut self, slot: u32) {
        let now_ms = self.slot_number();
        let presses = self.table.get(slot).is_some_and(|channel| channel.events_in.is_pressed());
        let ears: Vec<u32> = if presses { self.others(slot).collect() } else { Vec::new() };
        for ear in ears.into_iter().chain([slot]) {
            if let Some(channel) = self.table.get_mut(ear) {
                channel.events_out.part(now_ms);
            }
        }
    }

    /// Makes a digit of one channel anew for another.
    fn pass_on(&mut self, slot: u32, heard: Heard) {
        let now_ms = self.slot_number();
        let takes = |channel: &&mut Channel| {
            !channel.levels.mute_out && (channel.formats.event().is_some() || channel.formats.preferred_of_ours().is_some())
        };
        let Some(channel) = self.table.get_mut(slot).filter(takes) else { return };
        match heard {
            Heard::Start(event) => channel.events_out.press(event, now_ms),
            Heard::End { event, duration_ms } => channel.events_out.release(event, duration_ms, now_ms),
        }
        self.attend(slot);
    }

    /// Puts a channel among those whose digits need time.
    pub(super) fn attend(&mut self, slot: u32) {
        if let Some(channel) = self.table.get_mut(slot)
            && !channel.dials
            && self.dialing.len() < self.dialing.capacity()
        {
            channel.dials = true;
            self.dialing.push(slot);
        }
    }

    /// Sends what is due, and ends what fell silent.
    pub(super) fn run_digits(&mut self) {
        let now_ms = self.slot_number();
        let mut index = 0;
        while let Some(&slot) = self.dialing.get(index) {
            let silent = self.table.get_mut(slot).and_then(|channel| channel.events_in.check(now_ms));
            if let (Some(heard), Some(key)) = (silent, self.table.key(slot)) {
                self.heard_digit(key, heard, DigitSource::Rfc4733);
            }
            self.send_digit(slot, now_ms);
            match self.table.get_mut(slot) {
                Some(channel) if channel.events_in.is_pressed() || !channel.events_out.is_idle() => index += 1,
                Some(channel) => {
                    channel.dials = false;
                    self.dialing.swap_remove(index);
                }
                None => {
                    self.dialing.swap_remove(index);
                }
            }
        }
    }

    fn send_digit(&mut self, slot: u32, now_ms: u64) {
        let now = self.now;
        let Some(key) = self.table.key(slot) else { return };
        let Some(channel) = self.table.get_mut(slot) else { return };
        if self.digits.is_full() || channel.events_out.is_idle() {
            return;
        }
        let Some(to) = channel.destination() else {
            channel.events_out.clear();
            return;
        };
        let Some(format) = channel.formats.event() else { return self.send_tone(key, to) };
        let Some((payload, first)) = channel.events_out.poll(format.clock_rate_hz, now_ms) else { return };
        let Some(header) = channel.event_header(first, format.number, format.clock_rate_hz, now) else { return };
        self.digits.push(key, Port::Rtp, to, |out| {
            let (head, rest) = out.split_first_chunk_mut::<HEADER_LEN>()?;
            *head = header.to_bytes();
            *rest.first_chunk_mut::<PAYLOAD_LEN>()? = payload.to_bytes();
            Some(HEADER_LEN + PAYLOAD_LEN)
        });
        if let Some(channel) = self.table.get_mut(slot) {
            channel.sent.sent(HEADER_LEN + PAYLOAD_LEN, PAYLOAD_LEN);
        }
    }
}

impl Channel {
    /// Header of an event packet: all of one event have the timestamp of its beginning (RFC 4733 §2.5.1.1), the first has
    /// the marker.
    fn event_header(&mut self, first: bool, number: PayloadType, clock_hz: u32, now: Instant) -> Option<crate::packet::RtpHeader> {
        // Also where the digit began as a tone, and the far end takes events since.
        let first = first || std::mem::take(&mut self.tone_ms) > 0;
        if first {
            self.events_sent = self.events_sent.wrapping_add(1);
            self.event_sequence = 1 << 16;
        } else {
            self.event_sequence += 1;
        }
        let place = SourcePacket {
            source: EVENTS,
            epoch: self.events_sent,
            sequence: ExtendedSequence(self.event_sequence),
            timestamp: RtpTimestamp(0),
            marker: false,
            in_clock_hz: clock_hz,
            out_clock_hz: clock_hz,
        };
        if !first {
            // The link may have changed in the middle of it.
            self.sent.stand(&place, now);
        }
        self.sent.map(&place, number, now)
    }
}
