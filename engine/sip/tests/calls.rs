//! Two switches call each other over a bad network, for hundreds of seeds: scripts ring, show early media, change it, answer,
//! hold, transfer, redirect, hang up and stay silent at random; session timers refresh. Every call ends on both sides, every end is
//! told once and last, snapshots are numbered without a gap, and neither a call nor a transaction nor a timer is left. What the
//! caller's side took for answered the other did answer, and of a call that rested both sides knew the same descriptions.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and tell; clippy only exempts functions marked #[test]")]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sim::{Datagram, LinkProfile, Node, SimRng, World};
use sip::api::{Action, Command, CommandError, ControlUrl, Event, EventKind, Originate, Party, Reply, Secret, Snapshot, UserEntry};
use sip::endpoint::{self, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::sdp::Sdp;

const CALLS: u64 = 8;
/// Longest call of these tests, so that those which nobody ends end in time.
const DURATION_MAX: Duration = Duration::from_secs(120);
/// Set-up 180 s, call 120 s, then what the wire needs.
const LIMIT: Duration = Duration::from_secs(900);
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn sdp(direction: &str) -> Sdp {
    Sdp::parse(&format!("{SDP}a={direction}\r\n")).unwrap()
}

/// What a script does to a call, and when.
#[derive(Debug, Clone)]
enum Task {
    Call,
    Act(String, Box<Action>),
}

/// What control has heard of a call.
#[derive(Debug, Clone)]
struct Heard {
    seq: u64,
    answered: bool,
    over: bool,
    originator: bool,
    /// Description of this side, then that of the other.
    sdp: [Option<String>; 2],
    /// When it, or what the script made of it, last changed; when it was heard of last.
    changed: Instant,
    heard_at: Instant,
}

/// A change that is under way this long is over, one way or the other: 64 × T1, and a turn for the script.
const RESTED: Duration = Duration::from_secs(40);

struct Switch {
    endpoint: Endpoint,
    address: SocketAddr,
    peer: SocketAddr,
    rng: SimRng,
    tasks: BTreeMap<(Instant, u64), Task>,
    task_count: u64,
    calls: HashMap<String, Heard>,
    /// Methods that it sent.
    methods: BTreeSet<String>,
    out: VecDeque<Datagram>,
    deadline: Option<Instant>,
}

impl Switch {
    fn new(address: &str, peer: &str, seed: u64, now: Instant) -> Self {
        let (address, peer): (SocketAddr, SocketAddr) = (address.parse().unwrap(), peer.parse().unwrap());
        let config = EndpointConfig {
            listeners: vec![Listener { advertised: address, transport: Transport::Udp }],
            call_duration_max: DURATION_MAX,
            early_timeout: DURATION_MAX,
            session_expires: Duration::from_secs(90),
            ..EndpointConfig::default()
        };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        key[8] = address.ip().to_string().bytes().last().unwrap();
        let mut endpoint = Endpoint::new(config, key, now, 1_700_000_000_000);
        let users = ["1000", "1001"].map(|name| UserEntry { username: name.into(), secret: Secret::Clear("pw".into()) }).to_vec();
        let domain = address.ip().to_string();
        endpoint.command(Command::DirReplace { domain, control: Some(ControlUrl("http://c".into())), users, policy: None }, now).unwrap();
        let rng = SimRng::new(seed * 2 + u64::from(address.port()));
        let (tasks, calls, out) = (BTreeMap::new(), HashMap::new(), VecDeque::new());
        let mut switch = Self { endpoint, address, peer, rng, tasks, task_count: 0, calls, methods: BTreeSet::new(), out, deadline: None };
        for _ in 0..CALLS {
            let after = switch.rng.duration(Duration::from_secs(30));
            switch.plan(now + after, Task::Call);
        }
        switch
    }

    fn plan(&mut self, at: Instant, task: Task) {
        self.task_count += 1;
        self.tasks.insert((at, self.task_count), task);
    }

    fn soon(&mut self, now: Instant, within_s: u64, callid: &str, action: Action) {
        let after = self.rng.duration(Duration::from_secs(within_s));
        self.plan(now + after, Task::Act(callid.to_owned(), Box::new(action)));
    }

    fn run(&mut self, task: Task, now: Instant) {
        match task {
            Task::Call => {
                let domain = Some(self.peer.ip().to_string());
                let secret = if self.rng.chance(900) { "pw" } else { "wrong" };
                let from = Party { user: "1000".into(), domain: domain.clone(), authsecret: Some(secret.into()), authuser: None };
                let to = Party { user: "1001".into(), domain: Some(self.peer.to_string()), ..Party::default() };
                let wish = Originate {
                    from,
                    to,
                    domain,
                    callerid: None,
                    maxforwards: 70,
                    control: Some(ControlUrl("http://c".into())),
                    sdp: self.rng.chance(800).then(|| sdp("sendrecv")),
                    headers: vec![],
                    autoanswer: false,
                    idempotency: None,
                    follow: false,
                    trunks: Vec::new(),
                };
                let reply = self.endpoint.command(Command::Originate(Box::new(wish)), now).unwrap();
                assert!(matches!(reply, Reply::Originated(_)));
            }
            Task::Act(callid, action) => {
                let over = self.calls.get(&callid).is_some_and(|heard| heard.over);
                if let Some(heard) = self.calls.get_mut(&callid) {
                    heard.changed = now;
                }
                let result = self.endpoint.command(Command::Act { callid, action: action.clone() }, now);
                match result {
                    // A late offer cannot be answered early if the far end takes no reliable responses.
                    Ok(_) | Err(CommandError::WrongState(_) | CommandError::Impossible(_)) => {}
                    Err(CommandError::NotFound(_)) => assert!(over, "{action:?}: an unknown call that nobody said is over"),
                    Err(other) => panic!("{action:?}: {other}"),
                }
            }
        }
    }

    /// What the script does when it hears of something.
    fn heard(&mut self, shot: &Snapshot, now: Instant) {
        let heard = self.calls.entry(shot.callid.clone()).or_insert_with(|| Heard {
            seq: 0,
            answered: false,
            over: false,
            originator: shot.originator,
            sdp: [None, None],
            changed: now,
            heard_at: now,
        });
        assert!(!heard.over, "an event after the end: {shot:?}");
        assert_eq!(shot.seq, heard.seq + 1, "a gap before {shot:?}");
        assert_eq!(shot.seq == 1, shot.event == EventKind::New, "{shot:?}");
        assert!(!heard.answered || shot.answered, "no way back: {shot:?}");
        let newly_answered = shot.answered && !heard.answered;
        let described = [&shot.sdp_us, &shot.sdp_them].map(|sdp| sdp.as_ref().map(ToString::to_string));
        // The last one only tells what an answer of ours has changed since.
        let changed = if shot.hangup { heard.changed } else { now };
        let Heard { originator, .. } = *heard;
        *heard = Heard { seq: shot.seq, answered: shot.answered, over: shot.hangup, originator, sdp: described, changed, heard_at: now };
        assert_eq!(shot.hangup, shot.event == EventKind::Hangup);
        let id = shot.callid.clone();
        let bye = |reason: &str| Action::Hangup { reason: Some(reason.into()), code: None, headers: vec![] };
        match shot.event {
            EventKind::New if shot.originator => {
                if self.rng.chance(200) {
                    self.soon(now, 10, &id, bye("changed my mind"));
                }
            }
            EventKind::New => match self.rng.below(10) {
                0 | 1 => {}
                2 => self.soon(now, 3, &id, bye("busy")),
                3 => self.soon(now, 3, &id, Action::Redirect { contacts: vec!["sip:elsewhere@192.0.2.1".into()] }),
                _ => {
                    self.soon(now, 2, &id, Action::Ring { alertinfo: None, sdp: None });
                    if self.rng.chance(500) {
                        // Reliable, for the other switch can take it; then either side may change it before the answer.
                        self.soon(now, 3, &id, Action::Progress { sdp: sdp("sendrecv") });
                        self.soon(now, 6, &id, Action::Update { sdp: Some(sdp("sendonly")) });
                    }
                    self.soon(now, 8, &id, Action::Answer { sdp: Some(sdp("sendrecv")) });
                }
            },
            EventKind::Hold | EventKind::Unhold | EventKind::Reinvite => {
                if self.rng.chance(800) {
                    self.soon(now, 2, &id, Action::Ok { sdp: Some(sdp("sendrecv")) });
                }
            }
            EventKind::Progress if shot.originator && shot.sdp_us.is_none() && shot.sdp_them.is_some() => {
                self.soon(now, 1, &id, Action::Ack { sdp: sdp("sendrecv") });
            }
            EventKind::Progress if self.rng.chance(300) => self.soon(now, 4, &id, Action::Update { sdp: Some(sdp("inactive")) }),
            EventKind::Refer if shot.refer.is_some() => {
                self.soon(now, 2, &id, Action::Notify { status: 180 });
                if self.rng.chance(700) {
                    self.soon(now, 8, &id, Action::Notify { status: 200 });
                }
            }
            EventKind::Ringing | EventKind::Progress | EventKind::Answered | EventKind::Refer | EventKind::Dtmf | EventKind::Hangup => {}
        }
        if newly_answered && !shot.hangup {
            if shot.originator && shot.sdp_us.is_none() && self.rng.chance(900) {
                self.soon(now, 1, &id, Action::Ack { sdp: sdp("sendrecv") });
            }
            for _ in 0..self.rng.below(4) {
                let direction = ["sendonly", "sendrecv", "inactive"][usize::try_from(self.rng.below(3)).unwrap()];
                self.soon(now, 40, &id, Action::Invite { sdp: Some(sdp(direction)) });
            }
            if self.rng.chance(200) {
                self.soon(now, 40, &id, Action::Update { sdp: Some(sdp("sendrecv")) });
                self.soon(now, 40, &id, Action::Refer { to: "1002".into(), replaces: None });
                self.soon(now, 40, &id, Action::Info { contenttype: "application/dtmf".into(), body: "5".into() });
            }
            if self.rng.chance(700) {
                self.soon(now, 60, &id, bye("done"));
            }
        }
    }
}

impl Node for Switch {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, datagram: Datagram, now: Instant) {
        let datagram = endpoint::Datagram { listener: ListenerId(0), from: datagram.from, bytes: &datagram.bytes };
        self.endpoint.handle_datagram(datagram, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((&key, _)) = self.tasks.first_key_value().filter(|((at, _), _)| *at <= now) {
            let task = self.tasks.remove(&key).unwrap();
            self.run(task, now);
        }
        self.endpoint.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { to, bytes, .. } => {
                    let method: String = bytes.iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_uppercase).collect();
                    self.methods.insert(method);
                    self.out.push_back(Datagram { from: self.address, to, bytes });
                }
                Output::Event(Event::Dialog { snapshot, .. }) => self.heard(&snapshot, now),
                Output::Event(Event::Registration { .. } | Event::Message { .. }) | Output::Resolve { .. } => {
                    panic!("nobody registers, no names here")
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return self.out.pop_front();
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let task = self.tasks.first_key_value().map(|((at, _), _)| *at);
        [self.deadline, task].into_iter().flatten().min()
    }
}

fn gauge(endpoint: &mut Endpoint, name: &str, now: Instant) -> u64 {
    let Ok(Reply::Status(status)) = endpoint.command(Command::Status, now) else { panic!() };
    status.into_iter().find(|(gauge, _)| *gauge == name).unwrap().1
}

/// Whether both sides knew the same of a call; `None` where it ended before it had rested.
fn agree(one: &Heard, other: &Heard) -> Option<bool> {
    let rested = one.heard_at.min(other.heard_at).saturating_duration_since(one.changed.max(other.changed));
    let [us, them] = &one.sdp;
    (one.answered && other.answered && rested >= RESTED).then(|| [them, us] == [&other.sdp[0], &other.sdp[1]])
}

/// What two switches made of their calls.
#[derive(Default)]
struct Played {
    /// Calls that each side saw answered.
    answered: [u64; 2],
    /// Calls that rested, and of which both sides knew the same.
    agreed: u64,
    /// Methods that both used.
    methods: BTreeSet<String>,
}

fn play(seed: u64, profile: LinkProfile) -> Played {
    let mut world = World::new(profile, seed);
    let mut a = Switch::new("10.0.0.1:5060", "10.0.0.2:5061", seed, world.now());
    let mut b = Switch::new("10.0.0.2:5061", "10.0.0.1:5060", seed, world.now());
    assert!(world.run_until_idle(&mut [&mut a, &mut b], LIMIT), "not at rest after {LIMIT:?}");
    assert_eq!(world.unroutable(), 0);
    for switch in [&mut a, &mut b] {
        let open: Vec<_> = switch.calls.iter().filter(|(_, heard)| !heard.over).collect();
        assert!(open.is_empty(), "{}: not told to be over: {open:?}", switch.address);
        assert!(switch.endpoint.is_idle());
        for gauge_name in ["calls", "transactions", "transactionbytes", "unwritable"] {
            assert_eq!(gauge(&mut switch.endpoint, gauge_name, world.now()), 0, "{gauge_name} of {}", switch.address);
        }
        let made = switch.calls.len() as u64;
        assert_eq!(gauge(&mut switch.endpoint, "callstotal", world.now()), made);
    }
    let mut agreed = 0;
    for (callid, heard) in &a.calls {
        let Some(other) = b.calls.get(callid) else { continue };
        let (caller, called) = if heard.originator { (heard, other) } else { (other, heard) };
        assert!(called.answered || !caller.answered, "{callid}: answered by nobody");
        if let Some(same) = agree(heard, other) {
            assert!(same, "{callid}: {heard:#?}\n{other:#?}");
            agreed += 1;
        }
    }
    let answered = [&a, &b].map(|switch| switch.calls.values().filter(|heard| heard.answered).count() as u64);
    Played { answered, agreed, methods: &a.methods | &b.methods }
}

#[test]
fn every_call_ends_on_both_sides_over_a_bad_network() {
    sim::seeds("calls over loss", 100, |seed| {
        let profile = LinkProfile::random(&mut SimRng::new(seed), 300);
        play(seed, profile);
    });
}

#[test]
fn every_call_ends_at_five_percent_loss() {
    let (mut calls, mut answered, mut agreed, mut seeds) = (0, 0, 0, 0);
    sim::seeds("calls at five percent loss", 1000, |seed| {
        let base = LinkProfile::random(&mut SimRng::new(seed), 0);
        let profile = LinkProfile { loss_permille: 50, duplicate_permille: 50, reorder_permille: 50, ..base };
        let played = play(seed, profile);
        (calls, answered, seeds) = (calls + 2 * CALLS, answered + played.answered.iter().sum::<u64>(), seeds + 1);
        agreed += played.agreed;
    });
    println!("{seeds} seeds, {calls} calls made, {answered} ends of calls answered, {agreed} compared, nothing left");
    assert!(agreed > 0 || seeds < 20);
}

#[test]
fn without_loss_both_sides_count_the_same_answers() {
    let (mut used, mut compared) = (BTreeSet::new(), 0);
    sim::seeds("calls without loss", 30, |seed| {
        let profile = LinkProfile { delay: Duration::from_millis(20), ..LinkProfile::default() };
        let Played { answered: [a, b], agreed, methods } = play(seed, profile);
        assert!(a == b && a > 0, "{a} and {b} calls answered");
        compared += agreed;
        used.extend(methods);
    });
    let wanted = ["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY"];
    assert!(std::env::var_os("SIM_SEED").is_some() || wanted.iter().all(|method| used.contains(*method)), "{used:?}");
    assert!(std::env::var_os("SIM_SEED").is_some() || compared > 0);
}

#[test]
fn every_call_ends_when_the_network_goes_away() {
    sim::seeds("calls and a cut", 30, |seed| {
        let mut world = World::new(LinkProfile { delay: Duration::from_millis(20), ..LinkProfile::default() }, seed);
        let mut a = Switch::new("10.0.0.1:5060", "10.0.0.2:5061", seed, world.now());
        let mut b = Switch::new("10.0.0.2:5061", "10.0.0.1:5060", seed, world.now());
        let cut = SimRng::new(seed).duration(Duration::from_secs(60));
        world.run_for(&mut [&mut a, &mut b], cut);
        world.set_profile(&LinkProfile { loss_permille: 1000, ..LinkProfile::default() });
        assert!(world.run_until_idle(&mut [&mut a, &mut b], LIMIT), "not at rest after {LIMIT:?}");
        for switch in [&mut a, &mut b] {
            assert!(switch.calls.values().all(|heard| heard.over) && switch.endpoint.is_idle());
            assert_eq!(gauge(&mut switch.endpoint, "transactions", world.now()), 0);
        }
    });
}
