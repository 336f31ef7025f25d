//! A telephone for call flows of several parties: it lives on a thread of its own and does by itself what a phone does.
//!
//! ```text
//!   test ── invite, hold, refer, press, hang_up ──▶ Handset (its thread: SIP, RTP of each leg) ◀── SIP, RTP ──▶ the switch
//!        ◀── state, status, tones heard, NOTIFY, caller ──
//! ```
//! Shape:  one UDP socket for SIP and an [`RtpPeer`] for each leg; a leg is a dialog, the newest is the last.
//! Units:  tones in Hz, levels in dBov; every wait ends after [`PATIENCE`] with the phone's story.
//! Errors: a panic that tells what was waited for and what happened instead.
//! Source: RFC 3261, 3264 (offers of the switch are answered), 3515 (REFER and its NOTIFY), 3891 (Replaces in Refer-To).
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use perf::phone::Account;
use perf::phone::text::{Text, with_body};
use perf::rtp_peer::{Codec, RtpPeer};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sip::auth::{ClientAuth, Identity};
use sip::sdp::{Direction, Sdp};

use crate::support::PATIENCE;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// A tone of the phones is −15 dBov; half of that is heard, a thousandth is not.
const HEARD_DBOV: f64 = -25.0;
const UNHEARD_DBOV: f64 = -45.0;
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// What is listened to: 200 ms, ten packets.
const LISTEN_SAMPLES: usize = 1600;

/// What the phone does when it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// Rings so long, then answers.
    Answers(Duration),
    /// Rings for ever.
    Rings,
    /// 183 with its tone, then answers after so long.
    Early(Duration),
    /// A final status, with a Contact if there is one.
    Refuses(u16, Option<String>),
}

/// How far a leg has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Calling,
    Ringing,
    Up,
    /// Over, with the status that ended it; 0 is a BYE of theirs, 200 one of ours.
    Over(u16),
}

struct Leg {
    call_id: String,
    us: String,
    them: String,
    target: String,
    cseq: u32,
    ours: bool,
    caller: String,
    state: State,
    statuses: Vec<u16>,
    notified: Vec<u16>,
    rtp: RtpPeer,
    direction: &'static str,
    version: u32,
    /// Theirs, of the last description.
    held: bool,
    moves: u32,
    invite: Option<Text>,
    answer_at: Option<Instant>,
    late: bool,
}

/// A request of ours that waits for its answer, or a 200 that waits for its ACK.
struct Pending {
    call_id: String,
    cseq: (u32, String),
    uri: String,
    more: String,
    body: Option<String>,
    bytes: Vec<u8>,
    next: Instant,
    tried: bool,
}

struct Core {
    account: Account,
    socket: UdpSocket,
    codec: Codec,
    tone_hz: f64,
    rng: ChaCha12Rng,
    serial: u32,
    called: Called,
    legs: Vec<Leg>,
    pending: Vec<Pending>,
    registered: bool,
    /// Headers of the next INVITE.
    more: String,
    story: Vec<String>,
}

/// See the module.
pub struct Handset {
    core: Arc<Mutex<Core>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    pub tone_hz: f64,
    pub user: String,
}

impl Handset {
    /// A phone that lives, and registers if it has a secret.
    pub fn new(account: Account, codec: Codec, tone_hz: f64, called: Called) -> Self {
        Self::at((HERE, 0).into(), account, codec, tone_hz, called)
    }

