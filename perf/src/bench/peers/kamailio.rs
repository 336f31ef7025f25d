//! Kamailio as a registrar, as `perf/peers/kamailio.sh` sets it up.
//!
//! Shape:  one UDP worker and its helpers, all on one CPU; a fresh one for each measurement.
//! Units:  none.
//! Errors: [`Missing`].
//! Note:   it answers nothing but REGISTER, so that is what it is asked until it answers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use super::{Missing, Peer};
use crate::bench::usage;
use crate::process::free_port;

const SCRIPT: &str = include_str!("../../../peers/kamailio.sh");

/// A running one.
#[derive(Debug)]
pub struct Kamailio {
    peer: Peer,
    directory: PathBuf,
    /// Where it takes SIP.
    pub sip: SocketAddrV4,
}

impl Kamailio {
    /// Starts it on `ip` and one CPU.
    ///
    /// # Errors
    /// It is not installed, or does not answer.
    pub fn start(ip: Ipv4Addr, cpu: usize) -> Result<Self, Missing> {
        let broken = |error: std::io::Error| Missing::Broken(error.to_string());
        let sip = SocketAddrV4::new(ip, free_port().map_err(broken)?);
        let directory = std::env::temp_dir().join(format!("bench-kamailio-{}", std::process::id()));
        let words = [ip.to_string(), sip.port().to_string(), cpu.to_string(), directory.display().to_string()];
        let probe = UdpSocket::bind((ip, 0)).map_err(broken)?;
        probe.set_read_timeout(Some(Duration::from_millis(50))).map_err(broken)?;
        let at = probe.local_addr().map_err(broken)?;
        let text = format!(
            "OPTIONS sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-probe;rport\r\nMax-Forwards: 70\r\nFrom: <sip:probe@{at}>;tag=p\r\n\
             To: <sip:{sip}>\r\nCall-ID: probe@{at}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        let mut answer = [0; 2048];
        let peer = Peer::start(SCRIPT, &words, || {
            // Any answer will do; a port that nobody listens on yet refuses.
            let _ = probe.send_to(text.as_bytes(), sip);
            probe.recv_from(&mut answer).is_ok()
        });
        Ok(Self { peer: peer?, directory, sip })
    }

    /// All its processes.
    pub fn pids(&self) -> Vec<u32> {
        usage::family(self.peer.id())
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its configuration, in a directory of temporary files: what is left of it harms nobody.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
