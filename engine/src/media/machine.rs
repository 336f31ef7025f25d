//! What a media shard asks of the machine it drives: `rtp::media::Media`, or a plain echo where only the ring is on trial.

use rtp::{
    api::{ChannelId, Command, CommandError, Open, Reply},
    media::{ChannelKey, Local, Media, Moved, Output, Port, Transmit, Verdict},
};
use std::{net::SocketAddr, time::Instant};

/// A media machine without I/O. Its methods mean what those of the same name in [`rtp::media`] mean.
pub trait Machine {
    /// Opens a channel whose sockets are bound.
    ///
    /// # Errors
    /// Why not; the sockets are then closed again.
    fn open(&mut self, open: Open, local: Local, now: Instant) -> Result<(ChannelKey, ChannelId), CommandError>;

    /// Any command but `Open`.
    ///
    /// # Errors
    /// The machine's own.
    fn command(&mut self, command: Command, now: Instant) -> Result<Reply, CommandError>;

    /// The channel on the packet path, while it is open.
    fn key_of(&self, channel: ChannelId) -> Option<ChannelKey>;

    /// Takes a channel out of its mix, so that it may leave.
    ///
    /// # Errors
    /// `NotFound`.
    fn part(&mut self, channel: ChannelId, now: Instant) -> Result<ChannelKey, CommandError>;

    /// Takes a channel out, without an output; `None` if there is none.
    fn release(&mut self, key: ChannelKey) -> Option<Moved>;

    /// Takes a channel in.
    ///
    /// # Errors
    /// There is no place for it.
    fn adopt(&mut self, moved: Moved, now: Instant) -> Result<ChannelKey, Box<Moved>>;

    /// Channels open now.
    fn channels(&self) -> usize;

    /// The channel was told its far end.
    fn is_targeted(&self, channel: ChannelId) -> bool;

    /// Directions being transcoded now.
    fn transcodes(&self) -> u64;

    /// Starts a slot.
    fn begin(&mut self, now: Instant);

    /// Takes a packet, which it may rewrite.
    fn receive(&mut self, key: ChannelKey, port: Port, from: SocketAddr, packet: &mut [u8]) -> Verdict;

    /// Does what is due in the slot.
    fn run(&mut self);

    /// Calls `send` for each packet the slot has made.
    fn transmits(&self, send: &mut dyn FnMut(Transmit<'_>));

    /// The next output, after commands and slots.
    fn poll_output(&mut self) -> Option<Output>;

    /// Closes so many channels at most, for the end of the program.
    fn shutdown(&mut self, most: usize);
}

impl Machine for Media {
    fn open(&mut self, open: Open, local: Local, now: Instant) -> Result<(ChannelKey, ChannelId), CommandError> {
        let key = Self::open(self, open, local, now)?;
        let id = self.id(key).ok_or(CommandError::Unavailable("the channel ended at once"))?;
        Ok((key, id))
    }

    fn command(&mut self, command: Command, now: Instant) -> Result<Reply, CommandError> {
        Self::command(self, command, now)
    }

    fn key_of(&self, channel: ChannelId) -> Option<ChannelKey> {
        self.key(channel)
    }

    fn part(&mut self, channel: ChannelId, now: Instant) -> Result<ChannelKey, CommandError> {
        Self::part(self, channel, now)
    }

    fn release(&mut self, key: ChannelKey) -> Option<Moved> {
        Self::release(self, key)
    }

    fn adopt(&mut self, moved: Moved, now: Instant) -> Result<ChannelKey, Box<Moved>> {
        Self::adopt(self, moved, now)
    }

    fn channels(&self) -> usize {
        usize::try_from(self.counts().active).unwrap_or(usize::MAX)
    }

    fn is_targeted(&self, channel: ChannelId) -> bool {
        Self::is_targeted(self, channel)
    }

    fn transcodes(&self) -> u64 {
        Self::transcodes(self)
    }

    fn begin(&mut self, now: Instant) {
        Self::begin(self, now);
    }

    fn receive(&mut self, key: ChannelKey, port: Port, from: SocketAddr, packet: &mut [u8]) -> Verdict {
        Self::receive(self, key, port, from, packet)
    }

    fn run(&mut self) {
        Self::run(self);
    }

    fn transmits(&self, send: &mut dyn FnMut(Transmit<'_>)) {
        Self::transmits(self).for_each(send);
    }

    fn poll_output(&mut self) -> Option<Output> {
        Self::poll_output(self)
    }

    fn shutdown(&mut self, most: usize) {
        self.shutdown_some(most);
    }
}
