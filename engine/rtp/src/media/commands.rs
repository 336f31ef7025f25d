//! What control asks: open, far end, mix, direction, close.
//!
//! ```text
//!   open ─▶ table        target ─▶ source check, formats        mix ─▶ link of both        close ─▶ events, table
//! ```
//! Shape:  each command is done when it returns; what it causes elsewhere is an [`Output`](super::Output).
//! Errors: [`CommandError`]; a refused command changes nothing.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Instant;

use rand_core::Rng;

use super::{ChannelKey, Local, Media};
use crate::api::{ChannelCounts, ChannelId, ChannelView, CloseReason, Command, CommandError, EventAction, Open, PlayReason, Reply, Target};
use crate::channel::{Channel, Identity, Link, Relayed, RtcpState};
use crate::format::{FormatError, FormatKind, Formats};
use crate::stream::{SendStream, Ssrc};

impl Media {
    /// Opens a channel on sockets that the driver has.
    ///
    /// # Errors
    /// `Full` when the table is.
    pub fn open(&mut self, open: Open, local: Local, now: Instant) -> Result<ChannelKey, CommandError> {
        let jitter = self.config.jitter.within(open.jitter_min_ms, open.jitter_max_ms);
        let bits = u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64());
        let sent = SendStream::new(Ssrc(self.rng.next_u32()), self.rng.next_u64());
        // The first report is spread over one interval; the others follow from it.
        let first_report = now + self.config.rtcp_interval.mul_f64(0.5 + f64::from(self.rng.next_u32()) / f64::from(u32::MAX));
        let identity = Identity {
            id: ChannelId::from_random(bits),
            name: open.id,
            control: open.control,
            local: local.rtp,
            advertised: local.advertised,
            event_seq: 0,
            plays: 0,
            speakers: None,
            touched: now,
        };
        let full = CommandError::Full { what: "channels", max: self.table.max() };
        let mut channel = Channel::new(identity, sent, RtcpState::new(first_report), now);
        channel.jitter = jitter;
        let key = self.table.insert(channel).map_err(|_| full)?;
        self.counters.opened += 1;
        Ok(key)
    }

    /// Runs a command on channels of this shard. `Open` is [`Media::open`], since it needs sockets.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn command(&mut self, command: Command, now: Instant) -> Result<Reply, CommandError> {
        match command {
            Command::Open(_) => return Err(CommandError::WrongState("a channel is opened with sockets")),
            Command::Target { channel, target } => self.target(channel, &target, now)?,
            Command::Mix { a, b } => {
                let alone = [a, b].map(|id| self.table.slot(id).is_some_and(|slot| !self.is_mixed(slot)));
                self.mix(a, b, now)?;
                // Who joins hears the mix from now on.
                for (id, _) in [a, b].into_iter().zip(alone).filter(|(_, alone)| *alone) {
                    self.end_play(id, PlayReason::ChannelMixing, now)?;
                }
            }
            Command::Unmix { channel } => {
                let slot = self.touch(channel, now)?;
                self.unlink(slot);
            }
            Command::Echo { channel } => {
                let slot = self.touch(channel, now)?;
                self.echo(slot);
                self.end_play(channel, PlayReason::DoEcho, now)?;
            }
            Command::Direction { channel, direction } => {
                let slot = self.touch(channel, now)?;
                if let Some(channel) = self.table.get_mut(slot) {
                    channel.direction = direction;
                }
            }
            Command::Level { channel, change } => self.change_levels(channel, &change, now)?,
            Command::Speakers { channel, interval_ms } => self.watch_speakers(channel, interval_ms, now)?,
            Command::Play { channel, soup } => return self.play_soup(channel, soup, now),
            Command::StopPlay { channel } => self.end_play(channel, PlayReason::Interrupted, now)?,
            Command::Record { channel, mut record } => self.record_file(channel, &mut record, now)?,
            Command::StopRecord { channel, file } => self.end_record(channel, file.as_ref(), now)?,
            Command::Dtmf { channel, dtmf } => {
                self.dial(channel, &dtmf, now)?;
            }
            Command::Close { channel } => return self.close(channel, CloseReason::Requested),
            Command::List => {
                let mut views: Vec<ChannelView> = self.table.iter().map(|(slot, c)| self.view(slot, c)).collect();
                views.sort_by_key(|v| v.local.port());
                return Ok(Reply::Channels(views));
            }
            Command::Get { channel } => {
                let slot = self.table.slot(channel).ok_or(CommandError::NotFound(channel))?;
                let channel = self.table.get(slot).ok_or(CommandError::NotFound(channel))?;
                let view = ChannelView { group: self.group_view(slot), ..self.view(slot, channel) };
                return Ok(Reply::Channel(Box::new(view)));
            }
            Command::Status => return Ok(Reply::Status(self.status())),
        }
        Ok(Reply::Done)
    }

    /// Name of an open channel.
    pub fn id(&self, key: ChannelKey) -> Option<ChannelId> {
        (self.table.key(key.slot) == Some(key)).then(|| self.table.get(key.slot))?.map(|c| c.identity.id)
    }

    /// Key of an open channel.
    pub fn key(&self, channel: ChannelId) -> Option<ChannelKey> {
        self.table.key(self.table.slot(channel)?)
    }

    /// Channels open, and how many more could be.
    pub fn counts(&self) -> ChannelCounts {
        let active = self.table.len();
        ChannelCounts { active: active as u64, available: (self.table.max() - active) as u64 }
    }

    /// A far end was set, whatever became of it since.
    pub fn is_targeted(&self, channel: ChannelId) -> bool {
        self.table.slot(channel).and_then(|slot| self.table.get(slot)).is_some_and(Channel::is_targeted)
    }

    /// Directions being transcoded now.
    pub const fn transcodes(&self) -> u64 {
        self.transcodes
    }

    /// Closes every channel, with events; for the end of the program.
    pub fn shutdown(&mut self) {
        self.shutdown_some(usize::MAX);
    }

    /// As [`Media::shutdown`], for so many channels at most.
    pub fn shutdown_some(&mut self, most: usize) {
        let open: Vec<u32> = self.table.iter().map(|(slot, _)| slot).take(most).collect();
        for slot in open {
            self.close_slot(slot, CloseReason::Shutdown);
        }
    }

    /// Slot of a channel that a command names, which keeps it from being idle.
    pub(super) fn touch(&mut self, channel: ChannelId, now: Instant) -> Result<u32, CommandError> {
        let slot = self.table.slot(channel).ok_or(CommandError::NotFound(channel))?;
        if let Some(channel) = self.table.get_mut(slot) {
            channel.identity.touched = now;
        }
        Ok(slot)
    }

    fn target(&mut self, id: ChannelId, target: &Target, now: Instant) -> Result<(), CommandError> {
        let slot = self.touch(id, now)?;
        let formats = Formats::new(&target.payloads).map_err(|error| match error {
            FormatError::Number(_) => CommandError::Bad(error.to_string()),
            FormatError::NoAudio => CommandError::Impossible(error.to_string()),
        })?;
        let local = self.table.get(slot).ok_or(CommandError::NotFound(id))?.identity.local;
        let address = address(target, local)?;
        self.catch_up_pair(slot);
        let ptime_ms = target.ptime_ms.and_then(|ms| NonZeroU8::new(ms.clamp(10, 60) as u8 / 10 * 10));
        let channel = self.table.get_mut(slot).ok_or(CommandError::NotFound(id))?;
        let is_first = !channel.is_targeted();
        let old = (std::mem::replace(&mut channel.formats, formats), std::mem::replace(&mut channel.ptime_ms, ptime_ms));
        // Who has a far end gets the next one whatever is transcoded; one that is only told now is as the mix would be.
        if let Err(error) = self.has_room_for_pair(slot)
            && is_first
        {
            if let Some(channel) = self.table.get_mut(slot) {
                (channel.formats, channel.ptime_ms) = old;
            }
            return Err(error);
        }
        let channel = self.table.get_mut(slot).ok_or(CommandError::NotFound(id))?;
        let ilbc = channel.formats.ilbc_mode();
        channel.coders.provide_ilbc(ilbc);
        channel.relayed = (channel.formats.has_g722() || ilbc.is_some()).then(|| Box::new(Relayed::new()));
        channel.source.signal(address);
        channel.rtcp.mux = target.rtcp_mux;
        channel.rtcp.remote = None;
        channel.direction = target.direction.unwrap_or(channel.direction);
        channel.odd_frames = false;
        self.review(slot);
        self.review_pair(slot);
        Ok(())
    }

    fn close(&mut self, id: ChannelId, reason: CloseReason) -> Result<Reply, CommandError> {
        let slot = self.table.slot(id).ok_or(CommandError::NotFound(id))?;
        let stats = self.close_slot(slot, reason).ok_or(CommandError::NotFound(id))?;
        Ok(Reply::Closed { stats: Box::new(stats), channels: self.counts() })
    }

    /// Closes the channel in a slot and tells everybody; its final figures.
    pub(super) fn close_slot(&mut self, slot: u32, reason: CloseReason) -> Option<crate::api::Stats> {
        let stats = self.table.get(slot)?.stats();
        self.unlink(slot);
        self.close_sounds(slot);
        self.close_clock(slot);
        self.tell(slot, EventAction::Close { reason, stats: Box::new(stats.clone()) });
        let (key, channel) = self.table.remove(slot)?;
        self.leave_with_goodbye(key, channel);
        Some(stats)
    }

    fn view(&self, slot: u32, channel: &Channel) -> ChannelView {
        let (identity, clock) = (&channel.identity, channel.clock.as_deref());
        ChannelView {
            channel: identity.id,
            id: identity.name.clone(),
            local: SocketAddr::new(identity.advertised, identity.local.port()),
            mix: self.others(slot).next().and_then(|other| self.table.get(other)).map(|other| other.identity.id),
            echo: channel.link == Link::Echo,
            direction: channel.direction,
            levels: channel.levels,
            group: None,
            codec: channel.formats.preferred_of_ours().and_then(|format| match format.kind {
                FormatKind::Audio(codec) => Some(codec.name()),
                FormatKind::Event | FormatKind::ComfortNoise => None,
            }),
            play: clock.and_then(|clock| clock.player.as_ref()).map(|player| player.number()),
            records: clock.map(|clock| clock.recorders.iter().map(|r| Arc::clone(r.recorder.file())).collect()).unwrap_or_default(),
            stats: channel.stats(),
        }
    }

    fn status(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts();
        let pool = [("channels_active", counts.active), ("channels_available", counts.available)];
        pool.into_iter().chain(self.counters.list()).collect()
    }
}

/// The far end's address as our socket's family writes it; `None` for "send nothing".
fn address(target: &Target, local: SocketAddr) -> Result<Option<SocketAddr>, CommandError> {
    if target.ip.is_unspecified() || target.port == 0 {
        return Ok(None);
    }
    let ip = match (local.ip(), target.ip) {
        (IpAddr::V6(_), IpAddr::V4(ip)) => IpAddr::V6(ip.to_ipv6_mapped()),
        (IpAddr::V4(_), IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => IpAddr::V4(ip),
            None => return Err(CommandError::Impossible("the channel is on IPv4, the far end on IPv6".into())),
        },
        (_, ip) => ip,
    };
    let address = SocketAddr::new(ip, target.port);
    if address == local {
        return Err(CommandError::Impossible("a channel does not send to itself".into()));
    }
    Ok(Some(address))
}
