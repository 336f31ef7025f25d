//! Channels that leave a media shard for another one, and those that come.
//!
//! ```text
//!   Release ─▶ out of its mix, receives end ─ slots ─▶ channel and sockets in one Parcel      Adopt ─▶ channel goes on
//! ```
//! Shape:  a channel that leaves is served as ever until the kernel has given back its last receive, so nothing that came
//!         here is left behind; its events are told before it goes.
//! Limits: as many at a time as commands in flight ([`CALLS_MAX`](crate::mesh::CALLS_MAX)); the front allows fewer.
//! Errors: `NotFound` for a channel that ended first.

use std::time::Instant;

use rtp::api::{ChannelId, CommandError, Reply};
use rtp::media::ChannelKey;

use super::machine::Machine;
use super::request::{Answer, Parcel, Served};
use super::shard::{MediaShard, Owned, owned};
use crate::mesh::CallId;

/// A channel that is about to leave.
#[derive(Debug)]
pub(super) struct Departure {
    call: CallId,
    key: ChannelKey,
    id: ChannelId,
}

impl<M: Machine> MediaShard<M> {
    /// Begins to give a channel out.
    pub(super) fn release(&mut self, call: CallId, id: ChannelId, now: Instant) {
        let found = if self.departures.iter().any(|departure| departure.id == id) {
            Err(CommandError::WrongState("the channel is moving already"))
        } else {
            self.machine.part(id, now).and_then(|key| owned(&self.channels, key).ok_or(CommandError::NotFound(id)))
        };
        match found {
            Ok(Owned { key, pair, .. }) => {
                self.ring.part(pair);
                self.departures.push(Departure { call, key, id });
            }
            Err(error) => self.server.answer(call, Err(error)),
        }
    }

    /// After a slot: gives out the channels that nothing is received for any more.
    pub(super) fn depart(&mut self) {
        let mut index = 0;
        while let Some(Departure { key, id, .. }) = self.departures.get(index) {
            let (key, id) = (*key, *id);
            match self.pack(key, id) {
                Some(answer) => {
                    let Departure { call, .. } = self.departures.swap_remove(index);
                    self.server.answer(call, answer);
                    self.report();
                }
                None => index += 1,
            }
        }
    }

    /// The parcel, once it can be made; `NotFound` if there is nothing to pack.
    fn pack(&mut self, key: ChannelKey, id: ChannelId) -> Option<Answer> {
        let gone = Some(Err(CommandError::NotFound(id)));
        let Some(Owned { pair, .. }) = owned(&self.channels, key) else { return gone };
        // Its events so far go ahead of it.
        self.server.flush();
        if self.server.backlog() > 0 {
            return None;
        }
        let loose = Box::new(self.ring.take(pair)?);
        self.forget(key);
        let Some(moved) = self.machine.release(key).map(Box::new) else { return gone };
        Some(Ok(Served::Parcel(Box::new(Parcel { moved, loose }))))
    }

    /// Takes a channel in.
    pub(super) fn adopt(&mut self, parcel: Parcel, now: Instant) -> Served {
        let Parcel { moved, loose } = parcel;
        let id = moved.id();
        let key = match self.machine.adopt(*moved, now) {
            Ok(key) => key,
            Err(moved) => {
                let full = CommandError::Unavailable("the core that the channel was to move to has no place for it");
                return Served::Refused(Box::new(Parcel { moved, loose }), full);
            }
        };
        match self.ring.adopt(*loose) {
            Ok(pair) => {
                self.own(Owned { key, id, pair });
                self.report();
                Served::Reply(Reply::Done)
            }
            Err((error, loose)) => match self.machine.release(key).map(Box::new) {
                Some(moved) => Served::Refused(Box::new(Parcel { moved, loose }), self.refused(&error)),
                None => Served::Reply(Reply::Done),
            },
        }
    }
}
