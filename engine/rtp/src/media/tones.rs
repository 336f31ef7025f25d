//! Digits as tones in the sound, for far ends that take no telephone-event.
//!
//! ```text
//!   EventSender (what is pressed, for how long) ─▶ frames of the two tones ─▶ encoder of the channel ─▶ its stream
//! ```
//! Shape:  takes the place of event packets, and so of the sound meanwhile: a packet of 20 ms, or of a frame of the codec.
//! Level:  -10 dBm0 for both together, as the events that we send say.
//! Memory: none; a sine per sample, for the few frames of a digit.
//! Errors: what does not fit the slot is left out and counted.
//! Source: ITU-T Q.23, Q.24; RFC 4733 §2.6.2 on gateways to the telephone network, which do the same.

use std::net::SocketAddr;

use dsp::dtmf::{self, Digit};

use super::codecs::Leaves;
use super::digits::EVENTS;
use super::tick::rate_of;
use super::{ChannelKey, Media};
use crate::clock::TICK_MS;
use crate::format::FormatKind;
use crate::stream::{ExtendedSequence, RtpTimestamp, SourcePacket};

/// Amplitude of each tone: 3.17 dB from a full sine to 0 dBm0, 10 from there, 3 since they are two.
const AMPLITUDE: f32 = 5093.0;
/// Clock in which durations are counted here.
const CLOCK_HZ: u32 = 8000;
/// Number of the first packet of a digit.
const FIRST: u64 = 1 << 16;

impl Media {
    /// Sends what is due of a digit to a far end without events.
    pub(super) fn send_tone(&mut self, key: ChannelKey, to: SocketAddr) {
        let (now, now_ms) = (self.now, self.slot_number());
        let Some(channel) = self.table.by_key(key) else { return };
        let Some(format) = channel.formats.preferred_of_ours() else { return channel.events_out.clear() };
        let FormatKind::Audio(codec) = format.kind else { return };
        let Some((payload, first)) = channel.events_out.poll(CLOCK_HZ, now_ms) else { return };
        if first || channel.tone_ms == 0 {
            // Also where the digit began as an event, and the far end takes none since: its numbers are given out.
            channel.events_sent = channel.events_sent.wrapping_add(1);
            (channel.event_sequence, channel.tone_ms) = (FIRST, 0);
        }
        channel.tone_ms += TICK_MS;
        let rate_hz = rate_of(Some(codec)).hz();
        let samples = codec.packet_samples(TICK_MS as u16);
        let per_ms = rate_hz as usize / 1000;
        let lasts = usize::from(payload.duration) * per_ms / 8;
        // Frames of 30 ms are due less often than packets of events.
        while (channel.event_sequence - FIRST + 1) as usize * samples <= channel.tone_ms as usize * per_ms {
            let begins = (channel.event_sequence - FIRST) as usize * samples;
            let place = SourcePacket {
                source: EVENTS,
                epoch: channel.events_sent,
                sequence: ExtendedSequence(channel.event_sequence),
                timestamp: RtpTimestamp((begins as u64 * u64::from(format.clock_rate_hz) / u64::from(rate_hz)) as u32),
                marker: false,
                in_clock_hz: format.clock_rate_hz,
                out_clock_hz: format.clock_rate_hz,
            };
            channel.event_sequence += 1;
            let header = channel.sent.map(&place, format.number, now);
            let made =
                header.and_then(|header| self.encoders.reserve(Leaves { via: key, to, header }, &mut channel.coders, codec, samples));
            let Some(made) = made else {
                channel.counts.skipped += 1;
                self.counters.overrun += 1;
                continue;
            };
            let frame = self.encoders.frame(made);
            frame.fill(0);
            let sounds = lasts.saturating_sub(begins).min(frame.len());
            // A flash has no tone.
            if let (Some(digit), Some(part)) = (Digit::from_event(payload.event), frame.get_mut(..sounds)) {
                dtmf::tones(digit, rate_hz, AMPLITUDE, begins, part);
            }
            channel.codec_out = Some(codec);
            self.counters.transcoded += 1;
        }
    }
}
