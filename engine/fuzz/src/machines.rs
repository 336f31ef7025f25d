//! What must hold for any bytes, per machine. Each function panics if it does not.
//!
//! ```text
//!   bytes ─► dialog(message)   transactions(operations)
//! ```
//! Shape:  plain functions of bytes; `engine/sip/tests` includes this file, so that tests and fuzzer ask the same.
//! Units:  none; time is that of `sim`.
//! Errors: none; a panic is the finding.
//! Run:    `RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir engine/fuzz transactions`.

use std::time::{Duration, Instant};

use sip::dialog::{Dialog, Heard, Hop, Invitation};
use sip::flow::{Flow, ListenerId, Transport};
use sip::message::{HeaderName, Host, Message, Method, StatusCode, Uri, parse};
use sip::token::Tokens;
use sip::transaction::{Incoming, Layer, LayerOutput, Limits, RequestHead, ResponseHead, Timing};

/// A message that makes a dialog: what we then send in it can be written and read, and belongs to the same dialog.
pub fn dialog(bytes: &[u8]) {
    let Ok(parsed) = parse(bytes) else { return };
    let branch = Tokens::new([1; 32]).branch();
    let hop = Hop { transport: Transport::Udp, sent_by: "192.0.2.1:5060".parse().expect("an address"), branch: &branch };
    match &parsed {
        Message::Request(request) => {
            let Ok(mut dialog) = Dialog::uas(request, "ours", "<sip:192.0.2.1:5060>") else { return };
            dialog_speaks(&mut dialog, &hop, request.from().tag);
            dialog.refresh_target(request.headers());
            dialog_speaks(&mut dialog, &hop, request.from().tag);
        }
        Message::Response(response) => {
            let own = (response.call_id().to_owned(), response.from().tag.unwrap_or("ours").to_owned());
            let mut invitation =
                Invitation::new(own.0, own.1, "<sip:a@example.com>", "<sip:b@example.com>", "sip:b@192.0.2.9", "<sip:a@192.0.2.1>");
            for _ in 0..2 {
                match invitation.handle_response(response) {
                    Ok(Heard::Early(dialog) | Heard::Answered(dialog) | Heard::Repeated(dialog)) => {
                        dialog_speaks(dialog, &hop, response.to().tag);
                    }
                    Ok(Heard::Surplus(mut dialog)) => dialog_speaks(&mut dialog, &hop, response.to().tag),
                    Ok(Heard::NoDialog) | Err(_) => {}
                }
            }
        }
    }
}

fn dialog_speaks(dialog: &mut Dialog, hop: &Hop<'_>, their_tag: Option<&str>) {
    let mut out = Vec::new();
    let number = dialog.local_cseq() + 1;
    if dialog.request(&mut out, Method::Bye, hop).end().is_err() {
        assert!(out.is_empty(), "a failed write leaves nothing");
        return;
    }
    let Ok(Message::Request(bye)) = parse(&out) else { panic!("a request of ours cannot be read") };
    assert_eq!((bye.call_id(), bye.cseq().number), (dialog.call_id(), number));
    assert_eq!((bye.from().tag, bye.to().tag), (Some(dialog.local_tag()), their_tag));
    assert!(bye.headers().addresses(HeaderName::Route).all(|route| route.is_ok()), "a route of ours can be read");
    assert!(Uri::parse(dialog.next_hop()).is_ok(), "the next hop can be resolved");
}

/// Any sequence of operations on the transactions of a shard: they stay within their limits, and when time has passed
/// nothing is left.
pub fn transactions(bytes: &[u8]) {
    const LIMIT: usize = 16;
    let mut clock = sim::Clock::new();
    let mut layer: Layer<u8> = Layer::new(Limits { transactions: LIMIT, bytes: 64 << 10 }, Timing::default(), [7; 32], clock.now());
    let flow = |reliable: bool| Flow {
        listener: ListenerId(0),
        peer: "192.0.2.9:5060".parse().expect("an address"),
        transport: if reliable { Transport::Tcp } else { Transport::Udp },
    };
    let methods = [Method::Invite, Method::Ack, Method::Cancel, Method::Bye];
    let codes = [100, 180, 200, 302, 486, 503].map(|code| StatusCode::new(code).expect("a status"));
    let (mut branches, mut ids) = (vec![layer.branch()], Vec::new());
    for step in bytes.chunks_exact(2) {
        let &[operation, what] = step else { continue };
        let pick = usize::from(what);
        let (method, code) = (methods[pick % methods.len()], codes[pick % codes.len()]);
        let branch = branches[pick % branches.len()];
        let id = ids.get(pick % ids.len().max(1)).copied();
        match operation % 9 {
            0 if branches.len() < 64 => branches.push(layer.branch()),
            1 if method != Method::Ack => {
                let text = "INVITE sip:b SIP/2.0\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
                let started = layer.request(method, &branch, text.into(), flow(what & 1 == 1), what, clock.now());
                if let Ok(id) = started
                    && what & 2 == 2
                {
                    layer.otherwise(id, flow(what & 1 == 0), text.into());
                }
                ids.extend(started);
            }
            2 => {
                let head = RequestHead {
                    method,
                    uri: "sip:b",
                    host: Host::Name("a"),
                    port: None,
                    branch: (what != 0).then_some(branch.as_str()),
                    from_tag: None,
                    to_tag: None,
                    call_id: "c",
                    cseq: 1,
                };
                if let Incoming::New { request, .. } = layer.handle_request(&head, clock.now()) {
                    ids.extend(layer.accept(request, flow(what & 1 == 1), what));
                }
            }
            3 => drop(layer.handle_response(&ResponseHead { status: code, branch: Some(branch.as_str()), method, to: "b" }, clock.now())),
            4 => drop(id.map(|id| layer.respond(id, code, vec![b'x'; pick + 1], clock.now()))),
            5 => drop(id.map(|id| layer.cancel(id, clock.now()))),
            6 => drop(id.map(|id| layer.repeat_2xx(id))),
            7 => layer.handle_transport_failed(flow(what & 1 == 1), clock.now()),
            _ => {
                layer.handle_timeout(clock.advance(Duration::from_millis(u64::from(what) * 50)));
            }
        }
        drain(&mut layer);
        assert!(layer.len() <= LIMIT, "{} transactions", layer.len());
    }
    for id in ids {
        layer.respond(id, StatusCode::OK, b"x".to_vec(), clock.now());
        layer.cancel(id, clock.now());
    }
    let mut wakes = 0;
    while let Some(at) = drain(&mut layer) {
        wakes += 1;
        assert!(wakes < 10_000, "timers without end");
        layer.handle_timeout(clock.advance_to(at));
    }
    assert_eq!((layer.len(), layer.bytes()), (0, 0), "nothing is left");
}

fn drain(layer: &mut Layer<u8>) -> Option<Instant> {
    loop {
        match layer.poll_output() {
            LayerOutput::Transmit { bytes, .. } => assert!(!bytes.is_empty(), "an empty message"),
            LayerOutput::Event { .. } => {}
            LayerOutput::Wait(at) => return at,
        }
    }
}
