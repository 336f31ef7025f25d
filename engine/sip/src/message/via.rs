//! Via: the way a request came and its answer goes back.
//!
//! ```text
//!   SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77;rport=5061;received=198.51.100.7
//!           └transport └─sent-by──┘ └──────────────── params ───────────────┘
//! ```
//! Shape:  [`Via`] is one value of the list; its usual parameters are read with it.
//! Units:  `ttl` in hops.
//! Errors: [`Problem`]. A protocol other than SIP/2.0 is `Syntax`: nothing else may be answered.
//! Not here: filling in `received` and `rport` (`write`), choosing the way back (`endpoint`).
//! Source: RFC 3261 §20.42 and §18.2, RFC 3581 (rport), RFC 5118 §4.5 (IPv6 in `received`).

use std::fmt;
use std::net::IpAddr;

use super::cursor::Cursor;
use super::error::Problem;
use super::host::{Host, ip_with_or_without_brackets};
use super::lex::{is_lws, number, trim};
use super::params::{Param, ParamValue, Params, Usual};

/// How branches of RFC 3261 begin (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// A transport as Via names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport<'a> {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP (RFC 4168).
    Sctp,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
    /// Any other token.
    Other(&'a str),
}

impl<'a> Transport<'a> {
    fn parse(token: &'a str) -> Self {
        const KNOWN: [Transport<'static>; 6] =
            [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Sctp, Transport::Ws, Transport::Wss];
        KNOWN.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(token)).unwrap_or(Self::Other(token))
    }

    /// As it goes on the wire.
    pub const fn as_str(self) -> &'a str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other(token) => token,
        }
    }

    /// Whether it delivers what was sent, so that nothing is sent twice (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

