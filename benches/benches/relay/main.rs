//! CPU per packet through a bridge, relayed and transcoded: our media shard beside bare recv/send loops, in one run, by turns.
//!
//! ```text
//! CPU a: 20 phone sockets, 50 packets a millisecond ──► 1000 RTP ports ──► CPU b: ring and machine, or a bare loop
//!         each phone hears what its channel's partner was told ◄────────────────────────┘
//! ```
//! Shape:  `cargo bench -p benches --bench relay [-- [VARIANT …] --channels N --seconds S --rounds R]`. Each round plays every
//!         variant once, in another order; the table gives the median and the range over the rounds.
//! Units:  microseconds of the media thread's CPU time, kernel included, per packet that came back; delay as the phones see it, from the
//!         n-th packet told to the n-th heard (so only where none is lost), up to 1 ms of which is their own pace. All speak, with
//!         speech of `testfiles/vectors`.
//! Variants: `relay` is `engine::media` with `rtp::media` as in production: source check, statistics, header rewrite, RTCP. `pcma`,
//!         `l16`, `g722` and `ilbc` are the same with PCMU on one side of each bridge and that codec on the other.
//!         `epoll` waits 1 ms, then does one recvfrom and sendto per ready socket. `polled` tries each socket once per 20 ms
//!         without asking which is ready: the least that plain calls can cost, at 10 ms of delay. Neither looks at a packet.
//! Peers:  `rtpengine`, `rtpengine-pcma` and `rtpengine-g722`, where it is installed: user space, one worker, CPU of all its threads.
//! Errors: a refused socket or channel ends the program; lost packets are told.

#![allow(unsafe_code, clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod bare;
mod traffic;

use self::traffic::Traffic;
use engine::{
    media::{Answer, Interface, MediaShard, Request, Served, Setup},
    mesh::{Caller, pair},
    node::rtp::News,
    os::{datagrams::set_receive_buffer, limits, sched},
    ring::{PortPool, RingConfig},
};
use perf::{
    bench::{
        peers::rtpengine::{self, RtpEngine},
        usage::Usage,
    },
    load::Codec,
};
use rt::Latch;
use rtp::{
    api::{ChannelId, Command, Encoding, Open, Payload, Reply, Target},
    media::{Config, Media, Start},
};
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Phones send by turns, so that each channel hears one packet per 20 ms.
const PHONES: usize = 20;
/// Frames of the speech that each phone tells over and over, each from another place on.
const FRAMES: usize = 200;
const SLOT: Duration = Duration::from_millis(1);

/// What the odd channels speak; the even ones speak PCMU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Other {
    name: &'static str,
    number: u8,
    encoding: Option<(&'static str, u32)>,
    fmtp: Option<&'static str>,
    octets: usize,
}

const OTHERS: [Other; 5] = [
    Other { name: "relay", number: 0, encoding: None, fmtp: None, octets: 160 },
    Other { name: "pcma", number: 8, encoding: None, fmtp: None, octets: 160 },
    Other { name: "l16", number: 96, encoding: Some(("L16", 8000)), fmtp: None, octets: 320 },
    Other { name: "g722", number: 9, encoding: None, fmtp: None, octets: 160 },
    Other { name: "ilbc", number: 97, encoding: Some(("iLBC", 8000)), fmtp: Some("mode=20"), octets: 38 },
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Shard(Other),
    Epoll,
    Polled,
    RtpEngine(Other),
}

impl Other {
    fn payload(self) -> Payload {
        let encoding = self.encoding.map(|(name, clock_rate_hz)| Encoding { name: name.to_owned(), clock_rate_hz, channels: 1 });
        Payload { number: self.number, encoding, fmtp: self.fmtp.map(str::to_owned) }
    }
}

impl Variant {
    const ALL: [Self; 10] = {
        let [relay, pcma, l16, g722, ilbc] = OTHERS;
        [
            Self::Epoll,
            Self::Polled,
            Self::Shard(relay),
            Self::Shard(pcma),
            Self::Shard(l16),
            Self::Shard(g722),
            Self::Shard(ilbc),
            Self::RtpEngine(relay),
            Self::RtpEngine(pcma),
            Self::RtpEngine(g722),
        ]
    };

    const fn name(self) -> &'static str {
        match self {
            Self::Shard(other) => other.name,
            Self::Epoll => "epoll",
            Self::Polled => "polled",
            Self::RtpEngine(other) => match other.number {
                8 => "rtpengine-pcma",
                9 => "rtpengine-g722",
                _ => "rtpengine",
            },
        }
    }

    /// What the odd channels' phones send.
    const fn other(self) -> Other {
        match self {
            Self::Shard(other) | Self::RtpEngine(other) => other,
            Self::Epoll | Self::Polled => OTHERS[0],
        }
    }
}

