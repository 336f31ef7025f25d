//! Opening a channel: which shard, and what becomes of a channel whose asker is gone before it is there.
//!
//! ```text
//!   Open ─▶ near's shard, then the roomiest, then the next one ─▶ Opened ─▶ claimed by the asker
//!                                                                               └ dropped unclaimed ─▶ Close
//! ```
//! Shape:  a task of its own, so that an asker who is let go (its answer took too long) leaves no channel that nobody knows.
//! Limits: those of commands in flight.
//! Errors: the media machine's; of the last shard that was asked.
//! Not here: a client that was answered and is gone. Its channel, never told a far end, ends by time (`rtp::media`).

use std::rc::Rc;

use rtp::api::{ChannelId, Command, CommandError, Reply};

use super::rtp::{Answer, GONE, RtpNode};

/// A channel that nobody has taken yet; dropping it closes it.
struct Unclaimed {
    node: Rc<RtpNode>,
    channel: Option<ChannelId>,
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let (Some(channel), node) = (self.channel.take(), Rc::clone(&self.node)) else { return };
        tracing::info!(%channel, "closed: who asked for it is gone");
        rt::spawn_local(async move { node.ask_channel(channel, Command::Close { channel }).await });
    }
}

impl RtpNode {
    /// Opens a channel.
    pub(super) async fn open(self: &Rc<Self>, command: Command) -> Answer {
        if self.is_draining() {
            return Err(CommandError::Unavailable("draining: no new channels"));
        }
        let node = Rc::clone(self);
        let (answer, mut unclaimed) = rt::spawn_local(async move {
            let answer = node.open_somewhere(command).await;
            let channel = match &answer {
                Ok(Reply::Opened(opened)) => Some(opened.channel),
                _ => None,
            };
            (answer, Unclaimed { node, channel })
        })
        .await;
        unclaimed.channel = None;
        answer
    }

