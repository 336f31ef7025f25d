//! CPU per relayed packet: our media shard beside bare recv/send loops, in one run, by turns.
//!
//! ```text
//! CPU a: 20 phone sockets, 50 packets a millisecond ──► 1000 RTP ports ──► CPU b: ring and machine, or a bare loop
//!         each phone hears what its channel's partner was told, and when ◄──────────────┘
//! ```
//! Shape:  `cargo bench -p benches --bench relay [-- --channels N --seconds S --rounds R]`. Each round plays every
//!         variant once, in another order; the table gives the median and the range over the rounds.
//! Units:  microseconds of the media thread's CPU time, kernel included, per packet that came back; delay as the phones see it, up to
//!         1 ms of which is their own pace.
//! Variants: `shard` is `engine::media` with `rtp::media` as in production: source check, statistics, header rewrite, RTCP.
//!         `epoll` waits 1 ms, then does one recvfrom and sendto per ready socket. `polled` tries each socket once per 20 ms
//!         without asking which is ready: the least that plain calls can cost, at 10 ms of delay. Neither looks at a packet.
//! Errors: a refused socket or channel ends the program; lost packets are told.

#![allow(unsafe_code, clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use engine::{
    media::{MediaShard, Setup},
    mesh::{Caller, pair},
    node::rtp::{Answer, News},
    os::{
        datagrams::{ReceiveBatch, SendBatch, set_receive_buffer},
        limits, sched,
    },
    ring::{PortPool, RingConfig},
};
use rt::Latch;
use rtp::{
    api::{ChannelId, Command, Open, Payload, Reply, Target},
    media::{Config, Media, Start},
};
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
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
const PACKET: usize = 172;
const SLOT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Shard,
    Epoll,
    Polled,
}

const VARIANTS: [Variant; 3] = [Variant::Shard, Variant::Epoll, Variant::Polled];

#[derive(Clone, Copy)]
struct Plan {
    channels: usize,
    seconds: f64,
    rounds: usize,
}

/// What one turn of one variant cost.
#[derive(Clone, Copy)]
struct Turn {
    cpu_us: f64,
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
        "{} channels x 50 packets/s of {PACKET} bytes, {} s a turn, {} rounds; media on CPU {ours}, phones on CPU {theirs}, SCHED_FIFO {}",
        plan.channels,
        plan.seconds,
        plan.rounds,
        if fifo { "10" } else { "refused" },
    );
    for round in 0..plan.rounds {
        for n in 0..VARIANTS.len() {
            let variant = VARIANTS[(n + round) % VARIANTS.len()];
            let turn = play(variant, plan, ours);
            println!(
                "round {} {:8} {:5.2} us/packet, core {:4.1} %, lost {:.3} %, delay p50 {:.2} p99 {:.2} ms",
                round + 1,
                format!("{variant:?}"),
                turn.cpu_us,
                100.0 * turn.core,
                100.0 * turn.lost,
                turn.p50_ms,
                turn.p99_ms,
            );
            turns.push((variant, turn));
        }
    }
    println!("\nvariant   us/packet: median (least to most)");
    for variant in VARIANTS {
        let [least, median, most] = spread(turns.iter().filter(|(v, _)| *v == variant).map(|(_, turn)| turn.cpu_us));
        println!("{:8}  {median:5.2} ({least:.2} to {most:.2})", format!("{variant:?}"));
    }
    for base in [Variant::Epoll, Variant::Polled] {
        let of = |wanted| turns.iter().filter(move |(v, _)| *v == wanted).map(|(_, turn)| turn.cpu_us);
        // Round by round: what disturbs one round disturbs all its turns.
        let [least, median, most] = spread(of(Variant::Shard).zip(of(base)).map(|(shard, bare)| shard / bare));
        println!("Shard / {:8} {median:.2} ({least:.2} to {most:.2})", format!("{base:?}"));
    }
}