    /// The same, with its SIP at this address.
    pub fn at(address: SocketAddr, account: Account, codec: Codec, tone_hz: f64, called: Called) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let seed = u64::from(socket.local_addr().unwrap().port()) << 32 | u64::from(std::process::id());
        let (user, registers) = (account.user.clone(), !account.secret.is_empty());
        let core = Core {
            account,
            socket: socket.try_clone().unwrap(),
            codec,
            tone_hz,
            rng: ChaCha12Rng::seed_from_u64(seed),
            serial: 0,
            called,
            legs: Vec::new(),
            pending: Vec::new(),
            registered: false,
            more: String::new(),
            story: Vec::new(),
        };
        let (core, stop) = (Arc::new(Mutex::new(core)), Arc::new(AtomicBool::new(false)));
        let (worked, stopped) = (Arc::clone(&core), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut octets = [0_u8; 8192];
            while !stopped.load(Ordering::Relaxed) {
                let message = socket.recv(&mut octets).ok().and_then(|length| Text::new(&octets[..length]));
                let mut core = worked.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(message) = message {
                    core.take(&message);
                }
                core.tick(Instant::now());
            }
        });
        let handset = Self { core, stop, thread: Some(thread), tone_hz, user };
        if registers {
            handset.core().register();
            handset.wait("the 200 of its REGISTER", |core| core.registered);
        }
        handset
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, what: &str, done: impl Fn(&Core) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            {
                let core = self.core();
                if done(&core) {
                    return;
                }
                assert!(Instant::now() < end, "{}: no {what}\n{}", self.user, core.told());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// SIP address of the phone itself, as a user of no domain.
    pub fn address(&self) -> SocketAddr {
        self.core().socket.local_addr().unwrap()
    }

    /// What it does from now on when it is called.
    pub fn set_called(&self, called: Called) {
        self.core().called = called;
    }

    /// Calls; what comes of it is to be waited for.
    pub fn invite(&self, to: &str) {
        self.core().invite(to, false);
    }

    /// Calls in place of a leg of another phone (RFC 3891), as one that picks up or takes over.
    pub fn take_over(&self, other: &Handset, leg: usize) {
        let (to, replaces) = {
            let core = other.core();
            (core.account.user.clone(), named(&core.legs[leg]))
        };
        let mut core = self.core();
        core.more = format!("Replaces: {replaces}\r\nRequire: replaces\r\n");
        core.invite(&to, false);
        core.more.clear();
    }

    /// Calls without an offer: the switch's comes in the 200, the answer goes in the ACK.
    pub fn invite_late(&self, to: &str) {
        self.core().invite(to, true);
    }

    /// The newest leg is answered.
    pub fn up(&self) {
        self.wait("answered call", |core| core.legs.last().is_some_and(|leg| leg.state == State::Up));
    }

    /// So many legs have come or been made, and the newest is in this state.
    pub fn state(&self, legs: usize, state: State) {
        self.wait(&format!("leg {legs} in state {state:?}"), |core| {
            core.legs.len() == legs && core.legs.last().is_some_and(|leg| leg.state == state)
        });
    }

    /// All legs are over.
    pub fn over(&self) {
        self.wait("end of its calls", |core| !core.legs.is_empty() && core.legs.iter().all(|leg| matches!(leg.state, State::Over(_))));
    }

    /// The newest leg ended with this status.
    pub fn over_with(&self, status: u16) {
        self.wait(&format!("end with {status}"), |core| core.legs.last().is_some_and(|leg| leg.state == State::Over(status)));
    }

    /// The newest leg has seen this provisional status.
    pub fn progress(&self, status: u16) {
        self.wait(&format!("{status}"), |core| core.legs.last().is_some_and(|leg| leg.statuses.contains(&status)));
    }

    /// How many legs there have been.
    pub fn legs(&self) -> usize {
        self.core().legs.len()
    }

    /// Who is shown as the caller of the newest call that came in: every header that says so.
    pub fn caller(&self) -> String {
        self.core().legs.last().map(|leg| leg.caller.clone()).unwrap_or_default()
    }

    /// The newest leg hears exactly these tones.
    pub fn hears(&self, tones: &[f64], silent: &[f64]) {
        let last = self.legs() - 1;
        self.leg_hears(last, tones, silent);
    }

    /// A leg hears exactly these tones of those named.
    pub fn leg_hears(&self, leg: usize, tones: &[f64], silent: &[f64]) {
        let level = |core: &Core, hz: f64| core.legs[leg].rtp.ear.level_dbov(hz, LISTEN_SAMPLES);
        // What was heard before is forgotten: it must be heard now.
        self.core().legs[leg].rtp.ear.clear();
        self.wait(&format!("{tones:?} Hz without {silent:?} Hz on leg {leg}"), |core| {
            tones.iter().all(|&hz| level(core, hz) > HEARD_DBOV) && silent.iter().all(|&hz| level(core, hz) < UNHEARD_DBOV)
        });
    }

    /// The newest leg hears this tone so loud, within 1.5 dB.
    pub fn hears_at(&self, hz: f64, dbov: f64) {
        let last = self.legs() - 1;
        self.core().legs[last].rtp.ear.clear();
        self.wait(&format!("{hz} Hz at {dbov} dBov"), |core| (core.legs[last].rtp.ear.level_dbov(hz, LISTEN_SAMPLES) - dbov).abs() < 1.5);
    }

    /// The newest leg hears nothing of these for a while.
    pub fn hears_none(&self, tones: &[f64]) {
        let last = self.legs() - 1;
        self.core().legs[last].rtp.ear.clear();
        std::thread::sleep(Duration::from_millis(300));
        let core = self.core();
        for &hz in tones {
            let level = core.legs[last].rtp.ear.level_dbov(hz, LISTEN_SAMPLES);
            assert!(level < UNHEARD_DBOV, "{}: {hz} Hz at {level} dBov\n{}", self.user, core.told());
        }
    }

    /// A leg puts the other side on hold, or takes it off.
    pub fn hold(&self, leg: usize, hold: bool) {
        self.core().reinvite(leg, if hold { "sendonly" } else { "sendrecv" });
        self.wait("the answer to its re-INVITE", |core| !core.pending.iter().any(|one| one.call_id == core.legs[leg].call_id));
    }

    /// A leg is told to go elsewhere; with `replaces` to the far end of that leg.
    pub fn refer(&self, leg: usize, to: &str, replaces: Option<usize>) {
        self.core().refer(leg, to, replaces);
    }

    /// A NOTIFY of a leg has told this status of the transfer.
    pub fn notified(&self, leg: usize, status: u16) {
        self.wait(&format!("NOTIFY of {status}"), |core| core.legs[leg].notified.contains(&status));
    }

    /// The switch has moved the media of the newest leg so many times.
    pub fn moved(&self, times: u32) {
        self.wait(&format!("re-INVITE number {times} to another place"), |core| core.legs.last().is_some_and(|leg| leg.moves >= times));
    }

    /// The switch has told the newest leg that it is on hold.
    pub fn held(&self, held: bool) {
        self.wait(&format!("held {held}"), |core| core.legs.last().is_some_and(|leg| leg.held == held));
    }

    /// Presses keys on the newest leg.
    pub fn press(&self, keys: &str) {
        if let Some(leg) = self.core().legs.last_mut() {
            leg.rtp.press(keys);
        }
    }

    /// Answers a call that rings, once it does.
    pub fn pick_up(&self) {
        self.wait("call that rings", |core| core.legs.last().is_some_and(|leg| leg.state == State::Ringing));
        if let Some(leg) = self.core().legs.last_mut() {
            leg.answer_at = Some(Instant::now());
        }
    }

    /// Hangs up the newest leg, whatever its state.
    pub fn hang_up(&self) {
        let last = self.legs() - 1;
        self.hang_up_leg(last);
    }

    /// Hangs up a leg.
    pub fn hang_up_leg(&self, leg: usize) {
        self.core().hang_up(leg);
        self.wait("end of its leg", |core| matches!(core.legs[leg].state, State::Over(_)));
    }

    /// What happened, for a message.
    pub fn story(&self) -> String {
        self.core().told()
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the thread of {} has failed", self.user);
        }
    }
}

