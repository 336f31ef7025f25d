//! One media end of a call: what it receives, what it sends, and what joins the two.
//!
//! ```text
//!   packet ─▶ source ─▶ received ─▶ formats.incoming ─┐            ┌─▶ formats.outgoing ─▶ sent ─▶ packet
//!                                                     └── link ────┘   (of the channel at the other end)
//! ```
//! Shape:  one value of fixed size per channel, what packets need first; names and addresses of the API in a box.
//! Memory: under 2 KiB with its box (budget: 8 KiB idle), tested below.
//! Units:  the driver's time.
//! Errors: none; the machine (`media`) answers commands.

mod activity;
mod clocked;
mod coders;
mod conceal;
mod frame;
mod quality;
mod relayed;
mod renewal;
mod rtcp_state;
mod view;
mod waiting;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Instant;

pub use activity::Activity;
pub use clocked::{Clocked, Recording};
pub use coders::{Coders, Turns};
pub use frame::{FRAME_MAX, Frame, Gain, RateState};
pub use relayed::Relayed;
pub use renewal::Renewal;
pub use rtcp_state::RtcpState;
pub use waiting::Waiting;
pub use watch::MediaWatch;

use crate::api::{ChannelId, ControlUrl, Direction, Event, EventAction, Levels};
use crate::format::{Codec, FormatKind, Formats};
use crate::jitter::Bounds;
use crate::source::SourceCheck;
use crate::stream::{ReceiveStream, SendStream};
use crate::telephone_event::{EventReceiver, EventSender};

/// Where what comes in goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nowhere; it is counted.
    None,
    /// Back out.
    Echo,
    /// Out of the channel in this slot, and what comes there out of this one.
    Peer(u32),
    /// Out of all other channels of its group.
    Mix,
}

/// What was told last of who speaks in a mix.
#[derive(Debug, Clone, Copy)]
pub struct SpeakersWatch {
    /// Least time between two events, ms.
    pub interval_ms: u32,
    /// All who spoke, folded to a number; 0 for nobody.
    pub told: u64,
    /// Slot from which the next may be told.
    pub due: u64,
}

/// Names and addresses, touched by commands and events only.
#[derive(Debug)]
pub struct Identity {
    /// Name in the API.
    pub id: ChannelId,
    /// The caller's own name for it.
    pub name: Option<String>,
    /// Where its events go.
    pub control: Option<ControlUrl>,
    /// Our RTP address.
    pub local: SocketAddr,
    /// Address that others are told.
    pub advertised: IpAddr,
    /// Events so far.
    pub event_seq: u64,
    /// Soups played so far.
    pub plays: u32,
    /// Who speaks in its mix is told, when it changes.
    pub speakers: Option<Box<SpeakersWatch>>,
    /// Last command.
    pub touched: Instant,
}

/// Counters beside those of the streams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Packets taken.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Refused by the source check.
    pub badsource: u64,
    /// Had nowhere to go; 50 a second for two years.
    pub skipped: u32,
    /// Came too late for the clocks before the one that runs now.
    pub late_before: u32,
}

/// A channel.
///
/// In this order in memory: what every packet touches lies together first, as there are more channels than fit a cache; small values lie where
/// others leave room.
#[derive(Debug)]
#[repr(C)]
pub struct Channel {
    /// What joins in and out.
    pub link: Link,
    /// Which way media may flow.
    pub direction: Direction,
    /// What it sends is made from another codec.
    pub transcodes: bool,
    /// It is among those whose digits need time.
    pub dials: bool,
    /// Packets of its source that wait for one that they overtook.
    pub held: u8,
    /// Packets came whose length does not fit the frames of the other side.
    pub odd_frames: bool,
    /// Its far end has followed our encoder: what could be relayed to it is made anew until a pause.
    pub renewal: Renewal,
    /// Packet time that the far end said it wants, ms.
    pub ptime_ms: Option<NonZeroU8>,
    /// Time of the digit that is sent as tones, ms.
    pub tone_ms: u32,
    /// Codec last received.
    pub codec_in: Option<Codec>,
    /// Codec last sent.
    pub codec_out: Option<Codec>,
    /// What runs by the clock; packets of a channel without it run when they come.
    pub clock: Option<Box<Clocked>>,
    /// Packets of its source in this slot.
    pub turns: Turns,
    /// Counters.
    pub counts: Counts,
    /// Whose packets are taken, and where ours go.
    pub source: SourceCheck,
    /// The stream that comes in.
    pub received: ReceiveStream,
    /// Whether media come as they should.
    pub watch: MediaWatch,
    /// The stream that goes out.
    pub sent: SendStream,
    /// Payload types of the far end.
    pub formats: Formats,
    /// Rate converter on the way out.
    pub rate: RateState,
    /// One more than the frames made up before the clock that runs now, if there was one before: up to two years of them.
    pub concealed_before: Option<NonZeroU32>,
    /// What was relayed to its far end of a codec that remembers.
    pub relayed: Option<Box<Relayed>>,
    /// What its codecs remember.
    pub coders: Coders,
    /// Reports.
    pub rtcp: RtcpState,
    /// Names and addresses.
    pub identity: Box<Identity>,
    /// Digits to it.
    pub events_out: Box<EventSender>,
    /// Number of the last packet of the last event sent.
    pub event_sequence: u64,
    /// Digits of the far end.
    pub events_in: EventReceiver,
    /// Bounds of its jitter buffer, when it has one.
    pub jitter: Bounds,
    /// How it takes part in a mix.
    pub levels: Levels,
    /// Events sent.
    pub events_sent: u32,
}