#[derive(Clone, Copy)]
struct Plan {
    channels: usize,
    seconds: f64,
    rounds: usize,
    /// Only these variants and the bare loops.
    only: [bool; OTHERS.len()],
    /// There is an rtpengine to measure beside.
    rtpengine: bool,
}

impl Plan {
    fn variants(self) -> impl Iterator<Item = Variant> {
        let named = move |other: Other| {
            self.only == [false; OTHERS.len()] || OTHERS.iter().zip(self.only).any(|(one, named)| named && *one == other)
        };
        Variant::ALL.into_iter().filter(move |variant| match variant {
            Variant::Shard(other) => named(*other),
            Variant::RtpEngine(other) => self.rtpengine && named(*other),
            Variant::Epoll | Variant::Polled => true,
        })
    }
}

/// What one turn of one variant cost.
#[derive(Clone, Copy)]
struct Turn {
    cpu_us: f64,
    /// Slots of ours that began a millisecond late or more, or were left out.
    late: u64,
    core: f64,
    lost: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn main() {
    sched::register_membarrier();
    limits::raise_nofile();
    let plan = read_arguments();
    let cpus = engine::shard::allowed_cpus();
    let (ours, theirs) = (cpus[cpus.len() - 1], cpus[0]);
    pin(theirs);
    let mut turns: Vec<(Variant, Turn)> = Vec::new();
    // The phones must keep time too.
    let fifo = sched::set_fifo(9).is_ok();
    println!(
        "{} channels x 50 packets/s, {} s a turn, {} rounds; media on CPU {ours}, phones on CPU {theirs}, SCHED_FIFO {}",
        plan.channels,
        plan.seconds,
        plan.rounds,
        if fifo { "10" } else { "refused" },
    );
    for round in 0..plan.rounds {
        let variants: Vec<Variant> = plan.variants().collect();
        for n in 0..variants.len() {
            let variant = variants[(n + round) % variants.len()];
            let turn = play(variant, plan, ours);
            println!(
                "round {} {:14} {:5.2} us/packet, core {:4.1} %, lost {:.3} %, delay p50 {:.2} p99 {:.2} ms, {} slots late",
                round + 1,
                variant.name(),
                turn.cpu_us,
                100.0 * turn.core,
                100.0 * turn.lost,
                turn.p50_ms,
                turn.p99_ms,
                turn.late,
            );
            turns.push((variant, turn));
        }
    }
    println!("\nvariant         us/packet: median (least to most)   beside epoll                beside polled");
    let of = |wanted| turns.iter().filter(move |(variant, _)| *variant == wanted).map(|(_, turn)| turn.cpu_us);
    for variant in plan.variants() {
        let [least, median, most] = spread(of(variant));
        print!("{:14}  {median:5.2} ({least:5.2} to {most:5.2})          ", variant.name());
        for base in [Variant::Epoll, Variant::Polled] {
            // Round by round: what disturbs one round disturbs all its turns.
            let [least, median, most] = spread(of(variant).zip(of(base)).map(|(this, bare)| this / bare));
            print!("   {median:.2} ({least:.2} to {most:.2})     ");
        }
        println!();
    }
}

fn read_arguments() -> Plan {
    let arguments: Vec<String> = std::env::args().collect();
    let value =
        |name: &str| arguments.iter().position(|a| a == name).and_then(|n| arguments.get(n + 1)).and_then(|v| v.parse::<f64>().ok());
    let plan = if arguments.iter().any(|a| a == "--bench") {
        Plan { channels: 1000, seconds: 3.0, rounds: 5, only: [false; OTHERS.len()], rtpengine: rtpengine::is_installed() }
    } else {
        // `cargo test` only wants to see it run.
        Plan { channels: 40, seconds: 0.1, rounds: 1, only: OTHERS.map(|other| other.name == "g722"), rtpengine: false }
    };
    let named = OTHERS.map(|other| arguments.iter().any(|argument| argument == other.name));
    let only = if named.contains(&true) { named } else { plan.only };
    Plan {
        channels: value("--channels").map_or(plan.channels, |n| n as usize).next_multiple_of(2 * PHONES),
        seconds: value("--seconds").unwrap_or(plan.seconds),
        rounds: value("--rounds").map_or(plan.rounds, |n| n as usize),
        only,
        rtpengine: plan.rtpengine,
    }
}

fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

/// A loopback address that no other process uses.
fn own_loopback() -> IpAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    IpAddr::from([127, a + 1, b, c])
}

fn pin(cpu: usize) {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
}

