use super::*;

#[test]
fn an_injector_never_gets_into_the_call_nor_its_sound() {
    for injector_first in [false, true] {
        let mut bed = Bed::new();
        let [(ka, a), (kb, _)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
        let (mut phone, mut evil) = (Phone::new(A, 0), Phone::new("127.6.6.6:666", 0));
        evil.ssrc = phone.ssrc;
        if injector_first {
            for _ in 0..50 {
                let packet = evil.packet(&[0xee; 160]);
                bed.slot(&[(ka, evil.from, packet)]);
            }
        }
        for n in 0..100u8 {
            let packets: Vec<_> = (0..20).map(|_| (ka, evil.from, evil.packet(&[0xee; 160]))).collect();
            let mut slot = packets.clone();
            slot.push((ka, phone.from, phone.packet(&[n; 160])));
            slot.extend(packets);
            slot.push((kb, addr(B), Phone::new(B, 0).packet(&[3; 160])));
            let sent = bed.slot(&slot);
            let heard: Vec<_> = sent.iter().filter(|s| s.to == addr(B) && s.port == Port::Rtp).map(|s| s.payload()[0]).collect();
            // Until the phone's first packet the injector may be the only one there is.
            let honest: Vec<_> = heard.into_iter().filter(|&p| n > 0 || p != 0xee).collect();
            assert_eq!(honest, [n]);
            if n > 0 {
                assert!(sent.iter().all(|s| s.to != evil.from), "sound goes to nobody who asks for it");
            }
        }
        assert!(bed.stats(a).input.badsource > 3900);
        assert_eq!(bed.stats(a).remote.address, Some(addr(A)));
    }
}

#[test]
fn nat_is_followed_after_probation_and_reopened_by_signalling() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, _)] = bed.bridge(("192.168.7.7:4000", &[plain(0)]), (B, &[plain(0)]));
    let mut phone = Phone::new("127.0.0.9:33333", 0);
    for _ in 0..12 {
        assert!(bed.say(ka, &mut phone, &[1; 160]).is_some(), "heard from the first packet");
    }
    assert!(bed.stats(a).remote.latched);
    assert_eq!(bed.say(kb, &mut Phone::new(B, 0), &[2; 160]).unwrap().to, phone.from);
    bed.target(a, "127.0.0.9:44444", &[plain(0)]);
    assert!(!bed.stats(a).remote.latched);
    phone.from = addr("127.0.0.9:44444");
    assert!(bed.say(ka, &mut phone, &[1; 160]).is_some());
    assert!(bed.stats(a).remote.latched);
}

#[test]
fn reports_go_out_and_what_comes_in_gives_the_round_trip() {
    use crate::packet::rtcp::{Block, REPORT_MAX, Report, Reports, SenderInfo};
    let mut bed = Bed::new();
    let [(ka, a), _] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let mut phone = Phone::new(A, 0);
    let mut reports = Vec::new();
    for _ in 0..600 {
        let packet = phone.packet(&[1; 160]);
        let sent = bed.slot(&[(ka, addr(A), packet)]);
        reports.extend(sent.into_iter().filter(|s| s.port == Port::Rtcp).map(|s| (bed.now, s)));
    }
    let to_b: Vec<_> = reports.iter().filter(|(_, s)| s.to == addr("127.0.0.3:5001")).collect();
    let to_a: Vec<_> = reports.iter().filter(|(_, s)| s.to == addr("127.0.0.2:4001")).collect();
    assert!((1..=4).contains(&to_a.len()) && (1..=4).contains(&to_b.len()), "12 s, one in 2.5 to 7.5 s");
    let heard = Reports::parse(&to_a[0].1.bytes, Ssrc(phone.ssrc), None).unwrap();
    let block = heard.about_us.unwrap();
    assert_eq!((block.cumulative_lost, block.jitter_ticks, heard.sender_ntp), (0, 0, None), "we sent a nothing");
    let (at, sr) = to_b[0];
    let ours = u32::from_be_bytes(sr.bytes[4..8].try_into().unwrap());
    let ntp = Reports::parse(&sr.bytes, Ssrc(0), None).unwrap().sender_ntp.unwrap();
    // B answers 30 ms after it got the report, and the way takes the rest.
    let passed = bed.now - *at;
    let delay = passed - Duration::from_millis(50);
    let answer = Report {
        ssrc: Ssrc(5),
        sender: Some(SenderInfo { ntp: 1 << 40, timestamp: RtpTimestamp(0), packets: 1, octets: 1 }),
        block: Some(Block {
            ssrc: Ssrc(ours),
            fraction_lost: 0,
            cumulative_lost: 4,
            highest_sequence: 9,
            jitter_ticks: 80,
            last_sr: ntp,
            delay_since_last_sr: ((delay.as_micros() << 16) / 1_000_000) as u32,
        }),
    };
    let mut bytes = [0; REPORT_MAX];
    let len = answer.write("b", &mut bytes).unwrap();
    bed.media.begin(bed.now);
    let kb = to_b[0].1.via;
    assert_eq!(bed.media.receive(kb, Port::Rtcp, addr("127.9.9.9:5001"), &mut bytes[..len].to_vec()), Verdict::Done);
    let b = bed.media.id(kb).unwrap();
    assert_eq!((bed.stats(b).rtcp.rtt_ms, bed.stats(b).input.badsource), (None, 1), "from elsewhere it says nothing");
    bed.media.receive(kb, Port::Rtcp, addr("127.0.0.3:5001"), &mut bytes[..len].to_vec());
    let rtcp = bed.stats(b).rtcp;
    assert!((49.0..51.0).contains(&rtcp.rtt_ms.unwrap()), "{rtcp:?}");
    assert_eq!((rtcp.remote_lost, rtcp.remote_jitter_ms), (Some(4), Some(10.0)));
    assert_eq!(bed.stats(a).rtcp.rtt_ms, None);
}