    async fn open_somewhere(&self, command: Command) -> Answer {
        let near = match command.channel() {
            Some(near) => Some(self.home(near).await?),
            None => None,
        };
        let mut answer = Err(GONE);
        for shard in near.into_iter().chain(self.by_room().into_iter().filter(|shard| Some(*shard) != near)) {
            answer = self.ask(shard, command.clone()).await;
            // Other shards have other ports, places and time; a channel that is not where it was to be moves when it is mixed.
            match &answer {
                Err(CommandError::NoPorts { .. } | CommandError::Full { .. } | CommandError::Unavailable(_)) => {}
                Ok(_)
                | Err(CommandError::NotFound(_) | CommandError::WrongState(_) | CommandError::Impossible(_) | CommandError::Bad(_)) => {
                    break;
                }
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use rt::Latch;
    use rtp::api::{ChannelCounts, Load, Open, Opened};

    use super::*;
    use crate::files::{self, Limits};
    use crate::media::{Answer as ShardAnswer, Request, Served};
    use crate::mesh::{Server, pair};
    use crate::node::rtp::{EventSink, News};

    fn opened(channel: ChannelId) -> ShardAnswer {
        let (ip, channels, load) = (IpAddr::from([127, 0, 0, 1]), ChannelCounts::default(), Load::default());
        Ok(Served::Reply(Reply::Opened(Box::new(Opened { channel, ip, port: 10_000, channels, load }))))
    }

    /// The next command of a shard that the test plays.
    async fn next(shard: &mut Server<Request, ShardAnswer, News>) -> (crate::mesh::CallId, Command) {
        loop {
            match shard.next_command() {
                Some((call, Request::Command(command))) => return (call, command),
                Some(other) => panic!("{other:?}"),
                None => rt::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    #[test]
    fn a_channel_is_opened_where_there_is_room_for_whatever_reason_the_other_cores_refuse() {
        rt::run_test(async {
            let (wake, _signal) = rt::signal();
            let ((one, mut first), (other, mut second)) = (pair(wake.clone()), pair(wake));
            let (files, _threads) = files::start(None, Limits::default()).unwrap();
            let (node, stop) = (RtpNode::new(vec![one, other], files), Latch::new());
            let running = rt::spawn_local({
                let (node, stop) = (Rc::clone(&node), stop.clone());
                async move {
                    let nobody: EventSink = Rc::new(|_| {});
                    node.run(&nobody, &stop).await;
                }
            });
            let ask = |near| {
                let node = Rc::clone(&node);
                rt::spawn_local(async move { node.command(Command::Open(Open { near, ..Open::default() })).await })
            };
            let refusals = [
                CommandError::Unavailable("this core carries as many channels as it can in time"),
                CommandError::Full { what: "channels", max: 1 },
                CommandError::NoPorts { address: IpAddr::from([127, 0, 0, 1]), pairs: 1 },
            ];
            let homes = [ChannelId::from_random(1), ChannelId::from_random(2)];
            node.set_home(homes[0], 0);
            for (near, refusal) in [None, Some(homes[0])].into_iter().flat_map(|near| refusals.iter().map(move |refusal| (near, refusal))) {
                let asked = ask(near);
                let (call, _) = next(&mut first).await;
                first.answer(call, Err(refusal.clone()));
                first.flush();
                let (call, _) = next(&mut second).await;
                second.answer(call, opened(homes[1]));
                second.flush();
                assert!(matches!(asked.await, Ok(Reply::Opened(_))), "{refusal:?}");
                // As many channels on both, so that the first is asked first again.
                node.forget(homes[1]);
            }

            // What no core can do is asked of one.
            let asked = ask(None);
            let (call, _) = next(&mut first).await;
            first.answer(call, Err(CommandError::Impossible("no such address".into())));
            first.flush();
            assert!(matches!(asked.await, Err(CommandError::Impossible(_))));

            // A core that is known to be full is asked last, however idle it was when it said so.
            let full = Load { headroom: 1.0, accepting: false, ..Load::default() };
            let half = Load { headroom: 0.5, accepting: true, ..Load::default() };
            for (shard, load) in [(&mut first, full), (&mut second, half)] {
                shard.event(News::Load { load, channels: ChannelCounts::default() });
                shard.flush();
            }
            while node.by_room() != [1, 0] {
                rt::sleep(Duration::from_millis(1)).await;
            }
            let asked = ask(None);
            let (call, _) = next(&mut second).await;
            second.answer(call, opened(homes[1]));
            second.flush();
            assert!(matches!(asked.await, Ok(Reply::Opened(_))));
            assert!(first.next_command().is_none());
            stop.open();
            running.await;
        });
    }

    #[test]
    fn a_channel_whose_asker_is_gone_is_closed_again() {
        rt::run_test(async {
            let (wake, _signal) = rt::signal();
            let (end, mut shard) = pair(wake);
            let (files, _threads) = files::start(None, Limits::default()).unwrap();
            let (node, stop) = (RtpNode::new(vec![end], files), Latch::new());
            let running = rt::spawn_local({
                let (node, stop) = (Rc::clone(&node), stop.clone());
                async move {
                    let nobody: EventSink = Rc::new(|_| {});
                    node.run(&nobody, &stop).await;
                }
            });
            let channel = ChannelId::from_random(7);
            {
                let asker = node.command(Command::Open(Open::default()));
                let patience = rt::sleep(Duration::from_millis(20));
                rt::select(async { asker.await.map(drop).unwrap_or_default() }, patience).await;
            }
            let (call, command) = next(&mut shard).await;
            assert!(matches!(command, Command::Open(_)), "{command:?}");
            shard.answer(call, opened(channel));
            shard.flush();
            let (call, command) = next(&mut shard).await;
            assert_eq!(command.channel(), Some(channel));
            assert!(matches!(command, Command::Close { .. }), "{command:?}");
            shard.answer(call, Err(CommandError::NotFound(channel)));

            // One who waits gets it, and keeps it.
            let asker = rt::spawn_local({
                let node = Rc::clone(&node);
                async move { node.command(Command::Open(Open::default())).await }
            });
            let (call, _) = next(&mut shard).await;
            shard.answer(call, opened(channel));
            shard.flush();
            assert!(matches!(asker.await, Ok(Reply::Opened(_))));
            rt::sleep(Duration::from_millis(20)).await;
            assert!(shard.next_command().is_none());
            stop.open();
            running.await;
        });
    }
}
