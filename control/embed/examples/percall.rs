//! Calls of the default script as the SIP and RTP parts tell them, for counting instructions: each calls another extension, is
//! answered, mixed, and hung up by the caller when so many newer ones stand.
//!
//! ```text
//!   valgrind --tool=callgrind --toggle-collect='*Driver*slice*' target/release/examples/percall 100
//!   the same with 300: the difference of the two totals / 200 is one call, and what starts and ends the program is not in it
//! ```
//! Shape:  one executor; HTTP goes through memory; the stand-ins answer at once, so nothing depends on time.
//! Units:  instructions, by whoever counts them; turns, events and commands a call are printed.
//! Errors: a panic that says what is wrong.
//! Source: `control-http/src/json/snapshot.rs` and `channel.rs`, whose texts these are.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool that says what is wrong by ending")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use control_embed::{ControlEngine, Limits, Options, Peer, Script};
use control_http::client::{Client, ClientConfig, Outgoing, Url};
use control_http::resolve::Resolver;
use control_http::server::{Handler, ServerConfig, ServerStats, serve};
use control_http::wire::{Method, Request, Response};
use rt::{Latch, Notify, TcpListener};

/// Calls that stand at a time: what a switch with 200 new ones a second has after half a second.
const STANDING: usize = 100;
const JSON: &str = "application/json";
const SILENT: &str = "require('projectcontrol').times.health = 1e9;";

/// Both servers.
struct World {
    client: Client,
    us: Cell<u16>,
    events: Cell<u64>,
    commands: Cell<u64>,
    channels: Cell<u64>,
    /// By Call-ID: our description, the number of events so far, and whether it was answered.
    calls: RefCell<BTreeMap<String, Leg>>,
    /// By name of a channel: its `id`, events so far, and whom it is mixed with.
    open: RefCell<BTreeMap<String, Channel>>,
    stirred: Notify,
}

#[derive(Clone, Default)]
struct Leg {
    us: String,
    seq: u64,
    ring: bool,
    answered: bool,
}

#[derive(Clone, Default)]
struct Channel {
    id: String,
    seq: u64,
    mixed: String,
}

struct Door(Rc<World>);

impl Handler for Door {
    async fn handle(&self, request: Request) -> Response {
        let world = &self.0;
        let parts: Vec<&str> = request.path.segments().collect();
        let body = String::from_utf8(request.body.clone()).unwrap();
        if request.method == Method::Get || parts.first() == Some(&"dir") {
            return Response::with_body(200, JSON, r#"{"status":"ready","channels":[],"calls":[]}"#);
        }
        world.commands.set(world.commands.get() + 1);
        match (request.method, parts.as_slice()) {
            (Method::Post, ["channel"]) => world.open(&body),
            (Method::Put, ["channel", uuid, "mix", other]) => world.mix(uuid, other),
            (Method::Delete, ["channel", uuid]) => world.close(uuid),
            (Method::Put, ["channel", _]) => Response::with_body(200, JSON, "{}"),
            (Method::Post, ["dialog", "invite"]) => world.invite(&body),
            (Method::Put, ["dialog", action]) => world.act(action, &body),
            other => panic!("unexpected: {other:?}"),
        }
    }
}

impl World {
    fn open(self: &Rc<Self>, body: &str) -> Response {
        let number = self.channels.get() + 1;
        self.channels.set(number);
        let (uuid, port) = (format!("7b1d4f0e-83a2-4c55-9d6b-{number:012}"), 10_000 + number % 20_000 * 2);
        let channel = Channel { id: field(body, "id"), ..Channel::default() };
        self.open.borrow_mut().insert(uuid.clone(), channel);
        let tick = r#"{"budgetus":1000,"meanus":20,"p99us":90,"maxus":300,"latep99us":70,"late":0,"missed":0}"#;
        let load = format!(
            r#"{{"cores":[{{"core":1,"channels":{number},"tick":{tick},"headroom":0.93}}],"headroom":0.93,"transcodes":0,"maxtranscodes":0,"accepting":true}}"#
        );
        let text = format!(
            r#"{{"uuid":"{uuid}","channel":"{uuid}","ip":"127.0.0.1","port":{port},"channels":{{"active":{number},"available":9000}},"load":{load}}}"#
        );
        Response::with_body(200, JSON, text)
    }

