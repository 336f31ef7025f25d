//! A telephone: registers with digest, calls, answers, sends a tone and hears one.
//!
//! ```text
//!   register ─▶ call | answer ─▶ talk ─▶ hang_up | the other hangs up ─▶ unregister
//! ```
//! Shape:  one UDP socket for SIP, an [`RtpPeer`] for media, blocking calls, one call at a time.
//! Units:  every wait has a `Duration`.
//! Errors: [`PhoneError`] with what was waited for and what came instead.
//! Source: RFC 3261 as a phone lives it: requests are repeated each T1 until answered, a 200 until its ACK.
//! Not here: anything of the switch; the SIP text is the phone's own, only the digest is `sip::auth`.

pub mod text;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use sip::auth::{ClientAuth, Identity};
use sip::sdp::Sdp;

use crate::rtp_peer::{Codec, RtpPeer};
use text::{Text, with_body};

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// How long a read of the SIP socket may hold up the media: a twentieth of a packet time.
const READ_TIMEOUT: Duration = Duration::from_millis(1);

/// Who the phone is, and where its switch is.
#[derive(Debug, Clone)]
pub struct Account {
    /// User part of the AOR.
    pub user: String,
    /// Domain of the AOR.
    pub domain: String,
    /// Digest password.
    pub secret: String,
    /// Where the switch takes SIP.
    pub server: SocketAddr,
}

/// Why the phone could not do it.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// A socket failed.
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
    /// Nothing came.
    #[error("{user}: no {what} within {within:?}")]
    Silence {
        /// Whose phone.
        user: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        within: Duration,
    },
    /// The answer was a failure.
    #[error("{user}: {what} was answered {status}")]
    Refused {
        /// Whose phone.
        user: String,
        /// Which request.
        what: &'static str,
        /// Final status.
        status: u16,
    },
    /// The other side's message made no sense.
    #[error("{user}: {what}")]
    Nonsense {
        /// Whose phone.
        user: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// How [`Phone::talk`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// The time is over and the call goes on.
    Ongoing,
    /// The other side hung up.
    HungUp,
}

/// An answered call.
#[derive(Debug, Clone)]
struct Dialog {
    call_id: String,
    /// Our From or To, with tag.
    us: String,
    /// Theirs, with tag.
    them: String,
    target: String,
    cseq: u32,
}

/// A phone.
#[derive(Debug)]
pub struct Phone {
    account: Account,
    socket: UdpSocket,
    /// Its media.
    pub rtp: RtpPeer,
    rng: ChaCha12Rng,
    serial: u32,
    dialog: Option<Dialog>,
}

