use proptest::prelude::*;
use serde_json::{Value, json};
use sip::sdp::Sdp;

use super::*;

const HEAD: &str = "v=0\r\no=- 1 2 IN IP4 1.2.3.4\r\ns= \r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\n";

fn parse(lines: &str) -> Sdp {
    Sdp::parse(&format!("{HEAD}{lines}")).unwrap()
}

fn from_json(value: &Value) -> Result<Sdp, BadSdp> {
    super::from_json(&value.into())
}

/// To JSON, through its text, and back; and the text is the same when it is written without a value between.
fn round(sdp: &Sdp) -> Result<Sdp, BadSdp> {
    let text = to_json(sdp).to_string();
    let mut straight = Vec::new();
    write_text(&mut straight, sdp);
    assert_eq!(String::from_utf8(straight).unwrap(), text);
    super::from_json(&serde_json::from_str(&text).unwrap())
}

#[test]
fn written_straight_it_has_the_same_bytes() {
    for lines in [
        "",
        "b=AS:64\r\nb=CT:9\r\na=tool:x \"y\"\r\na=ptime:020\r\n",
        "m=audio 54400 RTP/AVP 0 8 101 x 07\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\nm=video 0 RTP/AVP 31\r\n",
        "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:0 PCMU/8000\r\n",
        "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=fmtp:0 x\r\na=rtpmap:8 PCMA/8000/1\r\n",
        "m=audio 1 RTP/AVP 0\r\na=rtpmap:00 PCMU/8000\r\na=rtpmap:8 PCMA/08000\r\na=fmtp:300 x\r\na=sendonly\r\na=sendonly\r\n",
        "m=audio 1 RTP/AVP 0\r\na=x\r\na=x:1\r\na=rtpmap\r\na=framerate:29.970\r\na=crypto:1 y\r\na=maxptime:99999999999999999999\r\n",
    ] {
        let sdp = parse(lines);
        assert_eq!(round(&sdp), Ok(sdp));
    }
}

#[test]
fn an_audio_offer_has_the_documented_form() {
    let sdp = parse(
        "b=AS:64\r\na=tool:x\r\nm=audio 54400 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
    );
    let expected = json!({
        "v": 0,
        "o": { "username": "-", "sessionid": 1, "sessionversion": 2, "nettype": "IN", "ipver": 4, "address": "1.2.3.4" },
        "s": " ",
        "c": [{ "nettype": "IN", "ipver": 4, "address": "1.2.3.4" }],
        "b": { "bwtype": "AS", "bandwidth": 64 },
        "t": { "start": 0, "stop": 0 },
        "a": { "tool": "x" },
        "m": [{ "media": "audio", "port": 54400, "proto": "RTP/AVP", "payloads": [0, 8, 101],
                "rtpmap": { "101": { "encoding": "telephone-event", "clock": 8000 } },
                "fmtp": { "101": "0-16" }, "ptime": 20, "direction": "sendrecv" }],
    });
    assert_eq!(to_json(&sdp), expected);
    assert_eq!(from_json(&expected), Ok(sdp));
}

#[test]
fn the_library_s_strings_for_numbers_are_taken() {
    let sdp = from_json(&json!({
        "o": { "sessionid": "7", "address": "2001:db8::1" }, "c": { "address": "10.0.0.1" },
        "b": { "bwtype": "AS", "bandwidth": "64" },
        "m": [{ "media": "audio", "port": "9000", "proto": "RTP/AVP", "payloads": ["97"], "direction": "inactive",
                "rtpmap": { "97": { "encoding": "iLBC", "clock": "8000" } }, "unknownkey": null }],
    }))
    .unwrap();
    assert_eq!(
        sdp.to_string(),
        "v=0\r\no=- 7 0 IN IP6 2001:db8::1\r\ns= \r\nc=IN IP4 10.0.0.1\r\nb=AS:64\r\nt=0 0\r\n\
         m=audio 9000 RTP/AVP 97\r\na=inactive\r\na=rtpmap:97 iLBC/8000\r\n"
    );
}