    fn mix(self: &Rc<Self>, uuid: &str, other: &str) -> Response {
        for (one, with) in [(uuid, other), (other, uuid)] {
            self.open.borrow_mut().get_mut(one).unwrap().mixed = with.to_owned();
            self.channel(one, r#""mix","event":"start""#);
        }
        Response::with_body(200, JSON, "{}")
    }

    fn close(self: &Rc<Self>, uuid: &str) -> Response {
        let figures = concat!(
            r#""in":{"count":50,"bytes":8600,"lost":0,"late":0,"duplicate":0,"reordered":0,"badsource":0,"jitterms":0.2,"bufferms":40,"concealed":0,"mos":4.4},"#,
            r#""out":{"count":50,"bytes":8600,"skipped":0},"rtcp":{"rttms":null,"remotelost":null,"remotejitterms":null,"remotelosspercent":null,"#,
            r#""remotediscardpercent":null,"remoteburstms":null,"remotemos":null,"goodbye":false},"codec":{"in":"pcmu","out":"pcmu"},"#,
            r#""tick":{"meanus":3,"maxus":30,"count":1000},"remote":{"ip":"127.0.0.1","port":20000,"latched":false}"#
        );
        let mixed = self.open.borrow().get(uuid).unwrap().mixed.clone();
        if self.open.borrow().contains_key(&mixed) {
            self.channel(&mixed, r#""mix","event":"end""#);
        }
        self.channel(uuid, &format!(r#""close","reason":"requested","stats":{{{figures}}}"#));
        self.open.borrow_mut().remove(uuid);
        self.stirred.notify();
        Response::with_body(200, JSON, format!(r#"{{"uuid":"{uuid}","channels":{{"active":1,"available":9000}},{figures}}}"#))
    }

    /// Tells an event of a channel.
    fn channel(self: &Rc<Self>, uuid: &str, what: &str) {
        let mut open = self.open.borrow_mut();
        let channel = open.get_mut(uuid).unwrap();
        channel.seq += 1;
        let text = format!(r#"{{"action":{what},"uuid":"{uuid}","id":"{}","seq":{}}}"#, channel.id, channel.seq);
        let (world, path) = (Rc::clone(self), format!("/channel/{uuid}"));
        drop(rt::spawn_local(async move { world.put(&path, text).await }));
    }

    fn invite(self: &Rc<Self>, body: &str) -> Response {
        let number = self.calls.borrow().len() / 2;
        let callid = callid(number, true);
        self.calls.borrow_mut().insert(callid.clone(), Leg { us: sdp(body), ..Leg::default() });
        let text = format!(r#"{{"callid":"{callid}"}}"#);
        let world = Rc::clone(self);
        let flow = async move {
            world.tell(&callid, "new", "").await;
            world.tell(&callid, "ringing", "").await;
        };
        drop(rt::spawn_local(flow));
        Response::with_body(200, JSON, text)
    }

    fn act(self: &Rc<Self>, action: &str, body: &str) -> Response {
        let (callid, world) = (field(body, "callid"), Rc::clone(self));
        if action == "answer" {
            self.calls.borrow_mut().get_mut(&callid).unwrap().us = sdp(body);
        }
        let event = match action {
            "ring" => "ringing",
            "answer" => "answered",
            "hangup" => "hangup",
            other => panic!("unexpected: {other}"),
        };
        let flow = async move {
            world.tell(&callid, event, "").await;
            if event == "ringing" {
                world.tell(&callid.replace("caller", "callee"), "answered", "").await;
            }
            world.stirred.notify();
        };
        drop(rt::spawn_local(flow));
        Response::with_body(200, JSON, "{}")
    }

    /// Tells an event of a call.
    async fn tell(&self, callid: &str, event: &str, status: &str) {
        let (is_out, them) = (callid.starts_with("callee"), description(20_000 + callid.len() as u64));
        let leg = {
            let mut calls = self.calls.borrow_mut();
            let leg = calls.get_mut(callid).unwrap();
            leg.seq += 1;
            leg.ring |= event == "ringing";
            leg.answered |= event == "answered";
            leg.clone()
        };
        let Leg { us, seq, ring, answered } = leg;
        let them = if is_out && !answered { "{}".to_owned() } else { them };
        let us = if us.is_empty() { "{}" } else { &us };
        let hangup = event == "hangup";
        let epochs = |unit: u64| {
            let of = |is: bool, at: u64| if is { at / unit } else { 0 };
            let (start, ring, answer, end) =
                (of(true, START_MS), of(ring, START_MS + 60), of(answered, START_MS + 120), of(hangup, START_MS + 1120));
            format!(r#"{{"start":{start},"ring":{ring},"answer":{answer},"end":{end}}}"#)
        };
        let text = format!(
            concat!(
                r#"{{"callid":"{}","domain":"bench.example","to":"1001","from":"1000","contact":"<sip:1000@127.0.0.1:40000>","maxforwards":70,"#,
                r#""authenticated":{},"ring":{},"answered":{},"hold":false,"originator":{},"hangup":{},"error":{{"code":0,"status":"{}"}},"#,
                r#""remote":{{"host":"127.0.0.1","port":40000}},"epochs":{},"seq":{},"event":"{}","uuid":"5d0c8a9e-1f2b-4c3d-8e4f-0a1b2c3d4e5f","#,
                r#""agent":"bench","callerid":{{"number":"1000","name":"1000","private":false}},"headers":{{}},"transport":"udp","epochsms":{},"#,
                r#""sdp":{{"them":{},"us":{}}}}}"#
            ),
            callid,
            !is_out,
            ring,
            answered,
            is_out,
            hangup,
            status,
            epochs(1000),
            seq,
            event,
            epochs(1),
            them,
            us
        );
        self.put(&format!("/dialog/{callid}"), text).await;
    }

    async fn put(&self, path: &str, text: String) {
        self.events.set(self.events.get() + 1);
        let url = Url::parse(&format!("http://127.0.0.1:{}{path}", self.us.get())).unwrap();
        let answer = self.client.request(&Outgoing::json(Method::Put, &url, text.as_bytes())).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {text}");
        self.stirred.notify();
    }

    async fn until(&self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.stirred.notified().await;
        }
    }
}

const START_MS: u64 = 1_795_000_000_123;

fn callid(number: usize, is_out: bool) -> String {
    format!("{}-{number:06}-4f0e83a24c559d6b@127.0.0.1", if is_out { "callee" } else { "caller" })
}

/// What the phones of `mediaswitch bench calls` say.
fn description(port: u64) -> String {
    format!(
        concat!(
            r#"{{"v":0,"o":{{"username":"-","sessionid":{port},"sessionversion":1,"nettype":"IN","ipver":4,"address":"127.0.0.1"}},"s":"-","#,
            r#""c":[{{"nettype":"IN","ipver":4,"address":"127.0.0.1"}}],"t":{{"start":0,"stop":0}},"m":[{{"media":"audio","port":{port},"proto":"RTP/AVP","#,
            r#""payloads":[0],"direction":"sendrecv","ptime":20,"rtpmap":{{"0":{{"encoding":"PCMU","clock":8000}}}}}}]}}"#
        ),
        port = port
    )
}

/// The value of a field that is a string.
fn field(body: &str, name: &str) -> String {
    let at = body.find(&format!(r#""{name}":""#)).unwrap() + name.len() + 4;
    body[at..].split('"').next().unwrap().to_owned()
}

/// The description at the end of a body.
fn sdp(body: &str) -> String {
    let (_, rest) = body.split_once(r#""sdp":"#).unwrap();
    rest[..rest.len() - 1].to_owned()
}

async fn listening(door: Door) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().port();
    drop(rt::spawn_local(serve(listener, Rc::new(door), ServerConfig::default(), Rc::new(ServerStats::default()), Latch::new())));
    port
}

fn main() {
    let calls: usize = std::env::args().nth(1).map_or(300, |count| count.parse().unwrap());
    let run = async {
        let world = Rc::new(World {
            client: Client::new(ClientConfig::default(), Rc::new(Resolver::default())),
            us: Cell::new(0),
            events: Cell::new(0),
            commands: Cell::new(0),
            channels: Cell::new(0),
            calls: RefCell::default(),
            open: RefCell::default(),
            stirred: Notify::new(),
        });
        let servers = Peer::local(listening(Door(Rc::clone(&world))).await);
        let source = format!("{SILENT}{}", include_str!("../../examples/extensions.js"));
        let script = Script::Text { name: "extensions.js".into(), source };
        let us = free_port();
        world.us.set(us);
        let environment = vec![("MEDIASWITCH_DOMAIN".into(), "bench.example".into()), ("MEDIASWITCH_USERS".into(), "1000:x,1001:x".into())];
        let options = Options {
            us: Peer::local(us),
            sip: vec![servers.clone()],
            rtp: vec![servers],
            environment,
            // As slow as it is under a counter of instructions.
            limits: Limits { turn: Duration::from_secs(60), start: Duration::from_secs(60), ..Limits::default() },
            ..Options::new(script)
        };
        let engine = ControlEngine::start(options).await.unwrap();
        let mut standing = VecDeque::new();
        for number in 0..calls + STANDING {
            if number < calls {
                let callid = callid(number, false);
                world.calls.borrow_mut().insert(callid.clone(), Leg::default());
                let events = world.events.get();
                world.tell(&callid, "new", "").await;
                // Four of its legs, two of its channels, and the answer.
                world.until(|world| world.events.get() == events + 8).await;
                standing.push_back(callid);
            }
            if number + 1 == calls {
                let (bytes, (objects, taken)) = (engine.status().memory_bytes, engine.collect());
                println!("a collection among {STANDING} calls, {} KiB: {objects} objects freed, {taken:?}", bytes >> 10);
            }
            if number >= STANDING
                && let Some(callid) = standing.pop_front()
            {
                let open = world.open.borrow().len();
                world.tell(&callid, "hangup", "").await;
                world.until(|world| world.open.borrow().len() + 2 == open).await;
            }
        }
        let each = |count: u64| count as f64 / calls as f64;
        let status = engine.status();
        println!(
            "{calls} calls, of each: {:.1} turns, {:.1} events, {:.1} commands; heap {} KiB",
            each(status.turns),
            each(world.events.get()),
            each(world.commands.get()),
            status.memory_bytes >> 10
        );
        engine.stop().await;
    };
    rt::run(&rt::Config::default(), run).unwrap();
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