impl Phone {
    /// Binds its sockets on `ip`.
    ///
    /// # Errors
    /// The bind's.
    pub fn new(account: Account, ip: IpAddr, codec: Codec, tone_hz: f64) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        let seed = u64::from(socket.local_addr()?.port()) << 32 | u64::from(std::process::id());
        Ok(Self {
            account,
            socket,
            rtp: RtpPeer::bind(ip, codec, tone_hz)?,
            rng: ChaCha12Rng::seed_from_u64(seed),
            serial: 0,
            dialog: None,
        })
    }

    /// Where its SIP socket is.
    ///
    /// # Errors
    /// The socket's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// REGISTER with digest; `expires` 0 ends the registration. Gives the lifetime granted.
    ///
    /// # Errors
    /// `Silence`, `Refused`.
    pub fn register(&mut self, expires: u32, within: Duration) -> Result<u32, PhoneError> {
        let uri = format!("sip:{}", self.account.domain);
        let aor = self.aor();
        let from = format!("{aor};tag={}", self.token("t"));
        let call_id = self.token("reg");
        let contact = format!("Contact: {}\r\nExpires: {expires}\r\n", self.contact()?);
        let (answer, _) = self.request("REGISTER", &uri, &from, &aor, &call_id, &contact, None, within, &mut |_| {})?;
        match answer.status() {
            Some(200) => Ok(granted(&answer).unwrap_or(0)),
            status => Err(self.refused("REGISTER", status)),
        }
    }

    /// Calls `to`, waits for the answer, and starts its media. `progress` hears each provisional status.
    ///
    /// # Errors
    /// `Silence`, `Refused`, `Nonsense`.
    pub fn call(&mut self, to: &str, within: Duration, mut progress: impl FnMut(u16)) -> Result<(), PhoneError> {
        let uri = format!("sip:{to}@{}", self.account.domain);
        let from = format!("{};tag={}", self.aor(), self.token("t"));
        let call_id = self.token("call");
        let contact = format!("Contact: {}\r\n", self.contact()?);
        let offer = self.session()?;
        let (answer, cseq) =
            self.request("INVITE", &uri, &from, &format!("<{uri}>"), &call_id, &contact, Some(&offer), within, &mut progress)?;
        if answer.status() != Some(200) {
            return Err(self.refused("INVITE", answer.status()));
        }
        let target = answer.uri("Contact").ok_or_else(|| self.nonsense("the 200 has no Contact"))?.to_owned();
        let dialog = Dialog { call_id, us: from, them: answer.header("To").to_owned(), target, cseq };
        self.send_in_dialog("ACK", &dialog, cseq)?;
        self.hear(&answer)?;
        self.dialog = Some(dialog);
        Ok(())
    }

    /// Waits for a call, lets it ring, answers it, and starts its media.
    ///
    /// # Errors
    /// `Silence`, `Nonsense`.
    pub fn answer(&mut self, within: Duration, ring: Duration) -> Result<(), PhoneError> {
        let invite = self.wait_request("INVITE", within)?;
        let tag = self.token("t");
        self.respond(&invite, 180, "Ringing", &tag, None)?;
        let rung = Instant::now() + ring;
        while Instant::now() < rung {
            self.receive()?;
        }
        let us = format!("{};tag={tag}", invite.header("To"));
        let target = invite.uri("Contact").ok_or_else(|| self.nonsense("the INVITE has no Contact"))?.to_owned();
        let dialog = Dialog { call_id: invite.header("Call-ID").to_owned(), us, them: invite.header("From").to_owned(), target, cseq: 0 };
        let session = self.session()?;
        // RFC 3261 §13.3.1.4: the 200 is repeated until its ACK.
        let deadline = Instant::now() + within;
        let mut next = Instant::now();
        loop {
            if Instant::now() >= next {
                self.respond(&invite, 200, "OK", &tag, Some(&session))?;
                next += T1;
            }
            if self.receive()?.is_some_and(|message| message.method() == Some("ACK")) {
                break;
            }
            if Instant::now() > deadline {
                return Err(self.silence("ACK", within));
            }
        }
        self.hear(&invite)?;
        self.dialog = Some(dialog);
        Ok(())
    }

    /// Sends its tone and listens for so long, or until the other side hangs up.
    ///
    /// # Errors
    /// `Socket`.
    pub fn talk(&mut self, duration: Duration) -> Result<Talk, PhoneError> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            if let Some(message) = self.receive()?
                && message.method() == Some("BYE")
            {
                self.respond(&message, 200, "OK", "", None)?;
                self.rtp.set_remote(None);
                self.dialog = None;
                return Ok(Talk::HungUp);
            }
        }
        Ok(Talk::Ongoing)
    }

    /// BYE.
    ///
    /// # Errors
    /// `Silence`, `Refused`; `Nonsense` without a call.
    pub fn hang_up(&mut self, within: Duration) -> Result<(), PhoneError> {
        let dialog = self.dialog.take().ok_or_else(|| self.nonsense("there is no call to hang up"))?;
        self.rtp.set_remote(None);
        let cseq = dialog.cseq + 1;
        let deadline = Instant::now() + within;
        let mut next = Instant::now();
        loop {
            if Instant::now() >= next {
                self.send_in_dialog("BYE", &dialog, cseq)?;
                next += T1;
            }
            if let Some(message) = self.receive()?
                && let Some(status) = message.status()
                && message.cseq() == (cseq, "BYE")
            {
                return if status == 200 { Ok(()) } else { Err(self.refused("BYE", Some(status))) };
            }
            if Instant::now() > deadline {
                return Err(self.silence("answer to BYE", within));
            }
        }
    }

    /// One request outside a dialog: repeated each T1, answered once when challenged, ACKed when it is an INVITE that
    /// fails. Gives the final response and the CSeq number it answers.
    #[allow(clippy::too_many_arguments, reason = "the parts of one message, named at the call")]
    fn request(
        &mut self,
        method: &'static str,
        uri: &str,
        from: &str,
        to: &str,
        call_id: &str,
        more: &str,
        body: Option<&str>,
        within: Duration,
        progress: &mut dyn FnMut(u16),
    ) -> Result<(Text, u32), PhoneError> {
        let deadline = Instant::now() + within;
        let local = self.socket.local_addr()?;
        let mut authorization = String::new();
        for cseq in 1..=2 {
            let branch = self.token("z9hG4bK");
            let head = |method: &str, to: &str| {
                format!(
                    "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
                     Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
                )
            };
            let request = with_body(format!("{}{more}{authorization}User-Agent: mediaswitch-phone\r\n", head(method, to)), body);
            let (mut next, mut repeats) = (Instant::now(), true);
            let answer = loop {
                if repeats && Instant::now() >= next {
                    self.socket.send_to(&request, self.account.server)?;
                    next += T1;
                }
                if let Some(message) = self.receive()?
                    && message.cseq() == (cseq, method)
                    && message.header("Call-ID") == call_id
                    && let Some(status) = message.status()
                {
                    if status >= 200 {
                        break message;
                    }
                    // RFC 3261 §17.1.1.2: an INVITE is not repeated once there is a provisional response.
                    repeats = false;
                    progress(status);
                }
                if Instant::now() > deadline {
                    return Err(self.silence("final response", within));
                }
            };
            if method == "INVITE" && answer.status() != Some(200) {
                let ack = with_body(head("ACK", answer.header("To")), None);
                self.socket.send_to(&ack, self.account.server)?;
            }
            if answer.status() != Some(401) || cseq == 2 {
                return Ok((answer, cseq));
            }
            let identity = Identity { username: self.account.user.clone(), secret: self.account.secret.clone() };
            let mut auth = ClientAuth::new(identity, false, answer.headers("WWW-Authenticate"))
                .map_err(|_| self.nonsense("the challenge cannot be answered"))?;
            authorization = format!("{}: {}\r\n", auth.header(), auth.answer(method, uri, &mut self.rng));
        }
        Err(self.nonsense("the challenge was not answered"))
    }

    fn send_in_dialog(&mut self, method: &str, dialog: &Dialog, cseq: u32) -> Result<(), PhoneError> {
        let local = self.socket.local_addr()?;
        let branch = self.token("z9hG4bK");
        let Dialog { call_id, us, them, target, .. } = dialog;
        let head = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {us}\r\nTo: {them}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
        );
        self.socket.send_to(&with_body(head, None), self.account.server)?;
        Ok(())
    }

    fn respond(&mut self, request: &Text, status: u16, phrase: &str, tag: &str, body: Option<&str>) -> Result<(), PhoneError> {
        let mut head = format!("SIP/2.0 {status} {phrase}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in request.headers(name) {
                let tag = if name == "To" && !tag.is_empty() && !value.contains("tag=") { format!(";tag={tag}") } else { String::new() };
                head.push_str(&format!("{name}: {value}{tag}\r\n"));
            }
        }
        head.push_str(&format!("Contact: {}\r\nUser-Agent: mediaswitch-phone\r\n", self.contact()?));
        self.socket.send_to(&with_body(head, body), self.account.server)?;
        Ok(())
    }

    /// One look at both sockets: media in and out, and at most one SIP message, of which OPTIONS is answered here.
    fn receive(&mut self) -> Result<Option<Text>, PhoneError> {
        self.rtp.step(Instant::now());
        let mut octets = [0_u8; 8192];
        let length = match self.socket.recv_from(&mut octets) {
            Ok((length, _)) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(message) = octets.get(..length).and_then(Text::new) else { return Ok(None) };
        if message.method() == Some("OPTIONS") {
            self.respond(&message, 200, "OK", "ping", None)?;
            return Ok(None);
        }
        Ok(Some(message))
    }

    fn wait_request(&mut self, method: &'static str, within: Duration) -> Result<Text, PhoneError> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(message) = self.receive()?
                && message.method() == Some(method)
            {
                return Ok(message);
            }
        }
        Err(self.silence(method, within))
    }

    /// Sends media to where the session description of `message` says, and takes what comes from now on.
    fn hear(&mut self, message: &Text) -> Result<(), PhoneError> {
        let remote = Sdp::parse(message.body()).ok().and_then(|sdp| {
            let media = sdp.first_audio()?;
            let ours = media.payloads().any(|payload| payload == self.rtp.codec().payload_type());
            ours.then_some(SocketAddr::new(sdp.media_ip(media)?, media.port))
        });
        self.rtp.set_remote(Some(remote.ok_or_else(|| self.nonsense("their session does not have our codec"))?));
        Ok(())
    }

    fn session(&self) -> Result<String, PhoneError> {
        let local = self.rtp.local_addr()?;
        let family = if local.is_ipv4() { "IP4" } else { "IP6" };
        let (ip, port, codec) = (local.ip(), local.port(), self.rtp.codec());
        let (payload, name) = (codec.payload_type(), codec.name());
        Ok(format!(
            "v=0\r\no=- {port} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {payload}\r\n\
             a=rtpmap:{payload} {name}/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        ))
    }

    fn aor(&self) -> String {
        format!("<sip:{}@{}>", self.account.user, self.account.domain)
    }

    fn contact(&self) -> io::Result<String> {
        Ok(format!("<sip:{}@{}>", self.account.user, self.socket.local_addr()?))
    }

    /// A string that this phone has not used before.
    fn token(&mut self, prefix: &str) -> String {
        self.serial += 1;
        let port = self.socket.local_addr().map_or(0, |local| local.port());
        format!("{prefix}-{}-{port}-{}", std::process::id(), self.serial)
    }

    fn silence(&self, what: &'static str, within: Duration) -> PhoneError {
        PhoneError::Silence { user: self.account.user.clone(), what, within }
    }

    fn refused(&self, what: &'static str, status: Option<u16>) -> PhoneError {
        PhoneError::Refused { user: self.account.user.clone(), what, status: status.unwrap_or(0) }
    }

    fn nonsense(&self, what: &'static str) -> PhoneError {
        PhoneError::Nonsense { user: self.account.user.clone(), what }
    }
}

/// Lifetime granted: the `expires` parameter of the Contact, else the Expires header (RFC 3261 §10.2.4).
fn granted(answer: &Text) -> Option<u32> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let parameter = answer.headers("Contact").find_map(|contact| {
        let (_, rest) = contact.split_once(";expires=")?;
        rest.get(..digits(rest))?.parse().ok()
    });
    parameter.or_else(|| answer.header("Expires").parse().ok())
}
