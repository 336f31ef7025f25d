//! What the kernel says of our own sockets and threads: packets dropped at a socket, CPU time of a thread, its place.
//!
//! ```text
//!   /proc/net/udp ─▶ drops, by local address          /proc/thread-self/schedstat ─▶ nanoseconds on the CPU
//! ```
//! Units:  packets; `Duration`.
//! Errors: none: what /proc does not say is 0.
//! Source: Linux Documentation/filesystems/proc.rst; the columns of /proc/net/udp.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Packets that found no room in the buffers of the UDP sockets chosen.
pub fn udp_drops(wanted: impl Fn(SocketAddrV4) -> bool) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    table.lines().skip(1).filter_map(row).filter(|(at, _)| wanted(*at)).map(|(_, drops)| drops).sum()
}

fn row(line: &str) -> Option<(SocketAddrV4, u64)> {
    let mut fields = line.split_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    // The address is shown as the machine's own integer, here little-endian.
    let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
    let at = SocketAddrV4::new(ip, u16::from_str_radix(port, 16).ok()?);
    Some((at, fields.next_back()?.parse().ok()?))
}

/// Directory of the calling thread in /proc.
pub fn this_thread() -> PathBuf {
    fs::read_link("/proc/thread-self").map_or_else(|_| PathBuf::new(), |task| PathBuf::from("/proc").join(task))
}

/// Time that a thread was on a CPU, given its directory in /proc.
pub fn cpu_time(task: &std::path::Path) -> Duration {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// Puts the calling thread on one CPU and asks for `SCHED_FIFO` 9, one under what the switch asks for. What is refused is seen in the
/// lag of the thread.
pub fn take_cpu(cpu: usize) {
    let _ = core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
    if let Some(id) = this_thread().file_name() {
        // `chrt` of util-linux: the system call would need `unsafe`, for once a run.
        let mut command = Command::new("chrt");
        let _ = command.args(["--fifo", "--reset-on-fork", "--pid", "9"]).arg(id).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, UdpSocket};

    #[test]
    fn what_overflows_a_socket_is_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(at) = socket.local_addr().unwrap() else { panic!() };
        assert_eq!(udp_drops(|address| address == at), 0);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..2000 {
            sender.send_to(&[0; 4000], at).unwrap();
        }
        assert!(udp_drops(|address| address == at) > 0);
    }

    #[test]
    fn the_time_of_this_thread_grows() {
        let task = this_thread();
        let before = cpu_time(&task);
        while cpu_time(&task) == before {}
    }
}