fn read_arguments() -> Plan {
    let arguments: Vec<String> = std::env::args().collect();
    let value =
        |name: &str| arguments.iter().position(|a| a == name).and_then(|n| arguments.get(n + 1)).and_then(|v| v.parse::<f64>().ok());
    // Without `--bench` this is `cargo test`, which only wants to see it run.
    let plan = if arguments.iter().any(|a| a == "--bench") {
        Plan { channels: 1000, seconds: 3.0, rounds: 5 }
    } else {
        Plan { channels: 40, seconds: 0.2, rounds: 1 }
    };
    Plan {
        channels: value("--channels").map_or(plan.channels, |n| n as usize).next_multiple_of(2 * PHONES),
        seconds: value("--seconds").unwrap_or(plan.seconds),
        rounds: value("--rounds").map_or(plan.rounds, |n| n as usize),
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
    phase: Arc<AtomicU8>,
    wake: rt::Wake,
    cpu: mpsc::Receiver<Duration>,
    thread: thread::JoinHandle<()>,
}

/// What a media thread is given.
struct Job {
    /// Where each channel's far end is.
    phones: Vec<SocketAddr>,
    ports: mpsc::Sender<Vec<u16>>,
    /// Grows by one for each report of CPU time wanted; 3 is the end.
    phase: Arc<AtomicU8>,
    signal: rt::Signal,
    cpu: mpsc::Sender<Duration>,
    on: usize,
}

impl MediaThread {
    fn start(variant: Variant, phones: Vec<SocketAddr>, on: usize) -> Self {
        let (ports_out, ports) = mpsc::channel();
        let (cpu_out, cpu) = mpsc::channel();
        let (wake, signal) = rt::signal();
        let phase = Arc::new(AtomicU8::new(0));
        let job = Job { phones, ports: ports_out, phase: Arc::clone(&phase), signal, cpu: cpu_out, on };
        let thread = thread::Builder::new()
            .name("media".into())
            .spawn(move || match variant {
                Variant::Shard => shard(job),
                Variant::Epoll => epoll(&job),
                Variant::Polled => polled(&job),
            })
            .unwrap();
        Self { ports: ports.recv().unwrap(), phase, wake, cpu, thread }
    }

    fn cpu(&self) -> Duration {
        self.phase.fetch_add(1, Ordering::SeqCst);
        self.wake.fire();
        self.cpu.recv().unwrap()
    }

    fn stop(self) {
        self.phase.store(3, Ordering::SeqCst);
        self.wake.fire();
        self.thread.join().unwrap();
    }
}

fn play(variant: Variant, plan: Plan, on: usize) -> Turn {
    let phones: Vec<UdpSocket> = (0..PHONES).map(|_| UdpSocket::bind((own_loopback(), 0)).unwrap()).collect();
    for phone in &phones {
        set_receive_buffer(phone.as_fd(), 4 << 20);
    }
    let far_ends = (0..plan.channels).map(|channel| phones[channel % PHONES].local_addr().unwrap()).collect();
    let media = MediaThread::start(variant, far_ends, on);
    let mut traffic = Traffic::new(&phones, media.ports.clone());
    traffic.run(Duration::from_millis(500));
    let (cpu, start, before) = (media.cpu(), Instant::now(), traffic.counts());
    traffic.run(Duration::from_secs_f64(plan.seconds));
    let (cpu, passed, after) = (media.cpu() - cpu, start.elapsed(), traffic.counts());
    media.stop();
    let (sent, heard) = (after.0 - before.0, after.1 - before.1);
    traffic.delays.sort_unstable();
    let delay = |part: f64| f64::from(traffic.delays.get((traffic.delays.len() as f64 * part) as usize).copied().unwrap_or(0)) / 1e3;
    Turn {
        cpu_us: cpu.as_secs_f64() * 1e6 / heard as f64,
        core: cpu.as_secs_f64() / passed.as_secs_f64(),
        lost: (sent as f64 - heard as f64).max(0.0) / sent as f64,
        p50_ms: delay(0.5),
        p99_ms: delay(0.99),
    }
}

/// All phones: what they send and hear.
struct Traffic<'a> {
    phones: &'a [UdpSocket],
    ports: Vec<u16>,
    outgoing: SendBatch,
    incoming: ReceiveBatch,
    /// Packets that each channel was sent.
    sequence: Vec<u16>,
    base: Instant,
    slot: usize,
    sent: u64,
    heard: u64,
    delays: Vec<u32>,
}