#[test]
fn flags_colons_repeats_and_params_survive() {
    let sdp = parse(
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP6 ::1\r\na=rtpmap:111 opus/48000/2\r\na=fingerprint:sha-256 AA:BB:CC\r\n\
         a=candidate:1 1 UDP 2130706431 10.0.1.1 8998 typ host\r\na=ssrc:5 cname:x\r\na=ssrc:5 msid:y\r\na=rtcp-mux\r\na=mid:0\r\na=framerate:29.97\r\n",
    );
    let json = to_json(&sdp);
    let m = &json["m"][0];
    assert_eq!(m["rtpmap"]["111"], json!({ "encoding": "opus", "clock": 48000, "params": "2" }));
    assert_eq!(m["fingerprint"], "sha-256 AA:BB:CC");
    assert_eq!(m["candidate"], json!(["1 1 UDP 2130706431 10.0.1.1 8998 typ host"]), "an array even of one");
    assert_eq!(m["ssrc"], json!(["5 cname:x", "5 msid:y"]));
    assert_eq!((&m["rtcp-mux"], &m["mid"], &m["framerate"]), (&json!(true), &json!("0"), &json!(29.97)));
    assert_eq!(m["c"][0]["ipver"], 6);
    assert_eq!(m.get("attributeorder"), None);
    assert_eq!(round(&sdp), Ok(sdp));
}

#[test]
fn what_keys_cannot_say_is_verbatim_and_in_order() {
    let sdp = parse(
        "x=y\r\nm=audio 9 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=fmtp:0 x\r\na=rtpmap:8  PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=port:5\r\na=sendonly\r\na=inactive\r\na=:\r\na=fmtp:8 y\r\nt=0 0\r\n",
    );
    let json = to_json(&sdp);
    assert_eq!(json["verbatim"], json!(["x=y"]));
    let m = &json["m"][0];
    assert_eq!(m["direction"], "sendonly");
    assert_eq!(m["verbatim"], json!(["a=rtpmap:8  PCMA/8000", "a=rtpmap:0 PCMU/8000", "a=port:5", "a=inactive", "a=:", "t=0 0"]));
    assert!(m["attributeorder"].is_array());
    assert_eq!(round(&sdp), Ok(sdp));
}

#[test]
fn an_order_that_no_longer_fits_is_a_hint() {
    let mut json = to_json(&parse("m=audio 9 RTP/AVP 0\r\na=x:1\r\na=y:1\r\na=x:2\r\n"));
    json["m"][0]["y"] = json!(null);
    json["m"][0]["x"] = json!(["1"]);
    json["m"][0]["z"] = json!("new");
    let names: Vec<String> = from_json(&json).unwrap().media[0].attributes.0.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["x:1", "z:new"]);
}

#[test]
fn big_numbers_are_strings() {
    let sdp = Sdp::parse("v=0\no=- 9007199254740993 007 IN IP4 1.2.3.4\ns=-\nb=AS:9007199254740993\n").unwrap();
    let json = to_json(&sdp);
    assert_eq!((&json["o"]["sessionid"], &json["o"]["sessionversion"]), (&json!("9007199254740993"), &json!("007")));
    assert_eq!(json["b"]["bandwidth"], "9007199254740993");
    assert_eq!(json["t"], json!([]));
    assert_eq!(round(&sdp), Ok(sdp));
}

