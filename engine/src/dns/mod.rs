//! The name servers, asked for where SIP is served.
//!
//! ```text
//!   Dns::locate ─► cache knows all? ─► targets at once
//!        └► queue (64) ─► one of 4 threads: sip::locate::Search ─► Client (UDP, TCP) ─► cache ─► wake
//! ```
//! Shape:  the signalling shard only waits for a wake; what takes time is on threads that are started with the first name.
//! Units:  TTL in seconds, bounded below and above; see `cache`.
//! Errors: [`LocateError`]: not there, or not to be learned now (a full queue, silent servers).
//! Servers: those of `--dns`, else those of `/etc/resolv.conf`; then addresses come from the system's resolver, which knows
//!         `/etc/hosts` too.
//! Source: RFC 3263, RFC 1035 §4, RFC 2308 (negative answers), RFC 6891 (larger datagrams).

mod cache;
mod client;
mod wire;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use sip::locate::{Answer, LocateError, Question, Search, Target, Wish};

use cache::{Cache, QUESTIONS_MAX, SYSTEM_TTL};
use client::Client;

/// Questions of searches that wait for a thread. A call that finds it full fails as if the servers were silent.
const QUEUE: usize = 64;
/// Searches at the same time: a silent server holds each for 6 s at most, which is 40 searches a minute at worst.
const WORKERS: usize = 4;
/// What a caller waits at most.
const PATIENCE: Duration = Duration::from_secs(6);
/// Name servers that are used.
const SERVERS_MAX: usize = 3;
const DNS_PORT: u16 = 53;

/// What our listeners can send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// IPv4.
    pub ipv4: bool,
    /// IPv6.
    pub ipv6: bool,
    /// TCP.
    pub tcp: bool,
}

/// The resolver of a shard.
pub struct Dns {
    servers: Vec<SocketAddr>,
    reach: Reach,
    cache: Arc<Mutex<Cache>>,
    rng: RefCell<ChaCha12Rng>,
    jobs: RefCell<Option<SyncSender<Job>>>,
}

/// What a search ends with.
type Found = Result<Vec<Target>, LocateError>;

struct Job {
    wish: Wish,
    found: Arc<Mutex<Option<Found>>>,
    wake: rt::Wake,
}

/// What the threads share.
struct Worker {
    client: Client,
    /// The system's resolver gives the addresses.
    system: bool,
    reach: Reach,
    cache: Arc<Mutex<Cache>>,
    rng: ChaCha12Rng,
}

impl Dns {
    /// With these servers, or those of the system if there are none. `seed` makes the lots of weighted records and the numbers
    /// of questions.
    #[must_use]
    pub fn new(servers: &[SocketAddr], reach: Reach, seed: [u8; 32]) -> Self {
        let servers = servers.iter().copied().take(SERVERS_MAX).collect();
        let (rng, jobs) = (RefCell::new(ChaCha12Rng::from_seed(seed)), RefCell::new(None));
        Self { servers, reach, cache: Arc::default(), rng, jobs }
    }

    /// Answers kept, and how many may be.
    pub fn cached(&self) -> (usize, usize) {
        (lock(&self.cache).len(), QUESTIONS_MAX)
    }

    /// The targets of a name in the order of RFC 3263, never empty.
    ///
    /// # Errors
    /// [`LocateError`].
    pub async fn locate(&self, wish: Wish) -> Result<Vec<Target>, LocateError> {
        if let Some(known) = self.known(&wish) {
            return known;
        }
        let (wake, signal) = rt::signal();
        let found = Arc::new(Mutex::new(None));
        let job = Job { wish, found: Arc::clone(&found), wake };
        let sender = self.jobs.borrow_mut().get_or_insert_with(|| self.start()).clone();
        if sender.try_send(job).is_err() {
            return Err(LocateError::Failed);
        }
        // Late is as good as never: what a thread learns is kept for the next call.
        let _ = rt::timeout(PATIENCE, signal.wait()).await;
        lock(&found).take().unwrap_or(Err(LocateError::Failed))
    }

    /// A search that the cache can answer alone.
    fn known(&self, wish: &Wish) -> Option<Result<Vec<Target>, LocateError>> {
        let cache = lock(&self.cache);
        let now = Instant::now();
        let mut search = self.reach.search(wish.clone());
        while let Some(question) = search.question() {
            search.handle_answer(cache.find(&question, now)?, &mut *self.rng.borrow_mut());
        }
        Some(search.finish())
    }