impl Core {
    fn told(&self) -> String {
        let levels: Vec<String> =
            self.legs.iter().map(|leg| format!("{:?} hears {:?}, {:?}", leg.state, leg.rtp.ear.tone(), leg.rtp.counts)).collect();
        format!("{}\n{}", self.story.join("\n"), levels.join("\n"))
    }

    fn tell(&mut self, what: impl std::fmt::Display) {
        self.story.push(format!("  {} {what}", self.account.user));
    }

    fn token(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}-{}-{}-{}", std::process::id(), self.socket.local_addr().unwrap().port(), self.serial)
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.account.user, self.socket.local_addr().unwrap())
    }

    fn aor(&self) -> String {
        format!("<sip:{}@{}>", self.account.user, self.account.domain)
    }

    fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_to(bytes, self.account.server);
    }

    // --- requests of ours ---------------------------------------------------------------------------------------------------

    fn register(&mut self) {
        let (uri, aor) = (format!("sip:{}", self.account.domain), self.aor());
        let from = format!("{aor};tag={}", self.token("t"));
        let call_id = self.token("reg");
        let more = format!("Contact: {}\r\nExpires: 600\r\n", self.contact());
        self.request("REGISTER", &uri, &from, &aor, &call_id, 1, more, None);
    }

    fn invite(&mut self, to: &str, late: bool) {
        let uri = format!("sip:{to}@{}", self.account.domain);
        let us = format!("{};tag={}", self.aor(), self.token("t"));
        let (them, call_id) = (format!("<{uri}>"), self.token("call"));
        let mut leg = self.leg(call_id.clone(), us.clone(), them.clone(), uri.clone(), true);
        leg.late = late;
        let body = (!late).then(|| description(&leg));
        self.legs.push(leg);
        let more = format!("Contact: {}\r\n{}", self.contact(), self.more);
        self.request("INVITE", &uri, &us, &them, &call_id, 1, more, body);
    }

    fn reinvite(&mut self, at: usize, direction: &'static str) {
        let more = format!("Contact: {}\r\n", self.contact());
        let leg = &mut self.legs[at];
        leg.direction = direction;
        leg.version += 1;
        let body = description(leg);
        self.within("INVITE", at, more, Some(body));
    }

    fn refer(&mut self, leg: usize, to: &str, replaces: Option<usize>) {
        let mut uri = format!("sip:{to}@{}", self.account.domain);
        if let Some(other) = replaces {
            uri.push_str(&format!("?Replaces={}", named(&self.legs[other]).replace(';', "%3B").replace('=', "%3D")));
        }
        let more = format!("Contact: {}\r\nRefer-To: <{uri}>\r\nReferred-By: {}\r\n", self.contact(), self.aor());
        self.within("REFER", leg, more, None);
    }

    fn hang_up(&mut self, at: usize) {
        let leg = &self.legs[at];
        match (leg.state, leg.ours) {
            (State::Up, _) => self.within("BYE", at, String::new(), None),
            (State::Calling | State::Ringing, true) => {
                // RFC 3261 §9.1: the CANCEL repeats what the INVITE was, its branch above all.
                let id = leg.call_id.clone();
                let Some(invite) = self.pending.iter().find(|one| one.call_id == id) else { return };
                let text = String::from_utf8_lossy(&invite.bytes).into_owned();
                let head = text.split("\r\n\r\n").next().unwrap_or_default();
                let kept = head
                    .lines()
                    .filter(|line| !line.starts_with("Content-") && !line.starts_with("Contact") && !line.starts_with("Authorization"));
                let cancel = kept
                    .map(|line| line.replacen("INVITE sip", "CANCEL sip", 1).replace(" INVITE", " CANCEL"))
                    .collect::<Vec<_>>()
                    .join("\r\n");
                self.send(format!("{cancel}\r\nContent-Length: 0\r\n\r\n").as_bytes());
                self.tell("sends CANCEL");
            }
            (State::Calling | State::Ringing, false) => {
                if let Some(invite) = leg.invite.clone() {
                    let tag = leg.us.split("tag=").nth(1).unwrap_or_default().to_owned();
                    self.respond(&invite, 486, "Busy Here", &tag, None, "");
                    self.legs[at].state = State::Over(486);
                }
            }
            (State::Over(_), _) => {}
        }
    }

    /// A request in the dialog of a leg.
    fn within(&mut self, method: &str, at: usize, more: String, body: Option<String>) {
        let leg = &mut self.legs[at];
        leg.cseq += 1;
        let (uri, us, them, call_id, cseq) = (leg.target.clone(), leg.us.clone(), leg.them.clone(), leg.call_id.clone(), leg.cseq);
        self.request(method, &uri, &us, &them, &call_id, cseq, more, body);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one message, named at the call")]
    fn request(&mut self, method: &str, uri: &str, from: &str, to: &str, call_id: &str, cseq: u32, more: String, body: Option<String>) {
        let (local, branch) = (self.socket.local_addr().unwrap(), self.token("z9hG4bK"));
        let head = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{more}User-Agent: handset\r\n"
        );
        let bytes = with_body(head, body.as_deref());
        self.tell(format!("sends {method} {uri} ({cseq})"));
        if method == "ACK" {
            self.send(&bytes);
            return;
        }
        self.pending.push(Pending {
            call_id: call_id.to_owned(),
            cseq: (cseq, method.to_owned()),
            uri: uri.to_owned(),
            more,
            body,
            bytes,
            next: Instant::now(),
            tried: false,
        });
        self.tick(Instant::now());
    }

    fn leg(&self, call_id: String, us: String, them: String, target: String, ours: bool) -> Leg {
        Leg {
            call_id,
            us,
            them,
            target,
            cseq: 1,
            ours,
            caller: String::new(),
            state: State::Calling,
            statuses: Vec::new(),
            notified: Vec::new(),
            rtp: RtpPeer::bind(HERE, self.codec, self.tone_hz).unwrap(),
            direction: "sendrecv",
            version: 1,
            held: false,
            moves: 0,
            invite: None,
            answer_at: None,
            late: false,
        }
    }

    /// Media of all legs, repetitions, and answers that are due.
    fn tick(&mut self, now: Instant) {
        for leg in &mut self.legs {
            leg.rtp.step(now);
        }
        for at in 0..self.pending.len() {
            if now >= self.pending[at].next {
                self.pending[at].next = now + T1;
                self.send(&self.pending[at].bytes);
            }
        }
        for at in 0..self.legs.len() {
            if self.legs[at].state == State::Ringing && self.legs[at].answer_at.is_some_and(|when| now >= when) {
                self.legs[at].answer_at = None;
                self.answer(at);
            }
        }
    }

    // --- what comes -----------------------------------------------------------------------------------------------------------

    fn take(&mut self, message: &Text) {
        match (message.method(), message.status()) {
            (Some(method), _) => {
                let method = method.to_owned();
                if method != "OPTIONS" {
                    self.tell(format!("gets {method} ({})", message.cseq().0));
                }
                self.asked(&method, message);
            }
            (None, Some(status)) => self.answered(status, message),
            (None, None) => {}
        }
    }

    fn asked(&mut self, method: &str, message: &Text) {
        let at = self.legs.iter().position(|leg| leg.call_id == message.header("Call-ID"));
        match (method, at) {
            ("INVITE", None) => self.called(message),
            ("INVITE", Some(at)) if self.legs[at].state == State::Up => self.reinvited(at, message),
            // A repetition: the answer is on its way.
            ("INVITE", Some(_)) => {}
            ("ACK", Some(at)) => self.acked(at, message),
            ("BYE", Some(at)) => {
                self.respond(message, 200, "OK", "", None, "");
                self.end(at, 0);
            }
            ("CANCEL", Some(at)) => {
                self.respond(message, 200, "OK", "", None, "");
                let tag = self.legs[at].us.split("tag=").nth(1).unwrap_or_default().to_owned();
                if let Some(invite) = self.legs[at].invite.take() {
                    self.respond(&invite, 487, "Request Terminated", &tag, None, "");
                }
                self.end(at, 487);
            }
            ("NOTIFY", Some(at)) => {
                let status = message.body().strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or_default();
                self.legs[at].notified.push(status);
                self.tell(format!("is notified {status}"));
                self.respond(message, 200, "OK", "", None, "");
            }
            (_, None) if method != "OPTIONS" && method != "ACK" => {
                self.respond(message, 481, "Call/Transaction Does Not Exist", "gone", None, "");
            }
            ("ACK", None) => {}
            _ => self.respond(message, 200, "OK", "pong", None, ""),
        }
    }

    fn called(&mut self, invite: &Text) {
        let tag = self.token("t");
        let us = format!("{};tag={tag}", invite.header("To"));
        let target = invite.uri("Contact").unwrap_or_default().to_owned();
        let mut leg = self.leg(invite.header("Call-ID").to_owned(), us, invite.header("From").to_owned(), target, false);
        leg.caller = ["From", "P-Asserted-Identity", "Remote-Party-ID"].map(|name| invite.header(name)).join(" ");
        leg.invite = Some(invite.clone());
        leg.late = invite.body().is_empty();
        match self.called.clone() {
            Called::Refuses(status, contact) => {
                let more = contact.map(|uri| format!("Contact: <{uri}>\r\n")).unwrap_or_default();
                self.respond(invite, status, "Refused", &tag, None, &more);
                leg.state = State::Over(status);
                self.legs.push(leg);
            }
            Called::Early(after) => {
                let body = description(&leg);
                leg.state = State::Ringing;
                leg.answer_at = Some(Instant::now() + after);
                hear(&mut leg, invite.body());
                self.legs.push(leg);
                self.respond(invite, 183, "Session Progress", &tag, Some(&body), "");
            }
            how => {
                leg.state = State::Ringing;
                if let Called::Answers(after) = how {
                    leg.answer_at = Some(Instant::now() + after);
                }
                self.legs.push(leg);
                self.respond(invite, 180, "Ringing", &tag, None, "");
            }
        }
    }

    /// 200 to the INVITE of a leg, repeated until its ACK (RFC 3261 §13.3.1.4).
    fn answer(&mut self, at: usize) {
        let Some(invite) = self.legs[at].invite.take() else { return };
        let tag = self.legs[at].us.split("tag=").nth(1).unwrap_or_default().to_owned();
        if !self.legs[at].late {
            hear(&mut self.legs[at], invite.body());
        }
        self.legs[at].state = State::Up;
        let body = description(&self.legs[at]);
        self.accept(&invite, &tag, &body);
    }

    fn reinvited(&mut self, at: usize, invite: &Text) {
        let leg = &mut self.legs[at];
        leg.late = invite.body().is_empty();
        if !leg.late {
            hear(leg, invite.body());
            leg.direction = match (leg.held, leg.direction) {
                (true, _) => "recvonly",
                (false, "recvonly") => "sendrecv",
                (false, kept) => kept,
            };
        }
        leg.version += 1;
        let body = description(leg);
        self.accept(invite, "", &body);
    }

    fn accept(&mut self, invite: &Text, tag: &str, body: &str) {
        let bytes = self.response(invite, 200, "OK", tag, Some(body), "");
        let (call_id, number) = (invite.header("Call-ID").to_owned(), invite.cseq().0);
        let cseq = (number, "ACK".to_owned());
        if !self.pending.iter().any(|one| one.call_id == call_id && one.cseq == cseq) {
            self.pending.push(Pending {
                call_id,
                cseq,
                uri: String::new(),
                more: String::new(),
                body: None,
                bytes,
                next: Instant::now(),
                tried: true,
            });
        }
    }

    fn acked(&mut self, at: usize, ack: &Text) {
        let (call_id, cseq) = (ack.header("Call-ID").to_owned(), (ack.cseq().0, "ACK".to_owned()));
        self.pending.retain(|one| one.call_id != call_id || one.cseq != cseq);
        if std::mem::take(&mut self.legs[at].late) && !ack.body().is_empty() {
            hear(&mut self.legs[at], ack.body());
        }
    }

    fn answered(&mut self, status: u16, message: &Text) {
        let (number, method) = message.cseq();
        let method = method.to_owned();
        let call_id = message.header("Call-ID").to_owned();
        let Some(which) = self.pending.iter().position(|one| one.call_id == call_id && one.cseq == (number, method.clone())) else {
            // A 200 again: its ACK was lost.
            return;
        };
        let leg = self.legs.iter().position(|leg| leg.call_id == call_id);
        self.tell(format!("is answered {status} to {method} ({number})"));
        if status < 200 {
            self.pending[which].next = Instant::now() + PATIENCE * 2;
            if let Some(at) = leg {
                self.legs[at].statuses.push(status);
                if !message.body().is_empty() {
                    hear(&mut self.legs[at], message.body());
                }
                if status >= 180 && self.legs[at].state == State::Calling {
                    self.legs[at].state = State::Ringing;
                }
            }
            return;
        }
        let sent = self.pending.remove(which);
        if method == "INVITE" && status >= 300 {
            self.ack_failure(&sent, message);
        }
        if status == 401 && !sent.tried {
            self.again(&sent, message, leg);
            return;
        }
        match (method.as_str(), leg) {
            ("REGISTER", _) => self.registered = status == 200,
            ("INVITE", Some(at)) if status < 300 => self.established(at, number, message),
            ("INVITE", Some(at)) if self.legs[at].state != State::Up => self.end(at, status),
            ("BYE", Some(at)) => self.end(at, 200),
            _ => {}
        }
    }

    fn ack_failure(&self, sent: &Pending, answer: &Text) {
        let text = String::from_utf8_lossy(&sent.bytes).into_owned();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        let head = format!(
            "ACK {} SIP/2.0\r\n{}\r\nMax-Forwards: 70\r\n{}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\n",
            sent.uri,
            line("Via:"),
            line("From:"),
            answer.header("To"),
            sent.call_id,
            sent.cseq.0
        );
        self.send(&with_body(head, None));
    }

    /// The same request with an answer to the challenge.
    fn again(&mut self, sent: &Pending, answer: &Text, leg: Option<usize>) {
        let identity = Identity { username: self.account.user.clone(), secret: self.account.secret.clone() };
        let mut auth = ClientAuth::new(identity, false, answer.headers("WWW-Authenticate")).unwrap();
        let authorization = format!("{}: {}\r\n", auth.header(), auth.answer(&sent.cseq.1, &sent.uri, &mut self.rng));
        let text = String::from_utf8_lossy(&sent.bytes).into_owned();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let cseq = sent.cseq.0 + 1;
        if let Some(at) = leg {
            self.legs[at].cseq = cseq;
        }
        let more = format!("{}{authorization}", sent.more);
        self.request(
            &sent.cseq.1.clone(),
            &sent.uri.clone(),
            &value("From: "),
            &value("To: "),
            &sent.call_id.clone(),
            cseq,
            more,
            sent.body.clone(),
        );
        if let Some(last) = self.pending.last_mut() {
            last.tried = true;
        }
    }

    fn established(&mut self, at: usize, number: u32, answer: &Text) {
        let leg = &mut self.legs[at];
        answer.header("To").clone_into(&mut leg.them);
        if let Some(target) = answer.uri("Contact") {
            target.clone_into(&mut leg.target);
        }
        hear(leg, answer.body());
        leg.state = State::Up;
        let body = std::mem::take(&mut leg.late).then(|| description(leg));
        let (uri, us, them, call_id) = (leg.target.clone(), leg.us.clone(), leg.them.clone(), leg.call_id.clone());
        self.request("ACK", &uri, &us, &them, &call_id, number, String::new(), body);
    }

    fn end(&mut self, at: usize, status: u16) {
        let leg = &mut self.legs[at];
        if !matches!(leg.state, State::Over(_)) {
            leg.state = State::Over(status);
        }
        leg.rtp.set_remote(None);
        let id = leg.call_id.clone();
        self.pending.retain(|one| one.call_id != id);
    }

    fn respond(&self, request: &Text, status: u16, phrase: &str, tag: &str, body: Option<&str>, more: &str) {
        let bytes = self.response(request, status, phrase, tag, body, more);
        self.send(&bytes);
    }

    fn response(&self, request: &Text, status: u16, phrase: &str, tag: &str, body: Option<&str>, more: &str) -> Vec<u8> {
        let mut head = format!("SIP/2.0 {status} {phrase}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in request.headers(name) {
                let tag = if name == "To" && !tag.is_empty() && !value.contains("tag=") { format!(";tag={tag}") } else { String::new() };
                head.push_str(&format!("{name}: {value}{tag}\r\n"));
            }
        }
        if more.is_empty() {
            head.push_str(&format!("Contact: {}\r\n", self.contact()));
        }
        head.push_str(more);
        with_body(head, body)
    }
}