impl fmt::Display for Transport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `rport` parameter (RFC 3581 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rport {
    /// Not there.
    #[default]
    Absent,
    /// There without value: the client asks for it.
    Asked,
    /// Filled in by the server.
    Port(u16),
}

/// One Via value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Via<'a> {
    /// Transport the request was sent over.
    pub transport: Transport<'a>,
    /// Host of sent-by.
    pub host: Host<'a>,
    /// Port of sent-by, if written.
    pub port: Option<u16>,
    /// `branch`, never empty.
    pub branch: Option<&'a str>,
    /// `received`.
    pub received: Option<IpAddr>,
    /// `rport`.
    pub rport: Rport,
    /// `maddr`.
    pub maddr: Option<Host<'a>>,
    /// `ttl`.
    pub ttl: Option<u8>,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// `Syntax` for a protocol that is not SIP/2.0, sent-by and parameters, `Range` for a port or `ttl` too large.
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        let (mut cursor, mut via) = (Cursor::new(text), Self::EMPTY);
        via.read(&mut cursor)?;
        if cursor.is_at_end() { Ok(via) } else { Err(Problem::Syntax) }
    }

    /// What stands where a Via has yet to be read.
    pub(super) const EMPTY: Self = Self {
        transport: Transport::Udp,
        host: Host::EMPTY,
        port: None,
        branch: None,
        received: None,
        rport: Rport::Absent,
        maddr: None,
        ttl: None,
        params: Params::EMPTY,
    };

    /// Reads the first value of a header line in the place of [`Via::EMPTY`].
    #[inline(never)]
    pub(super) fn read_top(&mut self, line: &'a str) -> Result<(), Problem> {
        let mut cursor = Cursor::new(line);
        self.read(&mut cursor)?;
        if cursor.is_at_end() || cursor.peek() == Some(b',') { Ok(()) } else { Err(Problem::Syntax) }
    }

    #[inline(always)]
    fn read(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Problem> {
        if self.read_route(cursor)? != "2.0" {
            return Err(Problem::Syntax);
        }
        let mut problem = Problem::Syntax;
        self.params =
            Params::read(cursor, Usual::BRANCH, |param| self.take(param).map_err(|found| problem = found).is_ok()).ok_or(problem)?;
        Ok(())
    }

    /// Reads protocol, of any version, and sent-by, and of the parameters what makes sense, to answer a request that is
    /// wrong. Gives the text before the parameters too.
    pub(super) fn parse_for_answer(text: &'a str) -> Option<(&'a str, Self)> {
        let (mut cursor, mut via) = (Cursor::new(text), Self::EMPTY);
        let _version = via.read_route(&mut cursor).ok()?;
        let route = Cursor::new(text).until_cursor(cursor);
        let params = Params::read_all(&mut cursor, Usual::BRANCH, |param| {
            let _unreadable = via.take(param);
            true
        });
        via.params = params.unwrap_or_default();
        Some((trim(route), via))
    }

    /// `sent-protocol LWS sent-by`; gives the version.
    #[inline(always)]
    fn read_route(&mut self, cursor: &mut Cursor<'a>) -> Result<&'a str, Problem> {
        let version = if cursor.eat_text("SIP/2.0/") { "2.0" } else { Self::read_protocol(cursor).ok_or(Problem::Syntax)? };
        let transport = cursor.token().ok_or(Problem::Syntax)?;
        if !cursor.peek().is_some_and(is_lws) {
            return Err(Problem::Syntax);
        }
        cursor.skip_lws();
        self.host.read(cursor).ok_or(Problem::Syntax)?;
        // White space around the colon is allowed here, unlike in a URI (RFC 3261 §25.1, `COLON`).
        self.port = if cursor.eat_spaced(b':') { Some(Host::port_digits(cursor).ok_or(Problem::Range)?) } else { None };
        if transport != Transport::Udp.as_str() {
            self.transport = Transport::parse(transport);
        }
        Ok(version)
    }

    /// `SIP / version /`, in any case and with white space; gives the version.
    fn read_protocol(cursor: &mut Cursor<'a>) -> Option<&'a str> {
        cursor.skip_lws();
        let name = cursor.token()?;
        let version = if cursor.eat_spaced(b'/') { cursor.token()? } else { return None };
        (cursor.eat_spaced(b'/') && name.eq_ignore_ascii_case("SIP")).then_some(version)
    }

    /// Keeps a parameter we know.
    #[inline(always)]
    fn take(&mut self, param: Param<'a>) -> Result<(), Problem> {
        let value = param.value;
        if param.is("branch") {
            self.branch = value.plain();
        } else if param.is("rport") {
            self.rport = match value {
                ParamValue::None => Rport::Asked,
                _ => Rport::Port(small_number(value)?),
            };
        } else if param.is("received") {
            // Set by servers only; one that we cannot read is as good as none.
            self.received = value.plain().and_then(ip_with_or_without_brackets);
        } else if param.is("maddr") {
            let text = value.plain().ok_or(Problem::Syntax)?;
            let host = ip_with_or_without_brackets(text).map(Host::Ip).or_else(|| Host::parse(text));
            self.maddr = Some(host.ok_or(Problem::Syntax)?);
        } else if param.is("ttl") {
            self.ttl = Some(small_number(value)?);
        }
        Ok(())
    }

    /// Port of sent-by, or the default of its transport (RFC 3261 §18.2.2).
    pub const fn port_or_default(&self) -> u16 {
        match (self.port, self.transport) {
            (Some(port), _) => port,
            (None, Transport::Tls | Transport::Wss) => 5061,
            (None, _) => 5060,
        }
    }

    /// The branch, if it is one of RFC 3261: the cookie and something behind it (§8.1.1.7, RFC 4475 §3.2.1).
    pub fn rfc3261_branch(&self) -> Option<&'a str> {
        let branch = self.branch?;
        let cookie = branch.get(..MAGIC_COOKIE.len())?;
        (branch.len() > MAGIC_COOKIE.len() && cookie.eq_ignore_ascii_case(MAGIC_COOKIE)).then_some(branch)
    }
}

fn small_number<T: TryFrom<u32>>(value: ParamValue<'_>) -> Result<T, Problem> {
    let text = value.plain().ok_or(Problem::Syntax)?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        number(text).and_then(|number| T::try_from(number).ok()).ok_or(Problem::Range)
    } else {
        Err(Problem::Syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_read() {
        let via = Via::parse(
            "SIP/2.0/udp [2001:db8::9:1]:5070;received=[2001:db8::9:255];branch=z9hG4bKas3;rport=61000;ttl=16;maddr=224.2.0.1;x=\"y\"",
        )
        .unwrap();
        assert_eq!(via.transport, Transport::Udp);
        assert_eq!(via.host.ip(), "2001:db8::9:1".parse().ok());
        assert_eq!((via.port, via.port_or_default()), (Some(5070), 5070));
        assert_eq!(via.received, "2001:db8::9:255".parse().ok());
        assert_eq!(via.branch, Some("z9hG4bKas3"));
        assert_eq!(via.rport, Rport::Port(61000));
        assert_eq!(via.ttl, Some(16));
        assert_eq!(via.maddr, Host::parse("224.2.0.1"));
        assert_eq!(via.params.iter().count(), 6);
    }

    #[test]
    fn white_space_and_folds_are_read_over() {
        let via = Via::parse("SIP  / 2.0\r\n /TCP     spindle.example.com : 5061  ;\r\n  branch  =   z9hG4bK9ikj8 ; rport").unwrap();
        assert_eq!(via.host, Host::Name("spindle.example.com"));
        assert_eq!((via.port, via.branch, via.rport), (Some(5061), Some("z9hG4bK9ikj8"), Rport::Asked));
    }

    #[test]
    fn received_is_read_with_and_without_brackets() {
        for text in ["SIP/2.0/UDP [::1];received=2001:db8::1", "SIP/2.0/UDP [::1];received=[2001:db8::1]"] {
            assert_eq!(Via::parse(text).map(|via| via.received), Ok("2001:db8::1".parse().ok()));
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        for (text, problem) in [
            ("", Problem::Syntax),
            ("SIP/2.0/UDP", Problem::Syntax),
            ("SIP/2.0/UDP ", Problem::Syntax),
            ("SIP/2.0/UDP192.0.2.1", Problem::Syntax),
            ("SIP/3.0/UDP a", Problem::Syntax),
            ("HTTP/2.0/UDP a", Problem::Syntax),
            ("SIP/2.0/UDP a:", Problem::Range),
            ("SIP/2.0/UDP a:65536", Problem::Range),
            ("SIP/2.0/UDP a;;", Problem::Syntax),
            ("SIP/2.0/UDP a;ttl=256", Problem::Range),
            ("SIP/2.0/UDP a;ttl=x", Problem::Syntax),
            ("SIP/2.0/UDP a;rport=70000", Problem::Range),
            ("SIP/2.0/UDP a b", Problem::Syntax),
        ] {
            assert_eq!(Via::parse(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn a_cookie_alone_is_no_branch_of_rfc_3261() {
        let branch = |text| Via::parse(text).ok().and_then(|via| via.rfc3261_branch());
        assert_eq!(branch("SIP/2.0/UDP a;branch=z9hG4bK"), None);
        assert_eq!(branch("SIP/2.0/UDP a;branch=1"), None);
        assert_eq!(branch("SIP/2.0/UDP a"), None);
        assert_eq!(branch("SIP/2.0/UDP a;branch=z9hG4bK1"), Some("z9hG4bK1"));
    }

    #[test]
    fn broken_parameters_do_not_hide_the_way_back() {
        let (route, via) = Via::parse_for_answer("SIP/7.0/UDP 192.0.2.15:5062 ;rport;;,;,,").unwrap();
        assert_eq!((route, via.port, via.rport), ("SIP/7.0/UDP 192.0.2.15:5062", Some(5062), Rport::Asked));
    }
}