    fn start(&self) -> SyncSender<Job> {
        let (sender, receiver) = sync_channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let servers = if self.servers.is_empty() { system_servers() } else { self.servers.clone() };
        for n in 0..WORKERS {
            let mut seed = [0; 32];
            self.rng.borrow_mut().fill_bytes(&mut seed);
            let mut worker = Worker {
                client: Client::new(servers.clone()),
                system: self.servers.is_empty(),
                reach: self.reach,
                cache: Arc::clone(&self.cache),
                rng: ChaCha12Rng::from_seed(seed),
            };
            let receiver = Arc::clone(&receiver);
            let thread = std::thread::Builder::new().name(format!("dns-{n:02}"));
            if let Err(error) = thread.spawn(move || worker.run(&receiver)) {
                tracing::warn!(%error, "a thread for DNS cannot be started");
            }
        }
        sender
    }
}

impl Reach {
    fn search(self, wish: Wish) -> Search {
        Search::new(wish, self.ipv4, self.ipv6, self.tcp)
    }
}

impl Worker {
    fn run(&mut self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            // One thread waits in `recv`, the others for the lock; the end of the sender ends them all.
            let job = lock(jobs).recv();
            let Ok(job) = job else { return };
            let found = self.search(job.wish);
            *lock(&job.found) = Some(found);
            job.wake.fire();
        }
    }

    fn search(&mut self, wish: Wish) -> Result<Vec<Target>, LocateError> {
        let give_up = Instant::now() + PATIENCE;
        let mut search = self.reach.search(wish);
        while let Some(question) = search.question() {
            let answer = if Instant::now() < give_up { self.answer(&question) } else { Answer::Failed };
            search.handle_answer(answer, &mut self.rng);
        }
        search.finish()
    }

    fn answer(&mut self, question: &Question) -> Answer {
        if let Some(known) = lock(&self.cache).find(question, Instant::now()) {
            return known;
        }
        let (answer, ttl) = match question {
            Question::Addresses(host) if self.system || host.eq_ignore_ascii_case("localhost") => (system_addresses(host), SYSTEM_TTL),
            Question::Naptr(_) | Question::Srv(_) | Question::Addresses(_) => self.client.ask(question, self.reach, &mut self.rng),
        };
        lock(&self.cache).insert(question, answer.clone(), ttl, Instant::now());
        answer
    }
}

/// `getaddrinfo`: it tells a name that is not there from servers that are silent no better than by the error's text, so that
/// both are "not there", for the short time that the cache keeps it.
fn system_addresses(host: &str) -> Answer {
    let found = (host, 0).to_socket_addrs();
    Answer::Addresses(found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default())
}

fn system_servers() -> Vec<SocketAddr> {
    servers_of(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

/// `nameserver` lines of resolv.conf; the local host where there is none, as the C library has it.
fn servers_of(text: &str) -> Vec<SocketAddr> {
    let line = |line: &str| {
        let (word, rest) = line.trim().split_once(char::is_whitespace)?;
        let ip: IpAddr = rest.trim().parse().ok()?;
        (word == "nameserver").then_some(SocketAddr::new(ip, DNS_PORT))
    };
    let found: Vec<SocketAddr> = text.lines().filter_map(line).take(SERVERS_MAX).collect();
    if found.is_empty() { vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DNS_PORT)] } else { found }
}

/// No holder panics with the lock; if one did, what it left is still a cache.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_the_system_are_read() {
        let text = "# a\nsearch example.com\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \nnameserver nonsense\n";
        assert_eq!(servers_of(text), ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
        assert_eq!(servers_of(""), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn silent_servers_fail_in_time_and_are_not_asked_again_at_once() {
        // A bound socket that nobody reads: no answer, no ICMP.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let servers = [silent.local_addr().unwrap()];
        rt::run_test(async move {
            let dns = Dns::new(&servers, Reach { ipv4: true, ipv6: false, tcp: false }, [1; 32]);
            let wish = || Wish { host: "sip.example.test".into(), port: Some(5060), transport: None };
            let start = Instant::now();
            assert_eq!(dns.locate(wish()).await, Err(LocateError::Failed));
            assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
            let start = Instant::now();
            assert_eq!(dns.locate(wish()).await, Err(LocateError::Failed));
            assert!(start.elapsed() < Duration::from_millis(100), "remembered: {:?}", start.elapsed());
        });
    }
}
