//! Many datagrams per system call, each with the time at which the kernel took it in: what lets one thread load a whole core of SIP.
//!
//! ```text
//!   Outbox: push … push ─▶ flush: one `sendmmsg` for 64          Inbox::receive: one `recvmmsg` for 64 ─▶ bytes, from, arrived
//! ```
//! Shape:  IPv4, non-blocking, datagrams up to 4 KiB; a longer one is cut, and then is no SIP.
//! Units:  microseconds since the [`Clock`] began: arrival times do not depend on when the load looks.
//! Errors: what the kernel refuses to send is counted.
//! Bound:  64 × 4 KiB for what arrives; what waits to be sent is flushed at 64.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// Datagrams per system call.
const BATCH: usize = 64;
const DATAGRAM_MAX: usize = 4096;

/// Time of a run, by the monotonic clock and by the one that the kernel stamps packets with.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Instant,
    epoch: Duration,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self { base: Instant::now(), epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// Microseconds since the start.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When so many microseconds have passed.
    pub fn at(&self, us: u64) -> Instant {
        self.base + Duration::from_micros(us)
    }

    fn stamped_us(&self, stamp: TimeSpec) -> u64 {
        u64::try_from(Duration::from(stamp).saturating_sub(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }
}

/// Asks the kernel for arrival times, and for room of so many bytes.
///
/// # Errors
/// The kernel's.
pub fn prepare(socket: &UdpSocket, bytes: usize) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    // Beyond net.core.rmem_max where that is allowed, else up to it; what is dropped for want of it is seen.
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &bytes)?;
    }
    Ok(())
}

/// One datagram that arrived.
#[derive(Debug, Clone)]
struct Arrived {
    from: Option<SocketAddrV4>,
    range: Range<usize>,
    at_us: u64,
}

/// Takes datagrams in.
#[derive(Debug)]
pub struct Inbox {
    memory: Vec<u8>,
    headers: MultiHeaders<SockaddrIn>,
    arrived: Vec<Arrived>,
}

impl Default for Inbox {
    fn default() -> Self {
        let control = nix::cmsg_space!(TimeSpec);
        Self {
            memory: vec![0; BATCH * DATAGRAM_MAX],
            headers: MultiHeaders::preallocate(BATCH, Some(control)),
            arrived: Vec::with_capacity(BATCH),
        }
    }
}

impl Inbox {
    /// Takes what is there, at most 64, in place of what was taken before; whether there may be more.
    pub fn receive(&mut self, socket: &UdpSocket, clock: &Clock) -> bool {
        self.arrived.clear();
        let mut places: Vec<[IoSliceMut<'_>; 1]> = self.memory.chunks_exact_mut(DATAGRAM_MAX).map(|part| [IoSliceMut::new(part)]).collect();
        // "Nothing there" is an error too.
        let Ok(messages) = recvmmsg(socket.as_raw_fd(), &mut self.headers, places.iter_mut(), MsgFlags::MSG_DONTWAIT, None) else {
            return false;
        };
        for (n, message) in messages.enumerate() {
            let stamp = message.cmsgs().ok().into_iter().flatten().find_map(|control| match control {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(clock.stamped_us(stamp)),
                _ => None,
            });
            let start = n * DATAGRAM_MAX;
            self.arrived.push(Arrived {
                from: message.address.map(SocketAddrV4::from),
                range: start..start + message.bytes,
                at_us: stamp.unwrap_or_else(|| clock.now_us()),
            });
        }
        self.arrived.len() == BATCH
    }

    /// What was taken, in order of arrival: bytes, sender, time.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<SocketAddrV4>, u64)> {
        self.arrived.iter().map(|one| (self.memory.get(one.range.clone()).unwrap_or_default(), one.from, one.at_us))
    }
}

/// Collects datagrams and sends them together.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    queued: Vec<(SocketAddrV4, Range<usize>)>,
    headers: MultiHeaders<SockaddrIn>,
    /// Datagrams that the kernel did not take.
    pub refused: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(BATCH * 1024),
            queued: Vec::with_capacity(BATCH),
            headers: MultiHeaders::preallocate(BATCH, None),
            refused: 0,
        }
    }
}

impl Outbox {
    /// Adds what `write` writes as one datagram; sends all that waits if there are 64.
    pub fn push(&mut self, socket: &UdpSocket, to: SocketAddrV4, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.queued.push((to, start..self.bytes.len()));
        if self.queued.len() >= BATCH {
            self.flush(socket);
        }
    }

    /// Sends all that waits.
    pub fn flush(&mut self, socket: &UdpSocket) {
        let Self { bytes, queued, headers, refused } = self;
        let mut done = 0;
        // Each turn takes at least one off, so it ends.
        while let Some(waiting) = queued.get(done..).filter(|waiting| !waiting.is_empty()) {
            let slices: Vec<[IoSlice<'_>; 1]> =
                waiting.iter().map(|(_, range)| [IoSlice::new(bytes.get(range.clone()).unwrap_or_default())]).collect();
            let to: Vec<Option<SockaddrIn>> = waiting.iter().map(|(to, _)| Some(SockaddrIn::from(*to))).collect();
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            let sent = sendmmsg(socket.as_raw_fd(), headers, &slices, to, [], flags).map_or(0, Iterator::count);
            if sent == 0 {
                *refused += 1;
            }
            done += sent.max(1);
        }
        queued.clear();
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn bound() -> (UdpSocket, SocketAddrV4) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        prepare(&socket, 1 << 20).unwrap();
        let SocketAddr::V4(at) = socket.local_addr().unwrap() else { panic!() };
        (socket, at)
    }

    #[test]
    fn what_is_pushed_arrives_in_order_with_its_sender_and_its_time() {
        let ((here, from), (there, to)) = (bound(), bound());
        let (clock, mut out, mut inbox) = (Clock::start(), Outbox::default(), Inbox::default());
        for n in 0..100 {
            out.push(&here, to, |bytes| bytes.extend_from_slice(format!("message {n}").as_bytes()));
        }
        out.flush(&here);
        std::thread::sleep(Duration::from_millis(20));
        let mut got = Vec::new();
        // More than one batch, more than once: the control buffers are used again.
        while {
            let more = inbox.receive(&there, &clock);
            got.extend(inbox.iter().map(|(bytes, from, at)| (String::from_utf8_lossy(bytes).into_owned(), from, at)));
            more
        } {}
        assert_eq!((got.len(), out.refused), (100, 0));
        assert_eq!((got[99].0.as_str(), got[99].1), ("message 99", Some(from)));
        // The kernel's time, not ours.
        assert!(got.iter().all(|(_, _, at)| *at < 15_000) && got[0].2 <= got[99].2, "{got:?}");
        assert!(clock.now_us() >= 20_000);
    }

    #[test]
    fn what_the_kernel_refuses_is_counted_and_the_rest_goes_out() {
        let ((here, _), (there, to)) = (bound(), bound());
        let mut out = Outbox::default();
        out.push(&here, to, |bytes| bytes.push(b'a'));
        out.push(&here, to, |bytes| bytes.resize(bytes.len() + 70_000, 0));
        out.push(&here, to, |bytes| bytes.push(b'b'));
        out.flush(&here);
        let mut inbox = Inbox::default();
        inbox.receive(&there, &Clock::start());
        let got: Vec<_> = inbox.iter().map(|(bytes, _, _)| bytes.to_vec()).collect();
        assert_eq!((got, out.refused), (vec![b"a".to_vec(), b"b".to_vec()], 1));
    }
}
