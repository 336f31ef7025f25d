//! Mixing channels of different media shards: one of them moves first.
//!
//! ```text
//!   Mix a, b ─▶ who moves, and whereto? ─▶ Release ─ Parcel ─▶ Adopt ─▶ Mix on one shard
//!               a mix stays, the other comes; of two free ones to the shard with more headroom
//! ```
//! Shape:  both channels are held meanwhile: commands for them wait, 3 to 5 ms, and then find them where they are.
//!         A move that has begun ends though the one who asked goes away, for the channel is in its hands.
//! Limits: [`MOVES_MAX`] moves at a time; the next is answered 503.
//! Errors: the media machine's. What can be known before is refused before anything moves; a shard that cannot take the
//!         channel gives it back to the one that it came from. However busy the other shard is: both calls were let in.

use std::rc::Rc;
use std::time::Duration;

use rt::Latch;
use rtp::api::{ChannelId, ChannelView, Command, CommandError, Reply};

use super::rtp::{Answer, BUSY, GONE, RtpNode};
use crate::media::{Parcel, Request, Served};
use crate::mesh::AskError;

/// Moves at a time. Each takes some 4 ms, so this is more than 10 000 a second, which is more than channels are opened; and
/// parcels never fill a queue of 256 commands.
pub const MOVES_MAX: usize = 64;

/// Holds two channels until it is dropped.
struct Hold {
    node: Rc<RtpNode>,
    both: [ChannelId; 2],
    done: Latch,
}

impl Drop for Hold {
    fn drop(&mut self) {
        for channel in &self.both {
            self.node.held_channels.borrow_mut().remove(channel);
        }
        self.done.open();
    }
}

impl RtpNode {
    /// Mixes two channels, wherever they live.
    pub(super) async fn mix(self: &Rc<Self>, a: ChannelId, b: ChannelId) -> Answer {
        let homes = loop {
            let homes = (self.home(a).await?, self.home(b).await?);
            if !self.is_held(a) {
                break homes;
            }
        };
        if homes.0 == homes.1 {
            return self.ask(homes.0, Command::Mix { a, b }).await;
        }
        let hold = self.hold([a, b])?;
        let node = Rc::clone(self);
        rt::spawn_local(async move {
            let answer = node.bring_together((a, homes.0), (b, homes.1)).await;
            drop(hold);
            answer
        })
        .await
    }

    /// Channels that are held now.
    pub(super) fn held_now(&self) -> Vec<ChannelId> {
        self.held_channels.borrow().keys().copied().collect()
    }

    /// Waits until a channel is held no longer.
    pub(super) async fn until_free(&self, channel: ChannelId) {
        loop {
            let held = self.held_channels.borrow().get(&channel).cloned();
            match held {
                Some(done) => done.wait().await,
                None => return,
            }
        }
    }

    fn is_held(&self, channel: ChannelId) -> bool {
        self.held_channels.borrow().contains_key(&channel)
    }

    fn hold(self: &Rc<Self>, both: [ChannelId; 2]) -> Result<Hold, CommandError> {
        let mut held = self.held_channels.borrow_mut();
        if held.len() >= 2 * MOVES_MAX {
            return Err(BUSY);
        }
        let done = Latch::new();
        held.extend(both.map(|channel| (channel, done.clone())));
        Ok(Hold { node: Rc::clone(self), both, done })
    }

    async fn bring_together(&self, (a, home_a): (ChannelId, usize), (b, home_b): (ChannelId, usize)) -> Answer {
        let (view_a, view_b) = (self.view(home_a, a).await?, self.view(home_b, b).await?);
        // As the machine decides: `a` joins `b`, unless only `a` is in a mix.
        let mixed = (view_a.mix.is_some(), view_b.mix.is_some());
        let a_moves = match mixed {
            (false, false) => !self.is_roomier(home_a, home_b),
            (_, b_is_mixed) => b_is_mixed,
        };
        if mixed != (false, false) {
            for view in [&view_a, &view_b] {
                if view.codec.is_none() {
                    let detail = format!("channel {} has no codec that can be mixed; give it a target first", view.channel);
                    return Err(CommandError::Impossible(detail));
                }
            }
        }
        let (moves, from, to) = if a_moves { (a, home_a, home_b) } else { (b, home_b, home_a) };
        self.move_channel(moves, from, to).await?;
        self.ask(to, Command::Mix { a, b }).await
    }

    async fn move_channel(&self, channel: ChannelId, from: usize, to: usize) -> Result<(), CommandError> {
        let Served::Parcel(parcel) = self.serve(from, Request::Release(channel)).await? else { return Err(GONE) };
        // Known there before it is, so that its end there is heard of.
        self.set_home(channel, to);
        let Err((error, parcel)) = self.deliver(to, parcel).await else {
            self.count_move();
            return Ok(());
        };
        tracing::warn!(%channel, "a channel stays on its core: {error}");
        self.set_home(channel, from);
        let is_back = match parcel {
            Some(parcel) => self.deliver(from, parcel).await.is_ok(),
            None => false,
        };
        if !is_back {
            self.forget(channel);
        }
        Err(error)
    }

    async fn deliver(&self, to: usize, parcel: Box<Parcel>) -> Result<(), (CommandError, Option<Box<Parcel>>)> {
        match self.serve(to, Request::Adopt(parcel)).await {
            Ok(Served::Refused(parcel, error)) => Err((error, Some(parcel))),
            Ok(Served::Reply(_) | Served::Parcel(_)) => Ok(()),
            Err(error) => Err((error, None)),
        }
    }

    /// Asks a shard, and again while its queue is full: a channel in flight has to land, and one that ends to end.
    pub(super) async fn serve(&self, shard: usize, mut request: Request) -> Result<Served, CommandError> {
        let caller = self.caller(shard).ok_or(GONE)?;
        loop {
            match caller.ask(request).await {
                Ok(answer) => return answer,
                Err(AskError::Gone) => return Err(GONE),
                Err(AskError::Full(back)) => request = back,
            }
            rt::sleep(FULL_PAUSE).await;
        }
    }

    async fn view(&self, home: usize, channel: ChannelId) -> Result<Box<ChannelView>, CommandError> {
        match self.ask(home, Command::Get { channel }).await? {
            Reply::Channel(view) => Ok(view),
            _ => Err(CommandError::NotFound(channel)),
        }
    }
}

const FULL_PAUSE: Duration = Duration::from_millis(1);