#[test]
fn everything_else_on_the_port_is_counted() {
    let mut bed = Bed::new();
    let (key, _) = bed.call(A, &[plain(0)]);
    bed.slot(&[
        (key, addr(A), vec![0, 1, 0, 0]),
        (key, addr(A), vec![22, 254, 253]),
        (key, addr(A), vec![]),
        (key, addr(A), vec![0x80; 11]),
        (key, addr(A), vec![0x80, 200, 0, 9]),
    ]);
    let names = ["packets_received", "packets_stun", "packets_dtls", "packets_malformed", "packets_rtcp"];
    assert_eq!(names.map(|n| bed.status(n)), [5, 1, 1, 3, 0]);
}

#[test]
fn direction_stops_either_way() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, _)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let (mut pa, mut pb) = (Phone::new(A, 0), Phone::new(B, 0));
    bed.command(Command::Direction { channel: a, direction: Direction { send: true, recv: false } }).unwrap();
    assert_eq!(bed.say(ka, &mut pa, &[1; 160]), None);
    assert!(bed.say(kb, &mut pb, &[1; 160]).is_some());
    bed.command(Command::Direction { channel: a, direction: Direction { send: false, recv: true } }).unwrap();
    assert_eq!(bed.say(kb, &mut pb, &[1; 160]), None);
    assert_eq!(bed.stats(a).output.skipped, 1);
    // c=0.0.0.0 is hold as well, whatever the far end sends meanwhile.
    bed.command(Command::Direction { channel: a, direction: Direction::default() }).unwrap();
    bed.target(a, "0.0.0.0:4000", &[plain(0)]);
    for _ in 0..20 {
        bed.say(ka, &mut pa, &[1; 160]);
        assert_eq!(bed.say(kb, &mut pb, &[1; 160]), None);
    }
    bed.target(a, A, &[plain(0)]);
    assert_eq!(bed.say(kb, &mut pb, &[1; 160]).unwrap().to, addr(A));
}

#[test]
fn a_flood_of_the_right_source_is_cut_and_the_next_slot_takes_again() {
    let mut bed = Bed::new();
    let [(ka, _), _] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let mut phone = Phone::new(A, 0);
    let flood: Vec<_> = (0..200).map(|_| (ka, addr(A), phone.packet(&[1; 160]))).collect();
    assert_eq!(bed.slot(&flood).iter().filter(|s| s.port == Port::Rtp).count(), 32);
    assert_eq!(bed.status("packets_flood"), 168);
    assert!(bed.say(ka, &mut phone, &[1; 160]).is_some());
}
