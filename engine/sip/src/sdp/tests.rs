use proptest::prelude::*;

use super::*;

/// RFC 4566 §5, the example description, with lines of every kind added.
const FULL: &str = "v=0\r\no=jdoe 2890844526 2890842807 IN IP4 10.47.16.5\r\ns=SDP Seminar\r\n\
i=A Seminar on the session description protocol\r\nu=http://www.example.com/seminars/sdp.pdf\r\n\
e=j.doe@example.com (Jane Doe)\r\ne=second@example.com\r\np=+1 617 555-6011\r\nc=IN IP4 224.2.17.12/127\r\n\
b=CT:1000\r\nb=X-YZ:128\r\nt=2873397496 2873404696\r\nr=604800 3600 0 90000\r\nt=0 0\r\nz=2882844526 -3600 2898848070 0\r\n\
k=clear:a:b\r\na=recvonly\r\na=group:BUNDLE a b\r\nx=later\r\nm=audio 49170/2 RTP/AVP 0 101\r\ni=sound\r\nc=IN IP6 FF15::101/3\r\n\
b=TIAS:64000\r\nk=prompt\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20|1:4\r\na=crypto:2 F8_128_HMAC_SHA1_80 inline:def\r\na=rtcp-mux\r\n\
m=video 51372 RTP/AVP 99\r\na=rtpmap:99 h263-1998/90000\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";

#[test]
fn nothing_of_a_full_description_is_lost() {
    let sdp = Sdp::parse(FULL).unwrap();
    assert_eq!(sdp.to_string(), FULL);
    assert_eq!((sdp.media.len(), sdp.times.len(), sdp.zones.len()), (3, 2, 2));
    assert_eq!(sdp.media[0].attributes.values("crypto").count(), 2);
}

#[test]
fn bare_lf_and_empty_lines_are_read() {
    let text = FULL.replace("\r\n", "\n\n");
    assert_eq!(Sdp::parse(&text), Sdp::parse(FULL));
    assert_eq!(Sdp::parse(FULL.trim_end()), Sdp::parse(FULL));
}

#[test]
fn repeat_times_take_units() {
    let sdp =
        Sdp::parse("v=0\no=- 1 1 IN IP4 1.2.3.4\ns= \nt=3034423619 3042462419\nr=7d 1h 0 25h\nz=2882844526 -1h 2898848070 0\n").unwrap();
    assert_eq!(sdp.times[0].repeats, [Repeat { interval: 604_800, duration: 3600, offsets: vec![0, 90_000] }]);
    assert_eq!(sdp.zones[0].offset, -3600);
}

#[test]
fn a_description_without_s_or_t_gets_a_space_and_no_time() {
    let sdp = Sdp::parse("v=0\no=- 1 1 IN IP4 1.2.3.4\n").unwrap();
    assert_eq!((sdp.name.as_str(), sdp.times.len()), (" ", 0));
}

#[test]
fn session_ids_beyond_any_integer_are_kept() {
    let sdp = Sdp::parse("v=0\no=- 184467440737095516150 00001 IN IP6 2001:db8::1\ns=x\n").unwrap();
    assert_eq!((sdp.origin.sessionid.as_str(), sdp.origin.sessionversion.as_str()), ("184467440737095516150", "00001"));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let with = |line: &str| Sdp::parse(&format!("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\n{line}\r\n"));
    assert_eq!(Sdp::parse(""), Err(ParseError::NoVersion));
    assert_eq!(Sdp::parse("o=- 1 1 IN IP4 1.2.3.4"), Err(ParseError::NoVersion));
    assert_eq!(Sdp::parse("v=0"), Err(ParseError::NoOrigin));
    assert_eq!(Sdp::from_bytes(b"v=0\r\ns=\xff"), Err(ParseError::NotUtf8));
    assert_eq!(with("hello"), Err(ParseError::NotALine(4)));
    assert_eq!(with("=x"), Err(ParseError::NotALine(4)));
    assert_eq!(with("ab=x"), Err(ParseError::NotALine(4)));
    assert_eq!(with("a=x\ry"), Err(ParseError::ControlCharacter(4)));
    assert_eq!(with("s=again"), Err(ParseError::Twice { line: 4, kind: 's' }));
    for line in
        ["c=IN IP4", "b=AS", "b=AS:x", "t=0", "t=0 0 0", "r=1 1 0", "m=audio", "m=audio 65536 RTP/AVP 0", "m=audio 1/x RTP/AVP 0", "z=1"]
    {
        let kind = line.chars().next().unwrap();
        assert_eq!(with(line), Err(ParseError::Bad { line: 4, kind }), "{line}");
    }
}

#[test]
fn limits_hold() {
    let head = "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\n";
    let repeated = |line: &str, n: usize| Sdp::parse(&format!("{head}{}", line.repeat(n)));
    assert!(repeated("m=audio 1 RTP/AVP 0\n", LIMIT_MEDIA).is_ok());
    assert_eq!(repeated("m=audio 1 RTP/AVP 0\n", LIMIT_MEDIA + 1), Err(ParseError::TooManyMedia));
    assert!(repeated("a=x\n", LIMIT_LINES - 3).is_ok());
    assert_eq!(repeated("a=x\n", LIMIT_LINES - 2), Err(ParseError::TooManyLines));
    assert_eq!(repeated("\n", LIMIT_BYTES), Err(ParseError::TooLong(LIMIT_BYTES + head.len())));
    // What would outgrow a limit when written is refused when read.
    let nameless = format!("v=0\no=- 1 1 IN IP4 1.2.3.4\n{}", "a=x\n".repeat(LIMIT_LINES - 2));
    assert_eq!(Sdp::parse(&nameless), Err(ParseError::TooManyLines));
    let long = format!("a={}\n", "x".repeat(100));
    let bare = format!("{head}{}", long.repeat((LIMIT_BYTES - head.len()) / long.len()));
    assert!(bare.len() <= LIMIT_BYTES);
    assert!(matches!(Sdp::parse(&bare), Err(ParseError::TooLong(_))));
    let formats = format!("m=audio 1 RTP/AVP{}\n", " 0".repeat(LIMIT_FORMATS + 1));
    assert_eq!(repeated(&formats, 1), Err(ParseError::TooManyFormats(4)));
}