impl Channel {
    /// A channel of which nothing is known but its name, made at `now`.
    pub fn new(identity: Identity, sent: SendStream, rtcp: RtcpState, now: Instant) -> Self {
        Self {
            source: SourceCheck::default(),
            received: ReceiveStream::new(now),
            formats: Formats::default(),
            direction: Direction::default(),
            link: Link::None,
            levels: Levels::default(),
            jitter: Bounds::default(),
            sent,
            rate: RateState::Idle,
            coders: Coders::default(),
            relayed: None,
            clock: None,
            ptime_ms: None,
            odd_frames: false,
            renewal: Renewal::Off,
            held: 0,
            events_in: EventReceiver::default(),
            events_out: Box::default(),
            turns: Turns::default(),
            dials: false,
            events_sent: 0,
            event_sequence: 0,
            tone_ms: 0,
            concealed_before: None,
            counts: Counts::default(),
            codec_in: None,
            codec_out: None,
            transcodes: false,
            watch: MediaWatch::new(now),
            rtcp,
            identity: Box::new(identity),
        }
    }

    /// Where packets may be sent now: nowhere while sending is off, or nothing is known of the far end.
    pub fn destination(&self) -> Option<SocketAddr> {
        if self.direction.send { self.source.destination() } else { None }
    }

    /// Samples of the packets in which it sends a codec; of 20 ms if the far end did not say (RFC 3551 §4.2).
    pub fn packet_samples(&self, codec: Codec) -> usize {
        codec.packet_samples(self.ptime_ms.map_or(20, |ms| ms.get().into()))
    }

    /// Time of the packets that the far end wants, µs, if we can make them.
    pub fn packet_us(&self) -> Option<usize> {
        let FormatKind::Audio(codec) = self.formats.preferred_of_ours()?.kind else { return None };
        Some(self.packet_samples(codec) * 1_000_000 / codec.rate_hz()? as usize)
    }

    /// It was told its far end.
    pub fn is_targeted(&self) -> bool {
        self.source.signalled().is_some() || self.formats.preferred_of_ours().is_some()
    }

    /// Media should be coming: they may, and signalling said from where.
    pub fn expects_media(&self) -> bool {
        self.direction.recv && self.source.is_expected()
    }

    /// Joins it to something else; what goes out next is a new talkspurt.
    pub fn set_link(&mut self, link: Link) {
        if self.link != link {
            self.link = link;
            if let Some(watch) = &mut self.identity.speakers {
                watch.told = 0;
            }
            self.sent.release();
            self.rate = RateState::Idle;
        }
    }

    /// The next event, if anybody wants it.
    pub fn event(&mut self, action: EventAction) -> Option<Event> {
        let identity = &mut self.identity;
        let control = identity.control.clone()?;
        identity.event_seq += 1;
        Some(Event { control, channel: identity.id, id: identity.name.clone(), seq: identity.event_seq, action })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_small() {
        let size = size_of::<Channel>() + size_of::<Identity>();
        println!("channel {} + identity {} bytes", size_of::<Channel>(), size_of::<Identity>());
        assert!(size <= 2048, "{size}");
    }
}
