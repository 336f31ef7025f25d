//! What a transaction costs, counted by the allocator: at most 2 KiB while it lives, nothing per retransmission, nothing
//! after its end. And a dialog within its 8 KiB.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy only exempts functions marked #[test]")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sip::dialog::Dialog;
use sip::flow::{Flow, ListenerId, Transport};
use sip::message::{Message, Method, StatusCode, parse};
use sip::transaction::{Incoming, Layer, LayerOutput, Limits, StartError, Timing};

/// The system's allocator, counting calls and live bytes of this thread.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    CALLS.with(|calls| calls.set(calls.get() + 1));
    LIVE_BYTES.with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to `System` unchanged; the counters are thread-local cells without destructor or allocation.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TRANSACTIONS: usize = 10_000;

fn flow() -> Flow {
    Flow { listener: ListenerId(0), peer: "192.0.2.9:5060".parse().unwrap(), transport: Transport::Udp }
}

/// An INVITE with a usual session description: 840 bytes.
fn invite(branch: &str) -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns= \r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 9 8 0 101\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\na=ptime:20\r\n";
    let pad = "x".repeat(300);
    format!(
        "INVITE sip:bob@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\nMax-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a6c85cf\r\nTo: <sip:bob@example.com>\r\nCall-ID: {branch}@192.0.2.1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:192.0.2.1:5060>\r\nX-Usual-Rest: {pad}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

/// Messages sent, and bytes of them.
fn drain(layer: &mut Layer<u32>) -> usize {
    let mut sent = 0;
    loop {
        match layer.poll_output() {
            LayerOutput::Transmit { .. } => sent += 1,
            LayerOutput::Event { .. } => {}
            LayerOutput::Wait(_) => return sent,
        }
    }
}

#[test]
fn a_transaction_takes_2_kib_and_a_retransmission_nothing() {
    let mut clock = sim::Clock::new();
    let mut layer: Layer<u32> = Layer::new(Limits::default(), Timing::default(), [1; 32], clock.now());
    let before = LIVE_BYTES.get();
    for user in 0..TRANSACTIONS as u32 {
        let branch = layer.branch();
        let started: Result<_, StartError> = layer.request(Method::Invite, &branch, invite(branch.as_str()), flow(), user, clock.now());
        started.unwrap();
        drain(&mut layer);
    }
    let each = (LIVE_BYTES.get() - before) / TRANSACTIONS as i64;
    let message = layer.bytes() / TRANSACTIONS;
    println!("{each} bytes a transaction, {message} of them its message");
    assert!(message > 800 && each <= 2048, "{each} bytes each, {message} of them the message");
    // The first repeat of all may still make room in the list of those with output.
    layer.handle_timeout(clock.advance(Timing::default().t1));
    assert_eq!(drain(&mut layer), TRANSACTIONS);
    let calls = CALLS.get();
    let mut repeats = 0;
    for _ in 0..31 {
        layer.handle_timeout(clock.advance(2 * Timing::default().t1));
        repeats += drain(&mut layer);
    }
    assert_eq!((repeats, CALLS.get() - calls), (5 * TRANSACTIONS, 0), "repeats, allocations");
    layer.handle_timeout(clock.advance(2 * Timing::default().t1));
    drain(&mut layer);
    assert_eq!((layer.len(), layer.bytes()), (0, 0));
}

#[test]
fn an_answered_register_keeps_its_response_and_little_else_until_timer_j() {
    const RESPONSE: usize = 400;
    let mut clock = sim::Clock::new();
    let mut layer: Layer<u32> = Layer::new(Limits::default(), Timing::default(), [1; 32], clock.now());
    let before = LIVE_BYTES.get();
    for n in 0..TRANSACTIONS {
        let bytes = String::from_utf8(invite(&format!("z9hG4bK{n}"))).unwrap().replace("INVITE", "REGISTER").into_bytes();
        let Ok(Message::Request(request)) = parse(&bytes) else { panic!("not a request") };
        let Incoming::New { request: new, .. } = layer.handle_request(&(&request).into(), clock.now()) else { panic!("not new") };
        let id = layer.accept(new, flow(), 0).unwrap();
        layer.respond(id, StatusCode::OK, vec![b' '; RESPONSE], clock.now());
        assert_eq!(drain(&mut layer), 1);
    }
    let each = (LIVE_BYTES.get() - before) / TRANSACTIONS as i64;
    println!("{each} bytes an answered request, {RESPONSE} of them its response");
    assert_eq!((layer.len(), layer.bytes()), (TRANSACTIONS, TRANSACTIONS * RESPONSE));
    // The sum at `Limits`.
    assert!(each <= (2 * (96 + 21) + RESPONSE) as i64, "{each}");
    layer.handle_timeout(clock.advance(64 * Timing::default().t1));
    assert_eq!((drain(&mut layer), layer.len(), layer.bytes()), (0, 0, 0));
}

#[test]
fn a_repeated_request_is_answered_without_an_allocation() {
    let clock = sim::Clock::new();
    let mut layer: Layer<u32> = Layer::new(Limits::default(), Timing::default(), [1; 32], clock.now());
    let bytes = invite("z9hG4bKrepeat");
    let Ok(Message::Request(request)) = parse(&bytes) else { panic!("not a request") };
    let Incoming::New { request: new, .. } = layer.handle_request(&(&request).into(), clock.now()) else { panic!("not new") };
    let id = layer.accept(new, flow(), 0).unwrap();
    layer.respond(id, StatusCode::RINGING, b"SIP/2.0 180 Ringing\r\n\r\n".to_vec(), clock.now());
    drain(&mut layer);
    let calls = CALLS.get();
    for _ in 0..1000 {
        let Ok(Message::Request(request)) = parse(&bytes) else { panic!("not a request") };
        assert_eq!(layer.handle_request(&(&request).into(), clock.now()), Incoming::Repeat);
        assert_eq!(drain(&mut layer), 1);
    }
    assert_eq!(CALLS.get() - calls, 0);
}

#[test]
fn a_dialog_takes_less_than_8_kib() {
    let bytes = invite("z9hG4bKdialog");
    let Ok(Message::Request(request)) = parse(&bytes) else { panic!("not a request") };
    let before = LIVE_BYTES.get();
    let dialog = Box::new(Dialog::uas(&request, "b1", "<sip:192.0.2.1:5060>").unwrap());
    let bytes = LIVE_BYTES.get() - before;
    drop(dialog);
    assert_eq!(LIVE_BYTES.get(), before);
    println!("{bytes} bytes a dialog");
    assert!(bytes <= 1024, "{bytes}");
}