impl<'a> Traffic<'a> {
    fn new(phones: &'a [UdpSocket], ports: Vec<u16>) -> Self {
        Self {
            phones,
            outgoing: SendBatch::new(),
            incoming: ReceiveBatch::new(),
            sequence: vec![0; ports.len()],
            ports,
            base: Instant::now(),
            slot: 0,
            sent: 0,
            heard: 0,
            delays: Vec::with_capacity(1 << 20),
        }
    }

    fn counts(&self) -> (u64, u64) {
        (self.sent, self.heard)
    }

    fn run(&mut self, time: Duration) {
        let start = Instant::now();
        let slots = time.as_millis() as u32;
        for n in 0..slots {
            self.send();
            self.hear();
            thread::sleep((start + (n + 1) * SLOT).saturating_duration_since(Instant::now()));
        }
        self.hear();
    }

    fn send(&mut self) {
        let turn = self.slot % PHONES;
        self.slot += 1;
        let now = self.base.elapsed().as_micros() as u64;
        let mut packet = [0xd5; PACKET];
        for channel in (turn..self.ports.len()).step_by(PHONES) {
            let sequence = &mut self.sequence[channel];
            packet[0..2].copy_from_slice(&[0x80, 0]);
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(*sequence) * 160).to_be_bytes());
            packet[8..12].copy_from_slice(&(channel as u32).to_be_bytes());
            packet[12..20].copy_from_slice(&now.to_be_bytes());
            *sequence = sequence.wrapping_add(1);
            if self.outgoing.push((own_loopback(), self.ports[channel]).into(), &packet) {
                self.sent += self.outgoing.flush(self.phones[turn].as_fd()).sent;
            }
        }
        self.sent += self.outgoing.flush(self.phones[turn].as_fd()).sent;
    }

    fn hear(&mut self) {
        let now = self.base.elapsed().as_micros() as u64;
        for phone in self.phones {
            while self.incoming.receive(phone.as_fd()).unwrap() > 0 {
                // RTCP is of another length.
                for (_, packet) in self.incoming.iter().filter(|(_, packet)| packet.len() == PACKET) {
                    self.heard += 1;
                    let sent = u64::from_be_bytes(*packet[12..].first_chunk().unwrap());
                    self.delays.push(now.saturating_sub(sent) as u32);
                }
            }
        }
    }
}

fn shard(job: Job) {
    let count = job.phones.len();
    rt::run(&rt::Config { cpu: Some(job.on) }, async move {
        // Refused where the phones were refused too.
        let _ = sched::set_fifo(10);
        let ports = PortPool::new(20_000..=20_000 + 2 * count as u16 - 1, 0, 1, Duration::ZERO);
        let setup = Setup {
            cpu: job.on,
            alone: true,
            bind: own_loopback(),
            advertised: own_loopback(),
            ring: RingConfig::for_channels(count as u32),
        };
        let start = Start { now: Instant::now(), unix_epoch_ms: 0 };
        let machine = Media::new(Config { channels_max: count, ..Config::default() }, start, [7; 32]);
        let (wake, commands) = rt::signal();
        let (end, server) = pair(wake);
        let stop = Latch::new();
        let shard = MediaShard::new(setup, ports, machine, server, commands).unwrap();
        let running = rt::spawn_local({
            let stop = stop.clone();
            async move { shard.run(&stop).await }
        });
        let front: Caller<Command, Answer, News> = Caller::new(end);
        rt::spawn_local({
            let (front, stop) = (front.clone(), stop.clone());
            async move { front.run(&stop, |_| {}).await }
        });
        let channels = open(&front, &job.phones).await;
        job.ports.send(channels).unwrap();
        loop {
            job.signal.wait().await;
            if job.phase.load(Ordering::SeqCst) == 3 {
                break;
            }
            job.cpu.send(sched::thread_cpu_time()).unwrap();
        }
        stop.open();
        running.await;
    })
    .unwrap();
}

