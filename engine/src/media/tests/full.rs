//! A shard that is full, with the real machine: calls that were let in get what they need, and no call begins.

use super::ends::House;
use super::*;
use rtp::api::{Payload, Target};

/// Asks while slots run.
async fn ask(house: &mut House, command: Command) -> Result<Reply, CommandError> {
    let front = house.front.clone();
    let asked = rt::spawn_local(async move { front.ask(Request::Command(command)).await });
    while !asked.is_finished() {
        rt::yield_now().await;
        house.shard.slot();
    }
    match asked.await.unwrap()? {
        Served::Reply(reply) => Ok(reply),
        other => panic!("{other:?}"),
    }
}

async fn open(house: &mut House, near: Option<ChannelId>) -> Option<ChannelId> {
    match ask(house, Command::Open(Open { near, ..Open::default() })).await {
        Ok(Reply::Opened(opened)) => Some(opened.channel),
        Err(CommandError::Unavailable(_)) => None,
        other => panic!("{other:?}"),
    }
}

fn target(channel: ChannelId) -> Command {
    let payloads = vec![Payload { number: 0, encoding: None, fmtp: None }];
    let target = Target { ip: own_loopback(), port: 9, payloads, ptime_ms: None, direction: None, rtcp_mux: false };
    Command::Target { channel, target }
}

#[test]
fn an_answered_call_gets_its_far_end_and_its_caller_a_channel_though_the_core_is_full() {
    rt::run_test(async {
        let stop = Latch::new();
        let mut house = Box::pin(House::new(8, 200, 0, &stop)).await;
        let [callee, other] = [open(&mut house, None).await.unwrap(), open(&mut house, None).await.unwrap()];
        // 80 % or less is the limit of new calls, 95 % that of their other ends.
        house.shard.be_busy(0.9);
        assert_eq!(open(&mut house, None).await, None, "no call begins");
        assert_eq!(open(&mut house, Some(callee)).await, None, "nor beside one that only rings");
        assert_eq!(ask(&mut house, target(callee)).await, Ok(Reply::Done), "it was picked up");
        let caller = open(&mut house, Some(callee)).await.expect("the caller of an answered call");
        house.shard.be_busy(1.0);
        for command in [target(caller), Command::Mix { a: caller, b: callee }, target(other), Command::Echo { channel: other }] {
            assert_eq!(ask(&mut house, command.clone()).await, Ok(Reply::Done), "{command:?}");
        }
        assert_eq!(open(&mut house, Some(caller)).await, None, "quality is about to fall");
        house.shard.be_busy(0.1);
        assert!(open(&mut house, None).await.is_some());
        stop.open();
    });
}