/// A leg as Replaces names it to the switch.
fn named(leg: &Leg) -> String {
    let tag = |text: &str| text.split("tag=").nth(1).unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
    format!("{};to-tag={};from-tag={}", leg.call_id, tag(&leg.them), tag(&leg.us))
}

/// The description of a leg, with digits (RFC 4733).
fn description(leg: &Leg) -> String {
    let local = leg.rtp.local_addr().unwrap();
    let (ip, port, codec) = (local.ip(), local.port(), leg.rtp.codec());
    let (payload, name) = (codec.payload_type(), codec.name());
    format!(
        "v=0\r\no=- {port} {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {payload} 101\r\n\
         a=rtpmap:{payload} {name}/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na={}\r\n",
        leg.version, leg.direction
    )
}

/// Sends media to where a description says, and takes note of hold.
fn hear(leg: &mut Leg, body: &str) {
    let Ok(sdp) = Sdp::parse(body) else { return };
    let Some(media) = sdp.first_audio() else { return };
    let direction = sdp.direction(media);
    leg.held = matches!(direction, Direction::SendOnly | Direction::Inactive);
    let remote = sdp.media_ip(media).map(|ip| SocketAddr::new(ip, media.port));
    if leg.rtp.remote() != remote {
        leg.moves += 1;
        leg.rtp.set_remote(remote);
    }
}