/// Opens a channel per phone, points it there, mixes each even one with the next; the ports.
async fn open(front: &Caller<Command, Answer, News>, phones: &[SocketAddr]) -> Vec<u16> {
    let mut opened: Vec<(ChannelId, u16)> = Vec::new();
    for group in phones.chunks(100) {
        let tasks: Vec<_> = group
            .iter()
            .map(|phone| {
                let (front, phone) = (front.clone(), *phone);
                rt::spawn_local(async move {
                    let Ok(Ok(Reply::Opened(opened))) = front.ask(Command::Open(Open::default())).await else { panic!("no channel") };
                    let target = Target {
                        ip: phone.ip(),
                        port: phone.port(),
                        payloads: vec![Payload { number: 0, encoding: None, fmtp: None }],
                        ptime_ms: None,
                        direction: None,
                        rtcp_mux: false,
                    };
                    front.ask(Command::Target { channel: opened.channel, target }).await.unwrap().unwrap();
                    (opened.channel, opened.port)
                })
            })
            .collect();
        for task in tasks {
            opened.push(task.await);
        }
    }
    for two in opened.chunks(2) {
        front.ask(Command::Mix { a: two[0].0, b: two[1].0 }).await.unwrap().unwrap();
    }
    opened.into_iter().map(|(_, port)| port).collect()
}

/// The bare loops: sockets, and for each where its packets go.
struct Bare {
    sockets: Vec<UdpSocket>,
    partners: Vec<(usize, SocketAddr)>,
}

impl Bare {
    fn new(job: &Job) -> Self {
        pin(job.on);
        let _ = sched::set_fifo(10);
        let sockets: Vec<UdpSocket> = job.phones.iter().map(|_| UdpSocket::bind((own_loopback(), 0)).unwrap()).collect();
        sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        job.ports.send(sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect()).unwrap();
        let partners = (0..sockets.len()).map(|n| (n ^ 1, job.phones[n ^ 1])).collect();
        Self { sockets, partners }
    }

    /// One packet of socket `n`, if there is one.
    fn relay(&self, n: usize) -> bool {
        let mut packet = [0; 512];
        let Ok((len, _)) = self.sockets[n].recv_from(&mut packet) else { return false };
        let (via, to) = self.partners[n];
        let _ = self.sockets[via].send_to(&packet[..len], to);
        true
    }
}

/// Calls `work` each millisecond until the end.
fn each_slot(job: &Job, mut work: impl FnMut(usize)) {
    let start = Instant::now();
    let mut told = 0;
    for slot in 1.. {
        let phase = job.phase.load(Ordering::SeqCst);
        if phase == 3 {
            break;
        }
        if phase > told {
            told = phase;
            job.cpu.send(sched::thread_cpu_time()).unwrap();
        }
        work(slot as usize);
        thread::sleep((start + slot * SLOT).saturating_duration_since(Instant::now()));
    }
}

fn epoll(job: &Job) {
    let bare = Bare::new(job);
    // SAFETY: no pointers.
    let set = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(set >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the descriptor is new and owned by nobody else.
    let set = unsafe { OwnedFd::from_raw_fd(set) };
    for (n, socket) in bare.sockets.iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: n as u64 };
        // SAFETY: the event lives on this stack and is only read.
        let added = unsafe { libc::epoll_ctl(set.as_raw_fd(), libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event) };
        assert_eq!(added, 0, "{}", io::Error::last_os_error());
    }
    let mut ready = vec![libc::epoll_event { events: 0, u64: 0 }; bare.sockets.len()];
    each_slot(job, |_| {
        // SAFETY: `ready` has room for as many events as are asked for.
        let count = unsafe { libc::epoll_wait(set.as_raw_fd(), ready.as_mut_ptr(), ready.len() as i32, 0) };
        for event in ready.iter().take(usize::try_from(count).unwrap_or(0)) {
            bare.relay(event.u64 as usize);
        }
    });
}

fn polled(job: &Job) {
    let bare = Bare::new(job);
    each_slot(job, |slot| {
        for n in (slot % PHONES..bare.sockets.len()).step_by(PHONES) {
            let mut again = bare.relay(n);
            // A packet that came late made a queue: now and then, empty it.
            while again && slot % 256 < PHONES {
                again = bare.relay(n);
            }
        }
    });
}
