//! The least that forwarding can cost with plain calls: receive here, send there, look at nothing.
//!
//! ```text
//!   socket n ─▶ [spoil: 1 in so many dropped, copied, changed] ─▶ socket n ^ 1 ─▶ phone n ^ 1
//! ```
//! Shape:  one pinned thread; each socket is tried once per `every` slots without asking whether it is ready: the limit that
//!         [`crate::bench`] measures beside, and with [`Spoil`] the bad switch that the load's own tests must catch.
//! Units:  slots of 1 ms; CPU time of the thread, kernel included.
//! Errors: `io::Error` of the binds; a send that fails is a lost packet.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::kernel;

/// What is done wrong on purpose: 0 is never, 1000 is one in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spoil {
    /// Dropped.
    pub drop_one_in: u64,
    /// Sent twice.
    pub copy_one_in: u64,
    /// Changed in the last octet.
    pub change_one_in: u64,
    /// Each held for so long.
    pub delay: Duration,
}

/// A running forwarder.
#[derive(Debug)]
pub struct Forwarder {
    addresses: Vec<SocketAddr>,
    task: PathBuf,
    stop: Arc<AtomicBool>,
    spoiled: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

const SLOT: Duration = Duration::from_millis(1);

impl Forwarder {
    /// One socket for each phone, each two of them a bridge; `every` slots between two looks at a socket.
    ///
    /// # Errors
    /// The binds'.
    pub fn start(ip: IpAddr, phones: Vec<SocketAddr>, cpu: Option<usize>, every: usize, spoil: Spoil) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for _ in &phones {
            let socket = UdpSocket::bind((ip, 0))?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?;
        let (stop, spoiled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (tell, told) = mpsc::channel();
        let mut work = Work {
            sockets,
            phones,
            every: every.max(1),
            spoil,
            count: 0,
            spoiled: Arc::clone(&spoiled),
            held: std::collections::VecDeque::new(),
        };
        let thread = thread::Builder::new().name("forwarder".into()).spawn({
            let stop = Arc::clone(&stop);
            move || {
                if let Some(id) = cpu {
                    kernel::take_cpu(id);
                }
                // Who started us waits for it.
                let _ = tell.send(kernel::this_thread());
                work.run(&stop);
            }
        })?;
        let task = told.recv().map_err(io::Error::other)?;
        Ok(Self { addresses, task, stop, spoiled, thread: Some(thread) })
    }

    /// Where phone `n` sends to.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Directory of its thread in /proc.
    pub fn task(&self) -> &std::path::Path {
        &self.task
    }

    /// Packets spoiled so far.
    pub fn spoiled(&self) -> u64 {
        self.spoiled.load(Ordering::Relaxed)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has no panic of its own.
            let _ = thread.join();
        }
    }
}

struct Work {
    sockets: Vec<UdpSocket>,
    phones: Vec<SocketAddr>,
    every: usize,
    spoil: Spoil,
    count: u64,
    spoiled: Arc<AtomicU64>,
    /// Packets that wait, in order of their time.
    held: std::collections::VecDeque<(Instant, usize, Vec<u8>)>,
}

impl Work {
    fn run(&mut self, stop: &AtomicBool) {
        let start = Instant::now();
        let mut slot = 0;
        while !stop.load(Ordering::Relaxed) {
            for n in (slot % self.every..self.sockets.len()).step_by(self.every) {
                let mut again = self.relay(n);
                // A packet that came late made a queue: now and then, empty it.
                while again && (self.every == 1 || slot % 256 < self.every) {
                    again = self.relay(n);
                }
            }
            while let Some((_, n, packet)) = self.held.pop_front_if(|(due, _, _)| *due <= Instant::now()) {
                self.send(n, &packet);
            }
            slot += 1;
            let due = start + SLOT * u32::try_from(slot).unwrap_or(u32::MAX);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// One packet of socket `n`, if there is one.
    fn relay(&mut self, n: usize) -> bool {
        let mut packet = [0; 2048];
        let Some(Ok((length, _))) = self.sockets.get(n).map(|socket| socket.recv_from(&mut packet)) else { return false };
        let Some(packet) = packet.get_mut(..length) else { return false };
        self.count += 1;
        let hit = |one_in: u64| one_in > 0 && self.count.is_multiple_of(one_in);
        let (dropped, copied, changed) = (hit(self.spoil.drop_one_in), hit(self.spoil.copy_one_in), hit(self.spoil.change_one_in));
        self.spoiled.fetch_add(u64::from(dropped) + u64::from(copied) + u64::from(changed), Ordering::Relaxed);
        if dropped {
            return true;
        }
        if changed && let Some(last) = packet.last_mut() {
            *last ^= 0x55;
        }
        for _ in 0..=usize::from(copied) {
            if self.spoil.delay.is_zero() {
                self.send(n ^ 1, packet);
            } else {
                self.held.push_back((Instant::now() + self.spoil.delay, n ^ 1, packet.to_vec()));
            }
        }
        true
    }

    fn send(&self, n: usize, packet: &[u8]) {
        if let (Some(via), Some(to)) = (self.sockets.get(n), self.phones.get(n)) {
            // The load will miss it.
            let _ = via.send_to(packet, to);
        }
    }
}
