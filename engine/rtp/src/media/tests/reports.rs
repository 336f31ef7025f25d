//! RTCP of a channel: goodbye both ways, metrics of phones, and lies.

use super::*;
use crate::packet::rtcp::{Block, GOODBYE_MAX, Report, Reports, SenderInfo, VoipMetrics};

/// A report of a phone about our stream, both named.
fn report(theirs: u32, ours: u32, change: impl FnOnce(&mut Block)) -> Report {
    let mut block = Block {
        ssrc: Ssrc(ours),
        fraction_lost: 64,
        cumulative_lost: 3,
        highest_sequence: 9,
        jitter_ticks: 80,
        last_sr: 0,
        delay_since_last_sr: 0,
    };
    change(&mut block);
    let sender = Some(SenderInfo { ntp: 1 << 40, timestamp: RtpTimestamp(0), packets: 1, octets: 1 });
    Report { ssrc: Ssrc(theirs), sender, block: Some(block) }
}

fn bytes(report: &Report) -> Vec<u8> {
    let mut bytes = vec![0; GOODBYE_MAX];
    let len = report.write("phone", &mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

impl Bed {
    fn rtcp(&mut self, key: ChannelKey, from: &str, bytes: &[u8]) {
        self.media.begin(self.now);
        assert_eq!(self.media.receive(key, Port::Rtcp, addr(from), &mut bytes.to_vec()), Verdict::Done);
        self.media.run();
    }

    /// A bridge over which both have talked for some seconds; the SSRC that A hears.
    fn talking(&mut self) -> ([(ChannelKey, ChannelId); 2], [Phone; 2], u32) {
        let ends = self.bridge((A, &[plain(0)]), (B, &[plain(0)]));
        let (mut a, mut b) = (Phone::new(A, 0), Phone::new(B, 0));
        let mut ssrc = 0;
        for _ in 0..100 {
            self.say(ends[0].0, &mut a, &[1; 160]);
            ssrc = self.say(ends[1].0, &mut b, &[2; 160]).unwrap().header().ssrc.0;
        }
        self.outputs();
        (ends, [a, b], ssrc)
    }
}

#[test]
fn a_channel_says_goodbye_after_its_last_packet_and_then_its_sockets_close() {
    let mut bed = Bed::new();
    let ([(ka, a), (kb, _)], _, ssrc) = bed.talking();
    assert!(matches!(bed.command(Command::Close { channel: a }), Ok(Reply::Closed { .. })));
    assert!(bed.outputs().iter().all(|output| *output != Output::Closed(ka)), "the sockets are needed yet");
    let sent = bed.slot(&[]);
    let bye = sent.iter().find(|s| s.via == ka && s.port == Port::Rtcp).unwrap();
    assert_eq!(bye.to, addr("127.0.0.2:4001"));
    let reports = Reports::parse(&bye.bytes, Ssrc(0x1111), Some(Ssrc(ssrc))).unwrap();
    assert!(reports.bye && reports.about_us.is_some_and(|block| block.cumulative_lost == 0), "{reports:?}");
    assert!(bed.outputs().contains(&Output::Closed(ka)));
    assert!(bed.slot(&[]).iter().all(|s| s.via != ka), "once");
    // Two that are closed between two slots, and all that are open at the end.
    bed.media.shutdown();
    let sent = bed.slot(&[]);
    assert_eq!(sent.iter().filter(|s| s.via == kb && s.port == Port::Rtcp).count(), 1);
    assert!(bed.outputs().contains(&Output::Closed(kb)));
}

#[test]
fn who_never_spoke_says_no_goodbye_and_is_gone_at_once() {
    let mut bed = Bed::new();
    let (key, id) = bed.call(A, &[plain(0)]);
    bed.command(Command::Close { channel: id }).unwrap();
    assert!(bed.outputs().contains(&Output::Closed(key)));
    assert_eq!(bed.slot(&[]), []);
}

#[test]
fn the_place_of_a_channel_that_says_goodbye_is_not_taken_meanwhile() {
    let mut bed = Bed::with(Config { channels_max: 2, ..Config::default() });
    let ([(ka, a), _], ..) = bed.talking();
    bed.command(Command::Close { channel: a }).unwrap();
    assert!(bed.try_open().is_err());
    bed.slot(&[]);
    let (key, _) = bed.open();
    assert_eq!((key.slot, key.generation), (ka.slot, ka.generation + 1));
}

#[test]
fn goodbye_of_a_phone_is_shown_until_it_speaks_again() {
    let mut bed = Bed::new();
    let ([(ka, a), _], [mut phone, _], _) = bed.talking();
    let bye = |ssrc: u32| [&[0x81, 203, 0, 1][..], &ssrc.to_be_bytes()].concat();
    bed.rtcp(ka, "127.0.0.2:4001", &bye(phone.ssrc + 1));
    assert_eq!((bed.stats(a).rtcp.goodbye, bed.stats(a).input.badsource), (false, 1), "of somebody else");
    bed.rtcp(ka, "127.0.0.2:4001", &bye(phone.ssrc));
    assert!(bed.stats(a).rtcp.goodbye);
    bed.say(ka, &mut phone, &[1; 160]);
    assert!(!bed.stats(a).rtcp.goodbye);
}

#[test]
fn metrics_of_a_phone_are_shown() {
    let mut bed = Bed::new();
    let ([(ka, a), _], [phone, _], ours) = bed.talking();
    let metrics = VoipMetrics {
        loss_percent: 12.5,
        discard_percent: 6.25,
        burst_percent: 50.0,
        burst_ms: 320,
        rtt_ms: Some(90),
        r_factor: Some(70),
        mos_lq: Some(3.6),
        mos_cq: Some(3.5),
    };
    // Reduced size, alone in its packet.
    let mut xr = [0; 44];
    metrics.write(Ssrc(phone.ssrc), Ssrc(ours), &mut xr).unwrap();
    bed.rtcp(ka, "127.0.0.2:4001", &xr);
    let rtcp = bed.stats(a).rtcp;
    let shown = (rtcp.remote_loss_percent, rtcp.remote_discard_percent, rtcp.remote_burst_ms, rtcp.remote_mos, rtcp.rtt_ms);
    assert_eq!(shown, (Some(12.5), Some(6.25), Some(320), Some(3.6), Some(90.0)));
    // A report of the last interval does not hide what is known of the call.
    bed.rtcp(ka, "127.0.0.2:4001", &bytes(&report(phone.ssrc, ours, |_| {})));
    let rtcp = bed.stats(a).rtcp;
    assert_eq!((rtcp.remote_loss_percent, rtcp.remote_lost), (Some(12.5), Some(3)));
}

#[test]
fn lies_leave_the_figures_as_they_were() {
    let mut bed = Bed::new();
    let ([(ka, a), _], [phone, _], ours) = bed.talking();
    let good = report(phone.ssrc, ours, |_| {});
    bed.rtcp(ka, "127.0.0.2:4001", &bytes(&good));
    let before = bed.stats(a).rtcp;
    assert_eq!((before.remote_lost, before.remote_jitter_ms, before.remote_loss_percent), (Some(3), Some(10.0), Some(25.0)));
    let lies: [fn(&mut Block); 4] = [
        // More packets than were ever sent, either way.
        |block| block.cumulative_lost = 0x7f_ffff,
        |block| block.cumulative_lost = -0x80_0000,
        |block| block.jitter_ticks = u32::MAX,
        // An answer to a report that was never made.
        |block| (block.last_sr, block.delay_since_last_sr) = (0x1234_5678, 1),
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        bed.rtcp(ka, "127.0.0.2:4001", &bytes(&report(phone.ssrc, ours, lie)));
        assert_eq!(bed.stats(a).rtcp, before, "lie {n}");
    }
    // Whoever knows neither stream says nothing, and does not get our reports.
    let stranger = report(phone.ssrc + 1, ours + 1, |_| {});
    bed.rtcp(ka, "127.0.0.2:9", &bytes(&stranger));
    assert_eq!((bed.stats(a).rtcp, bed.stats(a).input.badsource), (before, 1));
    for end in 1..bytes(&good).len() {
        bed.rtcp(ka, "127.0.0.2:4001", &bytes(&good)[..end]);
    }
    assert_eq!(bed.stats(a).rtcp, before);
    let reports: Vec<_> = (0..400).flat_map(|_| bed.slot(&[])).filter(|s| s.via == ka && s.port == Port::Rtcp).collect();
    assert!(!reports.is_empty() && reports.iter().all(|s| s.to == addr("127.0.0.2:4001")), "{reports:?}");
}
