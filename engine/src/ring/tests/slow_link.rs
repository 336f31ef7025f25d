//! A link that takes nothing until its peer is resolved, so that a send buffer really fills: a TAP device in a network
//! namespace of its own. Loopback never holds a packet on the sender's account.
//!
//! Needs the right to make a namespace; says so and passes where there is none.

use super::*;
use std::{fs::File, io::Read, io::Write, os::fd::AsRawFd};

pub(super) const US: [u8; 4] = [192, 0, 2, 1];
const THEM: [u8; 4] = [192, 0, 2, 2];
const THEIR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

struct SlowLink(File);

fn ioctl<T>(file: &impl AsRawFd, request: libc::c_ulong, argument: &mut T) -> std::io::Result<()> {
    // SAFETY: the argument is an ifreq, which is what all requests below want.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), request, std::ptr::from_mut(argument)) };
    if answer < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn request() -> libc::ifreq {
    // SAFETY: all zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"slow0") {
        *to = *from as libc::c_char;
    }
    request
}

fn inet(ip: [u8; 4]) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..].iter_mut().zip(ip) {
        *to = from as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as u16, sa_data: data }
}

impl SlowLink {
    /// Moves the calling thread into a namespace whose only device is this link.
    fn new() -> std::io::Result<Self> {
        // SAFETY: no pointers. Only this thread is moved.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
        let tap = File::options().read(true).write(true).open("/dev/net/tun")?;
        let mut tap_request = request();
        tap_request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        ioctl(&tap, libc::TUNSETIFF as libc::c_ulong, &mut tap_request)?;
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let mut address = request();
        address.ifr_ifru.ifru_addr = inet(US);
        ioctl(&socket, libc::SIOCSIFADDR as libc::c_ulong, &mut address)?;
        let mut up = request();
        up.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        ioctl(&socket, libc::SIOCSIFFLAGS as libc::c_ulong, &mut up)?;
        Ok(Self(tap))
    }

    /// Next frame, or `None` after half a second of silence.
    fn frame(&mut self) -> Option<Vec<u8>> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd on this stack.
        if unsafe { libc::poll(&raw mut poll, 1, 500) } < 1 {
            return None;
        }
        let mut bytes = vec![0; 2000];
        let len = self.0.read(&mut bytes).unwrap();
        bytes.truncate(len);
        Some(bytes)
    }

    /// Answers the kernel's question for the peer's MAC address (RFC 826), which lets the waiting packets go.
    fn resolve(&mut self) {
        let asked = std::iter::from_fn(|| self.frame()).find(|frame| frame[12..14] == [8, 6] && frame[38..42] == THEM).unwrap();
        let mut answer = asked.clone();
        answer[0..6].copy_from_slice(&asked[6..12]);
        answer[6..12].copy_from_slice(&THEIR_MAC);
        answer[21] = 2;
        answer[22..28].copy_from_slice(&THEIR_MAC);
        answer[28..32].copy_from_slice(&THEM);
        answer[32..38].copy_from_slice(&asked[22..28]);
        answer[38..42].copy_from_slice(&US);
        self.0.write_all(&answer).unwrap();
    }

    /// UDP payloads that come until silence.
    fn payloads(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.frame()).filter(|frame| frame[12..14] == [8, 0]).map(|frame| frame[42..].to_vec()).collect()
    }
}

#[test]
fn a_full_send_buffer_drops_and_never_sends_other_bytes() {
    // A thread of its own: the namespace ends with it.
    std::thread::spawn(|| {
        let mut link = match SlowLink::new() {
            Ok(link) => link,
            Err(error) => return eprintln!("skipped, no network namespace here: {error}"),
        };
        let mut ring = ring_with(2, |config| config.send_buffer = Some(8192));
        let pair = ring.open(US.into(), PacketSize::Small, Instant::now()).unwrap();
        let to = SocketAddr::from((THEM, 4000));
        let mut send = |range: std::ops::Range<u8>| {
            let mut now = ring.slot(Instant::now());
            for n in range {
                assert!(now.send(pair.rtp, to, &[n; 1000]));
            }
            now.finish();
            slot(&mut ring);
            ring.counters()
        };
        let filled = send(0..60);
        assert!(filled.sent == 60 && filled.tx_dropped >= 40 && filled.tx_dropped < 60, "{filled:?}");
        // The same memory again, with other bytes, while the first packets still wait for the link.
        let again = send(100..160);
        assert_eq!(again.tx_dropped, filled.tx_dropped + 60);
        link.resolve();
        let expected: Vec<_> = (0..60 - filled.tx_dropped as u8).map(|n| vec![n; 1000]).collect();
        assert_eq!(link.payloads(), expected);
        // And the way is free.
        assert_eq!(send(200..202).tx_dropped, again.tx_dropped);
        assert_eq!(link.payloads(), [vec![200; 1000], vec![201; 1000]]);
    })
    .join()
    .unwrap();
}
