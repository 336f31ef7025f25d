//! The bare loops: packets forwarded by plain calls, unseen.
//!
//! Shape:  [`epoll`] asks which sockets are ready, [`polled`] tries each in its turn; both until the phase of the job is 3.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::atomic::Ordering,
    thread,
    time::Instant,
};

use engine::os::sched;

use super::{Job, PHONES, SLOT, own_loopback, pin};

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
            job.late.send(0).unwrap();
        }
        work(slot as usize);
        thread::sleep((start + slot * SLOT).saturating_duration_since(Instant::now()));
    }
}

pub fn epoll(job: &Job) {
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

pub fn polled(job: &Job) {
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