#[test]
fn every_truncation_and_every_flipped_byte_is_answered() {
    for end in 0..FULL.len() {
        let _ = Sdp::from_bytes(&FULL.as_bytes()[..end]);
        let mut bytes = FULL.as_bytes().to_vec();
        for flip in [0x01, 0x20, 0x80] {
            bytes[end] = FULL.as_bytes()[end] ^ flip;
            if let Ok(sdp) = Sdp::from_bytes(&bytes) {
                assert_eq!(Sdp::parse(&sdp.to_string()), Ok(sdp));
            }
        }
    }
}

fn audio(lines: &str) -> Sdp {
    Sdp::parse(&format!("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{lines}")).unwrap()
}

#[test]
fn the_media_line_wins_over_the_session() {
    let sdp = audio("a=recvonly\nm=audio 1 RTP/AVP 0\nc=IN IP6 2001:db8::1\na=sendonly\nm=audio 3 RTP/AVP 0\n");
    assert_eq!(sdp.direction(&sdp.media[0]), Direction::SendOnly);
    assert_eq!(sdp.direction(&sdp.media[1]), Direction::RecvOnly);
    assert_eq!(sdp.media_ip(&sdp.media[0]), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(sdp.media_ip(&sdp.media[1]), Some("192.0.2.1".parse().unwrap()));
    assert_eq!(audio("m=audio 1 RTP/AVP 0\n").direction(&Media::default()), Direction::SendRecv);
}

#[test]
fn hold_is_seen_however_it_is_written() {
    for held in ["a=inactive\n", "a=sendonly\n", "a=recvonly\n", "c=IN IP4 0.0.0.0\n", "c=IN IP6 ::\n"] {
        assert!(audio(&format!("m=audio 9 RTP/AVP 0\n{held}")).is_hold(), "{held}");
    }
    assert!(!audio("m=audio 9 RTP/AVP 0\na=sendrecv\n").is_hold());
    assert!(!audio("m=audio 9 RTP/AVP 0\n").is_hold());
    assert!(!audio("m=audio 0 RTP/AVP 0\na=inactive\n").is_hold(), "a refused stream holds nothing");
    let second = audio("m=audio 0 RTP/AVP 0\nm=audio 7 RTP/AVP 8\na=inactive\n");
    assert_eq!(second.first_audio().map(|m| m.port), Some(7));
    assert!(second.is_hold());
}

#[test]
fn payload_types_are_read_from_rtpmap_or_the_static_table() {
    let sdp = audio("m=audio 1 RTP/AVP 0 9 97 111 120\na=rtpmap:97 iLBC/8000\na=fmtp:97 mode=20\na=rtpmap:111 opus/48000/2\na=ptime:20\n");
    let m = &sdp.media[0];
    assert_eq!(m.rtpmap(0), Some(RtpMap { encoding: "PCMU", clock_rate_hz: 8000, params: None }));
    assert_eq!(m.rtpmap(9).map(|r| r.clock_rate_hz), Some(8000));
    assert_eq!(m.rtpmap(97).map(|r| r.encoding), Some("iLBC"));
    assert_eq!(m.rtpmap(111), Some(RtpMap { encoding: "opus", clock_rate_hz: 48_000, params: Some("2") }));
    assert_eq!((m.rtpmap(120), m.fmtp(97), m.fmtp(0), m.ptime()), (None, Some("mode=20"), None, Some(20)));
    assert_eq!(m.payloads().collect::<Vec<_>>(), [0, 9, 97, 111, 120]);
}

#[test]
fn set_direction_replaces_the_one_there() {
    let mut sdp = audio("m=audio 1 RTP/AVP 0\na=sendonly\na=ptime:20\na=inactive\n");
    sdp.media[0].attributes.set_direction(Direction::RecvOnly);
    assert_eq!(sdp.media[0].attributes.0.len(), 2);
    assert_eq!(sdp.direction(&sdp.media[0]), Direction::RecvOnly);
}

proptest! {
    #[test]
    fn any_text_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Sdp::from_bytes(&bytes);
    }

    #[test]
    fn what_was_read_is_written_and_read_again_the_same(lines in proptest::collection::vec("[vosiuepcbtrzkamx]=[ -~é]{0,40}", 0..30)) {
        let text = format!("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\n{}", lines.join("\r\n"));
        if let Ok(sdp) = Sdp::parse(&text) {
            prop_assert_eq!(Sdp::parse(&sdp.to_string()), Ok(sdp));
        }
    }

    #[test]
    fn media_lines_go_round(
        lines in proptest::collection::vec("m=[a-z]{1,5} [0-9]{1,4}(/[1-9])? RTP/AVP( [0-9]{1,3}){0,4}|a=[a-z:]{0,6}|a=(rtpmap|fmtp):[0-9]{1,2} [a-z/0-9]{0,9}|[bc]=(IN IP4 1\\.2\\.3\\.4|AS:64)|[a-z]=[a-z]{0,3}", 0..30)
    ) {
        let text = format!("v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 1 RTP/AVP 0\n{}", lines.join("\n"));
        if let Ok(sdp) = Sdp::parse(&text) {
            prop_assert_eq!(Sdp::parse(&sdp.to_string()), Ok(sdp));
        }
    }
}
