//! rtpengine as a relay and transcoder, as `perf/peers/rtpengine.sh` sets it up: in user space, one worker.
//!
//! ```text
//!   RtpEngine::start ─▶ bridge(n, a, b) … ─▶ ports for the phones ─▶ the load ─▶ CPU of its process
//!                         └ offer and answer of the NG protocol: "cookie bencoded-dictionary" over UDP
//! ```
//! Shape:  a fresh one for each measurement, its ports on our loopback address.
//! Units:  none.
//! Errors: [`Missing`] at the start; text where it refuses a bridge.
//! Source: rtpengine's README, "The NG control protocol".

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Missing, Peer};
use crate::load::Codec;

const SCRIPT: &str = include_str!("../../../peers/rtpengine.sh");
/// Requests that are not answered are asked again so often.
const TRIES: usize = 5;

/// A running one.
#[derive(Debug)]
pub struct RtpEngine {
    peer: Peer,
    control: UdpSocket,
    ng: SocketAddr,
    requests: u32,
}

/// Whether there is one to start.
pub fn is_installed() -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join("rtpengine").is_file()))
}

impl RtpEngine {
    /// Starts it on `ip` and one CPU.
    ///
    /// # Errors
    /// It is not installed, or does not answer.
    pub fn start(ip: IpAddr, cpu: usize) -> Result<Self, Missing> {
        let broken = |error: std::io::Error| Missing::Broken(error.to_string());
        let control = UdpSocket::bind((ip, 0)).map_err(broken)?;
        control.set_read_timeout(Some(Duration::from_millis(300))).map_err(broken)?;
        let ng = UdpSocket::bind((ip, 0)).and_then(|socket| socket.local_addr()).map_err(broken)?;
        let words = [ip.to_string(), ng.port().to_string(), cpu.to_string()];
        let peer = Peer::start(SCRIPT, &words, || ask(&control, ng, "ready", "d7:command4:pinge").is_some())?;
        Ok(Self { peer, control, ng, requests: 0 })
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.peer.id()
    }

    /// Bridges two phones; where each has to send to.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    pub fn bridge(
        &mut self,
        number: usize,
        a: (SocketAddr, Codec),
        b: (SocketAddr, Codec),
        ptime_ms: u16,
    ) -> Result<[SocketAddr; 2], String> {
        let call = format!("7:call-id{}8:from-tag1:a", text(&format!("bridge-{number}")));
        // Where both speak the same nothing is said of codecs: it relays then.
        let codec = if a.1 == b.1 { String::new() } else { format!("5:codecd4:maskl3:alle9:transcodel{}ee", text(word(b.1))) };
        let towards_b = self.ask(&format!("d{call}{codec}7:command5:offer3:sdp{}e", text(&sdp(a, ptime_ms))))?;
        let towards_a = self.ask(&format!("d{call}7:command6:answer3:sdp{}6:to-tag1:be", text(&sdp(b, ptime_ms))))?;
        // The port in the offer that b sees is where b sends; a learns its own from the answer.
        let at = |answer: &str| {
            port(answer).map(|port| SocketAddr::new(self.ng.ip(), port)).ok_or_else(|| format!("rtpengine: no port in {answer}"))
        };
        Ok([at(&towards_a)?, at(&towards_b)?])
    }

    fn ask(&mut self, dictionary: &str) -> Result<String, String> {
        for _ in 0..TRIES {
            self.requests += 1;
            if let Some(answer) = ask(&self.control, self.ng, &format!("c{}", self.requests), dictionary) {
                return if answer.contains("6:result5:error") { Err(format!("rtpengine refuses: {answer}")) } else { Ok(answer) };
            }
        }
        Err("rtpengine does not answer".to_owned())
    }
}

fn ask(control: &UdpSocket, ng: SocketAddr, cookie: &str, dictionary: &str) -> Option<String> {
    control.send_to(format!("{cookie} {dictionary}").as_bytes(), ng).ok()?;
    let mut answer = vec![0; 65_536];
    // Answers to requests that were given up may still come.
    for _ in 0..TRIES {
        let (length, _) = control.recv_from(&mut answer).ok()?;
        let text = String::from_utf8_lossy(answer.get(..length)?).into_owned();
        if let Some(text) = text.strip_prefix(cookie).and_then(|text| text.strip_prefix(' ')) {
            return Some(text.to_owned());
        }
    }
    None
}

/// A string of bencode.
fn text(text: &str) -> String {
    format!("{}:{text}", text.len())
}

/// The codec as its list of transcodes names it.
const fn word(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
        Codec::G722 => "G722",
        Codec::Ilbc => "iLBC/8000/1//mode=20",
        Codec::L16 => "L16/8000",
    }
}

fn sdp((at, codec): (SocketAddr, Codec), ptime_ms: u16) -> String {
    let (ip, port, number) = (at.ip(), at.port(), codec.payload_type());
    let (name, fmtp) = match codec {
        Codec::Pcmu => ("PCMU", ""),
        Codec::Pcma => ("PCMA", ""),
        Codec::G722 => ("G722", ""),
        Codec::Ilbc => ("iLBC", "a=fmtp:97 mode=20\r\n"),
        Codec::L16 => ("L16", ""),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {number}\r\na=rtpmap:{number} {name}/8000\r\n{fmtp}a=ptime:{ptime_ms}\r\na=sendrecv\r\n"
    )
}

/// Port of the `m=` line in an answer.
fn port(answer: &str) -> Option<u16> {
    answer.split("m=audio ").nth(1)?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_has_the_lengths_of_its_strings() {
        assert_eq!(text("G722"), "4:G722");
        let sdp = sdp((SocketAddr::from(([127, 0, 0, 1], 4000)), Codec::Ilbc), 20);
        assert!(sdp.contains("a=fmtp:97 mode=20\r\n") && port(&sdp) == Some(4000));
    }
}