/// The media thread as the phones see it.
struct MediaThread {
    ports: Vec<u16>,
    /// Its directory in /proc.
    task: PathBuf,
    phase: Arc<AtomicU8>,
    late: mpsc::Receiver<u64>,
    thread: thread::JoinHandle<()>,
}

/// What carries the packets of a turn.
enum MediaServer {
    Here(MediaThread),
    There(RtpEngine),
}

impl MediaServer {
    /// Starts it with a bridge for each two far ends; the port of each channel.
    fn start(variant: Variant, far_ends: Vec<SocketAddr>, on: usize) -> (Self, Vec<u16>) {
        let Variant::RtpEngine(other) = variant else {
            let media = MediaThread::start(variant, far_ends, on);
            let ports = media.ports.clone();
            return (Self::Here(media), ports);
        };
        let mut engine = RtpEngine::start(own_loopback(), on).expect("installed");
        let codec = match other.number {
            8 => Codec::Pcma,
            9 => Codec::G722,
            _ => Codec::Pcmu,
        };
        let bridges = far_ends.chunks(2).enumerate();
        let ports = bridges.flat_map(|(n, two)| engine.bridge(n, (two[0], Codec::Pcmu), (two[1], codec), 20).expect("a bridge"));
        let ports = ports.map(|at| at.port()).collect();
        (Self::There(engine), ports)
    }

    /// CPU time so far. Asks nobody, so that phones need not wait for the answer while the clock runs.
    fn used(&self) -> Duration {
        let usage = match self {
            Self::Here(media) => Usage::of_task(&media.task),
            Self::There(engine) => Usage::of_process(engine.id()),
        };
        usage.unwrap_or_default().run
    }

    /// Slots so far that began late or were left out.
    fn late(&self) -> u64 {
        match self {
            Self::Here(media) => media.late(),
            Self::There(_) => 0,
        }
    }

    fn stop(self) {
        match self {
            Self::Here(media) => media.stop(),
            Self::There(engine) => drop(engine),
        }
    }
}

/// What a media thread is given.
struct Job {
    /// Where each channel's far end is.
    phones: Vec<SocketAddr>,
    ports: mpsc::Sender<Vec<u16>>,
    /// Grows by one for each report of late slots wanted; 3 is the end.
    phase: Arc<AtomicU8>,
    late: mpsc::Sender<u64>,
    on: usize,
}

impl MediaThread {
    fn start(variant: Variant, phones: Vec<SocketAddr>, on: usize) -> Self {
        let (ports_out, ports) = mpsc::channel();
        let (late_out, late) = mpsc::channel();
        let (task_out, task) = mpsc::channel();
        let phase = Arc::new(AtomicU8::new(0));
        let job = Job { phones, ports: ports_out, phase: Arc::clone(&phase), late: late_out, on };
        let thread = thread::Builder::new()
            .name("media".into())
            .spawn(move || {
                // SAFETY: it takes nothing and cannot fail.
                let number = unsafe { libc::gettid() };
                task_out.send(PathBuf::from(format!("/proc/self/task/{number}"))).unwrap();
                match variant {
                    Variant::Shard(other) => shard(job, other),
                    Variant::Epoll => bare::epoll(&job),
                    Variant::Polled => bare::polled(&job),
                    Variant::RtpEngine(_) => unreachable!("it is a process of its own"),
                }
            })
            .unwrap();
        Self { ports: ports.recv().unwrap(), task: task.recv().unwrap(), phase, late, thread }
    }

    fn late(&self) -> u64 {
        self.phase.fetch_add(1, Ordering::SeqCst);
        self.late.recv().unwrap()
    }