#[test]
fn the_wrong_key_is_named() {
    let base = json!({ "o": { "address": "1.2.3.4" }, "m": [{ "media": "audio", "port": 1, "proto": "RTP/AVP", "payloads": [0] }] });
    let cases: [(&str, Value, &str); 14] = [
        ("/o", json!(5), "o"),
        ("/o/address", json!("1.2.3.4\r\ns=x"), "o.address"),
        ("/m/0/port", json!(65536), "m[0].port"),
        ("/m/0/port", json!(true), "m[0].port"),
        ("/m/0/media", json!("au dio"), "m[0].media"),
        ("/m/0/payloads", json!([0, {}]), "m[0].payloads[1]"),
        ("/m/0/rtpmap", json!({ "101": { "encoding": "x" } }), "m[0].rtpmap.101.clock"),
        ("/m/0/rtpmap", json!({ "x": { "encoding": "x", "clock": 1 } }), "m[0].rtpmap.x"),
        ("/m/0/direction", json!("up"), "m[0].direction"),
        ("/m/0/candidate", json!(["ok", "a\nm=audio 1 RTP/AVP 0"]), "m[0].candidate"),
        ("/m/0/verbatim", json!(["m=audio 1 RTP/AVP 0"]), "m[0].verbatim[0]"),
        ("/c", json!([{}]), "c[0].address"),
        ("/t", json!({ "start": 0 }), "t.stop"),
        ("/r", json!({ "interval": 1, "duration": -1 }), "r.duration"),
    ];
    for (pointer, value, key) in cases {
        let mut json = base.clone();
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[last] = value;
        assert_eq!(from_json(&json).unwrap_err().key, key);
    }
    assert!(from_json(&base).is_ok());
    assert_eq!(from_json(&json!(1)).unwrap_err().to_string(), "sdp: object expected");
    assert_eq!(from_json(&json!({})).unwrap_err().to_string(), "sdp.o: object expected");
}

#[test]
fn the_limits_of_the_text_hold_here_too() {
    let m = json!({ "media": "audio", "port": 1, "proto": "RTP/AVP", "payloads": [0] });
    let json = json!({ "o": { "address": "1.2.3.4" }, "m": vec![m; sip::sdp::LIMIT_MEDIA + 1] });
    assert!(from_json(&json).unwrap_err().problem.contains("media sections"));
}

proptest! {
    #[test]
    fn whatever_the_text_says_json_says(
        session in proptest::collection::vec("[iuepbtrzkax]=[ -~]{0,30}|a=[a-c]{1,2}(:[a-c0-9 ]{0,3})?|t=[0-9] [0-9]|r=1d [0-9]|b=AS:[0-9]{1,19}|k=a(:b)?", 0..12),
        media in proptest::collection::vec(
            "m=[a-z]{1,5} [0-9]{1,4}(/[1-9])? RTP/AVP( [0-9]{1,3}| [a-z]{1,3}){0,4}|a=[a-c]{1,2}(:[a-c0-9. ]{0,3})?|a=(rtpmap|fmtp):[0-9]{1,2} [a-z]{0,2}(/[0-9]{1,5})?(/[12])?\
             |a=(ptime|framerate|quality|crypto|ssrc|media|direction|verbatim|sendonly|inactive)(:[0-9.]{1,5})?|[a-z]=[a-z]{0,3}|c=IN IP[46x] [a-z:]{1,4}",
            0..25
        )
    ) {
        let text = format!("v=0\no=- 1 1 IN IP4 1.2.3.4\n{}\nm=audio 1 RTP/AVP 0\n{}", session.join("\n"), media.join("\n"));
        if let Ok(sdp) = Sdp::parse(&text) {
            prop_assert_eq!(round(&sdp), Ok(sdp));
        }
    }

    #[test]
    fn a_string_cannot_make_another_line(text in "[ -~\r\n\0é]{0,20}", field in 0usize..8) {
        let mut json = json!({ "o": { "address": "1.2.3.4" }, "m": [{ "media": "audio", "port": 1, "proto": "RTP/AVP", "payloads": [0] }] });
        let (parent, key) = [("", "s"), ("", "i"), ("", "e"), ("/o", "username"), ("/m/0", "mid"), ("/m/0", "media"), ("/m/0", &*text), ("/m/0", "fmtp")][field];
        json.pointer_mut(parent).unwrap()[key] = if key == "fmtp" { json!({ "0": text }) } else { json!(text) };
        if let Ok(sdp) = from_json(&json) {
            prop_assert_eq!(Sdp::parse(&sdp.to_string()), Ok(sdp));
        }
    }
}