    fn stop(self) {
        self.phase.store(3, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

fn play(variant: Variant, plan: Plan, on: usize) -> Turn {
    let phones: Vec<UdpSocket> = (0..PHONES).map(|_| UdpSocket::bind((own_loopback(), 0)).unwrap()).collect();
    for phone in &phones {
        set_receive_buffer(phone.as_fd(), 4 << 20);
    }
    let far_ends = (0..plan.channels).map(|channel| phones[channel % PHONES].local_addr().unwrap()).collect();
    let (media, ports) = MediaServer::start(variant, far_ends, on);
    let mut traffic = Traffic::new(&phones, ports, variant.other());
    // Calls last minutes: what the first second of one costs, and connecting its sockets, one a slot, is not in the figure.
    traffic.run(Duration::from_millis(1000 + plan.channels as u64));
    let late = media.late();
    let (before, start, counted) = (media.used(), Instant::now(), traffic.counts());
    traffic.run(Duration::from_secs_f64(plan.seconds));
    let (after, passed, counts) = (media.used(), start.elapsed(), traffic.counts());
    let cpu = after - before;
    let late = media.late() - late;
    media.stop();
    let (sent, heard) = (counts.0 - counted.0, counts.1 - counted.1);
    traffic.delays.sort_unstable();
    let delay = |part: f64| f64::from(traffic.delays.get((traffic.delays.len() as f64 * part) as usize).copied().unwrap_or(0)) / 1e3;
    Turn {
        cpu_us: cpu.as_secs_f64() * 1e6 / heard as f64,
        late,
        core: cpu.as_secs_f64() / passed.as_secs_f64(),
        lost: (sent as f64 - heard as f64).max(0.0) / sent as f64,
        p50_ms: delay(0.5),
        p99_ms: delay(0.99),
    }
}

fn shard(job: Job, other: Other) {
    let count = job.phones.len();
    rt::run(&rt::Config { cpu: Some(job.on) }, async move {
        // Refused where the phones were refused too.
        let _ = sched::set_fifo(10);
        let ports = PortPool::new(20_000..=20_000 + 2 * count as u16 - 1, 0, 1, Duration::ZERO);
        let setup = Setup {
            cpu: job.on,
            alone: true,
            interfaces: vec![Interface { bind: own_loopback(), advertised: own_loopback() }],
            ring: RingConfig::for_channels(count as u32),
            transcodes_max: None,
        };
        let start = Start { now: Instant::now(), unix_epoch_ms: 0 };
        let machine = Media::new(Config { channels_max: count, ..Config::default() }, start, [7; 32]);
        let (wake, commands) = rt::signal();
        let (end, server) = pair(wake);
        let stop = Latch::new();
        let shard = MediaShard::new(setup, &ports, machine, server, commands).unwrap();
        let running = rt::spawn_local({
            let stop = stop.clone();
            async move { shard.run(&stop).await }
        });
        let front: Caller<Request, Answer, News> = Caller::new(end);
        rt::spawn_local({
            let (front, stop) = (front.clone(), stop.clone());
            async move { front.run(&stop, |_| {}).await }
        });
        let channels = open(&front, &job.phones, other).await;
        job.ports.send(channels).unwrap();
        let mut told = 0;
        loop {
            // Looks itself: a thread that sleeps in its ring may hear of a wake seconds later.
            rt::sleep(Duration::from_millis(50)).await;
            let phase = job.phase.load(Ordering::SeqCst);
            if phase == 3 {
                break;
            }
            if phase > told {
                told = phase;
                job.late.send(late_slots(&front).await).unwrap();
            }
        }
        stop.open();
        running.await;
    })
    .unwrap();
}

/// Slots so far that began late or were left out.
async fn late_slots(front: &Caller<Request, Answer, News>) -> u64 {
    let Ok(Ok(Served::Reply(Reply::Status(figures)))) = front.ask(Request::Command(Command::Status)).await else { panic!("no status") };
    figures.iter().filter(|(name, _)| matches!(*name, "slots_late" | "slots_skipped")).map(|(_, slots)| slots).sum()
}

/// Opens a channel per phone, points it there, mixes each even one with the next; the ports.
async fn open(front: &Caller<Request, Answer, News>, phones: &[SocketAddr], other: Other) -> Vec<u16> {
    let mut opened: Vec<(ChannelId, u16)> = Vec::new();
    let numbered: Vec<(usize, &SocketAddr)> = phones.iter().enumerate().collect();
    for group in numbered.chunks(100) {
        let tasks: Vec<_> = group
            .iter()
            .map(|(n, phone)| {
                let payload = if n % 2 == 0 { OTHERS[0].payload() } else { other.payload() };
                let (front, phone) = (front.clone(), **phone);
                rt::spawn_local(async move {
                    let opened = front.ask(Request::Command(Command::Open(Open::default()))).await;
                    let Ok(Ok(Served::Reply(Reply::Opened(opened)))) = opened else { panic!("no channel") };
                    let target = Target {
                        ip: phone.ip(),
                        port: phone.port(),
                        payloads: vec![payload],
                        ptime_ms: None,
                        direction: None,
                        rtcp_mux: false,
                    };
                    front.ask(Request::Command(Command::Target { channel: opened.channel, target })).await.unwrap().unwrap();
                    (opened.channel, opened.port)
                })
            })
            .collect();
        for task in tasks {
            opened.push(task.await);
        }
    }
    let mixes: Vec<_> = opened.chunks(2).map(|two| (front.clone(), Command::Mix { a: two[0].0, b: two[1].0 })).collect();
    for group in mixes.chunks(100) {
        let tasks: Vec<_> = group
            .iter()
            .cloned()
            .map(|(front, mix)| rt::spawn_local(async move { front.ask(Request::Command(mix)).await.unwrap().unwrap() }))
            .collect();
        for task in tasks {
            task.await;
        }
    }
    opened.into_iter().map(|(_, port)| port).collect()
}
