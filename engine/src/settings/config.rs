//! The settings of a run, typed and checked: what each program needs to start.
//!
//! Shape:  [`ApiConfig`] for every program, then [`SipConfig`], [`RtpConfig`], [`ControlConfig`] for those that run.
//! Units:  ports as numbers, times as `Duration`, expiry in seconds.
//! Errors: [`SettingsError::Value`] with what would be right.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use control_http::server::{ListenPolicy, Token};
use rtp::jitter::Bounds;
use sip::auth::{NETWORKS_MAX, Network};

use super::{Program, Settings, SettingsError};
use crate::address::{self, ListenerAddress, PublicAddress};
use crate::media::Interface;

/// What guards the HTTP listeners, and what our requests carry.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Address of the listeners.
    pub address: IpAddr,
    /// Who may use them.
    pub policy: ListenPolicy,
}

/// project-sip.
#[derive(Debug, Clone)]
pub struct SipConfig {
    /// Where to listen, and the address to advertise there.
    pub listeners: Vec<(SocketAddr, IpAddr)>,
    /// Networks that need no password and have a larger budget.
    pub trusted: Vec<Network>,
    /// Name servers; none takes those of the system.
    pub dns: Vec<SocketAddr>,
    /// HTTP listener.
    pub http: SocketAddr,
    /// Live dialogs at most.
    pub calls_max: usize,
    /// Session interval that we ask for (RFC 4028).
    pub session_expires: Duration,
    /// Live registrations at most.
    pub registrations_max: usize,
    /// Shortest and longest registration, seconds.
    pub expires: RangeInclusive<u32>,
    /// Time between two OPTIONS to a registered phone.
    pub ping_every: Option<Duration>,
}

/// project-rtp.
#[derive(Debug, Clone)]
pub struct RtpConfig {
    /// Local addresses of the sockets, each with the one that far ends are told; at least one.
    pub interfaces: Vec<Interface>,
    /// Ports, even for RTP, odd for RTCP.
    pub ports: RangeInclusive<u16>,
    /// HTTP listener.
    pub http: SocketAddr,
    /// Silence that is reported.
    pub timeout: Duration,
    /// Directory of sounds and recordings.
    pub media: Option<PathBuf>,
    /// Bytes of decoded sounds.
    pub sounds_bytes: usize,
    /// Bounds of jitter buffers.
    pub jitter: Bounds,
    /// Directions transcoded at most, over all shards.
    pub transcodes_max: Option<u64>,
    /// Type of service of RTP: the code point and two bits of nothing (RFC 2474 §3).
    pub traffic_class: u8,
    /// Receive buffer of an RTP socket, bytes.
    pub receive_buffer: usize,
}

/// project-control.
#[derive(Debug, Clone)]
pub struct ControlConfig {
    /// HTTP listener.
    pub http: SocketAddr,
    /// Where others reach it.
    pub us: (String, u16),
    /// project-sip, one or several.
    pub sip: Vec<(String, u16)>,
    /// project-rtp, one or several; a name stands for all its addresses.
    pub rtp: Vec<(String, u16)>,
    /// Call script; the built-in one if none.
    pub script: Option<PathBuf>,
    /// Read the script again when it changes.
    pub watch: bool,
    /// Domain of the built-in script.
    pub domain: String,
    /// Users of the built-in script, with their secrets; none takes new ones.
    pub users: Vec<(String, String)>,
    /// Whether its users have direct media.
    pub direct: bool,
}

impl ApiConfig {
    /// Reads it.
    ///
    /// # Errors
    /// `Value`.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let policy = ListenPolicy { token: settings.get_with("api-token-file", read_token)?, insecure: settings.is_set("insecure-api") };
        let address = settings.get_with("api-address", |text| {
            let ip: IpAddr = text.parse().map_err(|_| format!("{text} is no IP address"))?;
            policy.check(SocketAddr::new(ip, 0)).map_err(|error| error.to_string()).map(|()| ip)
        })?;
        Ok(Self { address: address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), policy })
    }
}

impl SipConfig {
    /// Reads it.
    ///
    /// # Errors
    /// `Value`.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let public = public_address(settings)?;
        let ports = settings.get_with("sip-port", ports)?.unwrap_or_default();
        let named = settings.get_with("public-address", ListenerAddress::read_all)?.unwrap_or_default();
        let addresses = settings.get_with("sip-address", addresses)?.unwrap_or_else(|| {
            let mut any: Vec<IpAddr> = vec![Ipv4Addr::UNSPECIFIED.into()];
            if address::is_local(Ipv6Addr::UNSPECIFIED.into()) {
                any.push(Ipv6Addr::UNSPECIFIED.into());
            }
            any
        });
        let given = settings.text("public-address").is_some_and(|text| text.split(',').any(|part| !part.contains('=')));
        let advertised = |listener: SocketAddr| {
            let ip = listener.ip();
            let own = || if ip.is_unspecified() || given { public.facing(ip) } else { ip };
            (listener, ListenerAddress::find(&named, listener).unwrap_or_else(own))
        };
        let each = |port: u16| addresses.iter().map(move |ip| SocketAddr::new(*ip, port));
        let listeners: Vec<_> = ports.into_iter().flat_map(each).map(advertised).collect();
        if listeners.len() > LISTENERS_MAX {
            let detail = format!("{} listeners are too many, {LISTENERS_MAX} at most", listeners.len());
            return Err(SettingsError::Value {
                name: "sip-port",
                value: settings.text("sip-port").unwrap_or_default(),
                origin: "settings",
                detail,
            });
        }
        Ok(Self {
            listeners,
            trusted: settings.get_with("trusted", networks)?.unwrap_or_default(),
            dns: settings.get_with("dns", servers)?.unwrap_or_default(),
            http: http(settings, "sip-http-port")?,
            calls_max: settings.require("max-calls")?,
            session_expires: Duration::from_secs(settings.require::<u32>("session-expires")?.max(90).into()),
            registrations_max: settings.require("max-registrations")?,
            expires: settings.get_with("register-expires", |text| range(text, &1, "60-3600"))?.unwrap_or(60..=3600),
            ping_every: Some(settings.require("ping-every")?).filter(|seconds| *seconds > 0).map(Duration::from_secs),
        })
    }
}

impl RtpConfig {
    /// Reads it.
    ///
    /// # Errors
    /// `Value`.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let max: u64 = settings.require("max-transcodes")?;
        let interfaces = interfaces(settings)?;
        // Each address has the whole range: what nobody asked for does not double the descriptors that a host must grant.
        let own = 10_000..=10_000 + 10_000 / u16::try_from(interfaces.len().max(1)).unwrap_or(u16::MAX);
        Ok(Self {
            ports: settings.get_with("rtp-ports", |text| range(text, &1024, "10000-20000"))?.unwrap_or(own),
            interfaces,
            http: http(settings, "rtp-http-port")?,
            timeout: Duration::from_secs(settings.require::<u32>("media-timeout")?.into()),
            media: settings.get("media")?,
            sounds_bytes: usize::from(settings.require::<u16>("media-memory")?) << 20,
            jitter: Bounds::default().within(Some(settings.require("jitter-min")?), Some(settings.require("jitter-max")?)),
            transcodes_max: (max > 0).then_some(max),
            traffic_class: settings.get_with("dscp", code_point)?.unwrap_or(46) << 2,
            receive_buffer: settings.get_with("rtp-buffer", kibibytes)?.unwrap_or(32) << 10,
        })
    }
}

impl ControlConfig {
    /// Reads it. In `mediaswitch` the other two are this process, wherever their ports are.
    ///
    /// # Errors
    /// `Value`.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let http = http(settings, "control-port")?;
        let here = if http.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { http.ip() }.to_string();
        let (sip, rtp, us) = if settings.program == Program::Mediaswitch {
            let sip = settings.require("sip-http-port")?;
            let rtp = settings.require("rtp-http-port")?;
            (vec![(here.clone(), sip)], vec![(here.clone(), rtp)], (here, http.port()))
        } else {
            let required = |name| Ok::<_, SettingsError>(settings.get_with(name, host_ports)?.unwrap_or_default());
            (required("sip")?, required("rtp")?, settings.get_with("us", host_port)?.unwrap_or((here, http.port())))
        };
        let script = settings.get("script")?.or_else(|| match settings.program {
            Program::Control => settings.words.first().map(PathBuf::from),
            Program::Sip | Program::Rtp | Program::Mediaswitch => None,
        });
        let public = PublicAddress::read(settings.text("public-address").as_deref()).ok();
        Ok(Self {
            http,
            us,
            sip,
            rtp,
            script,
            watch: settings.is_set("watch"),
            domain: settings.text("domain").or_else(|| public.map(|public| public.v4.to_string())).unwrap_or_default(),
            users: settings.get_with("users", users)?.unwrap_or_default(),
            direct: settings.is_set("direct"),
        })
    }
}

/// Where RTP sockets are bound, and what is told of it: the public address for the first of each family if one was given,
/// else the address itself.
fn interfaces(settings: &Settings) -> Result<Vec<Interface>, SettingsError> {
    let public = public_address(settings)?;
    let named: Vec<IpAddr> =
        settings.text("public-address").iter().flat_map(|text| text.split(',')).filter_map(|part| part.trim().parse().ok()).collect();
    if let Some(list) = settings.get_with("rtp-address", addresses)? {
        let mut told = [false; 2];
        let interface = |bind: IpAddr| {
            let [v4, v6] = &mut told;
            let first = !std::mem::replace(if bind.is_ipv6() { v6 } else { v4 }, true);
            let given = named.iter().any(|ip| ip.is_ipv6() == bind.is_ipv6());
            Interface { bind, advertised: if given && first { public.facing(bind) } else { bind } }
        };
        return Ok(list.into_iter().map(interface).collect());
    }
    let advertised = IpAddr::from(public.v4);
    // Behind NAT the public address is not ours: the one that the default route uses is.
    let bind = if address::is_local(advertised) {
        advertised
    } else {
        PublicAddress::read(None).map_or(advertised, |found| found.facing(advertised))
    };
    let mut all = vec![Interface { bind, advertised }];
    // An IPv6 address that was given, or that the default route of IPv6 has.
    let v6 = IpAddr::from(public.v6);
    if (named.contains(&v6) || !v6.is_loopback()) && address::is_local(v6) {
        all.push(Interface { bind: v6, advertised: v6 });
    }
    Ok(all)
}

fn code_point(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|point| *point < 64).ok_or_else(|| "must be 0 to 63, such as 46 (EF)".to_owned())
}

fn kibibytes(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|kib| (4..=16_384).contains(kib)).ok_or_else(|| "must be 4 to 16384 KiB".to_owned())
}

fn public_address(settings: &Settings) -> Result<PublicAddress, SettingsError> {
    match settings.get_with("public-address", |text| PublicAddress::read(Some(text)))? {
        Some(public) => Ok(public),
        None => Ok(PublicAddress::read(None).unwrap_or(PublicAddress { v4: Ipv4Addr::LOCALHOST, v6: Ipv6Addr::LOCALHOST })),
    }
}

fn http(settings: &Settings, port: &'static str) -> Result<SocketAddr, SettingsError> {
    Ok(SocketAddr::new(settings.require("api-address")?, settings.require(port)?))
}

fn read_token(path: &str) -> Result<Token, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    Token::parse(&text).map_err(|error| error.to_string())
}

/// Every value between commas, once: a list is a set, however often one of it is given.
fn list<T: PartialEq>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        let value = read(part)?;
        if !all.contains(&value) {
            all.push(value);
        }
    }
    Ok(all)
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    list(text, |part| part.trim_matches(['[', ']']).parse().map_err(|_| format!("{part} is no IP address")))
}

/// At most 32 listeners, each of them UDP and TCP: 64 sockets, and an index of two digits in the endpoint's lists.
const LISTENERS_MAX: usize = 32;

fn ports(text: &str) -> Result<Vec<u16>, String> {
    list(text, |part| part.parse().map_err(|_| format!("{part} is no port")))
}

fn servers(text: &str) -> Result<Vec<SocketAddr>, String> {
    list(text, |part| {
        let ip = || part.trim_matches(['[', ']']).parse().map(|ip: IpAddr| SocketAddr::new(ip, 53));
        part.parse().or_else(|_| ip()).map_err(|_| format!("{part} is no address of a name server, such as 192.0.2.1 or 127.0.0.1:5353"))
    })
}

/// As many as a domain may name: each request outside a dialog is held against all of them.
fn networks(text: &str) -> Result<Vec<Network>, String> {
    let all =
        list(text, |part| part.parse().map_err(|_| format!("{part} is no address or network, such as 192.0.2.7 or 198.51.100.0/24")))?;
    if all.len() > NETWORKS_MAX { Err(format!("must be at most {NETWORKS_MAX} networks")) } else { Ok(all) }
}

fn range<T: FromStr + PartialOrd + Display>(text: &str, least: &T, example: &str) -> Result<RangeInclusive<T>, String> {
    let wrong = || format!("must be two numbers such as {example}, the first from {least} on and not above the second");
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let (Ok(first), Ok(last)) = (first.trim().parse::<T>(), last.trim().parse::<T>()) else { return Err(wrong()) };
    if first < *least || first > last { Err(wrong()) } else { Ok(first..=last) }
}

fn host_port(text: &str) -> Result<(String, u16), String> {
    let text = text.trim().trim_start_matches("http://").trim_end_matches('/');
    let wrong = || "must be HOST:PORT such as 127.0.0.1:9000".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

fn host_ports(text: &str) -> Result<Vec<(String, u16)>, String> {
    list(text, host_port)
}

fn users(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split(',')
        .map(|entry| match entry.trim().split_once(':') {
            Some((name, secret)) if !name.is_empty() && !secret.is_empty() => Ok((name.to_owned(), secret.to_owned())),
            _ => Err("must be NAME:SECRET, several with commas".to_owned()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(program: Program, args: &[&str]) -> Settings {
        Settings::read(program, args.iter().map(Into::into), |_| None).unwrap()
    }

    #[test]
    fn a_given_listener_advertises_itself() {
        let config = SipConfig::read(&settings(Program::Sip, &["--sip-address", "127.0.0.2,[::1],127.0.0.2", "--sp", "5080"])).unwrap();
        let pair = |ip: &str| (SocketAddr::new(ip.parse().unwrap(), 5080), ip.parse::<IpAddr>().unwrap());
        assert_eq!(config.listeners, [pair("127.0.0.2"), pair("::1")]);
    }

    #[test]
    fn several_addresses_share_the_ports_that_nobody_asked_for() {
        let ports = |args: &[&str]| RtpConfig::read(&settings(Program::Rtp, args)).unwrap().ports;
        assert_eq!(ports(&["--rtp-address", "127.0.0.1"]), 10_000..=20_000);
        assert_eq!(ports(&["--rtp-address", "127.0.0.1,127.0.0.2"]), 10_000..=15_000);
        assert_eq!(ports(&["--rtp-address", "127.0.0.1,127.0.0.2", "--rtp-ports", "10000-20000"]), 10_000..=20_000);
    }

    #[test]
    fn several_listeners_have_public_addresses_of_their_own() {
        let args = [
            "--sip-address",
            "10.0.0.1,10.0.1.1",
            "--sp",
            "5060",
            "--sp",
            "5070",
            "--pa",
            "203.0.113.9",
            "--pa",
            "10.0.1.1=198.51.100.1",
            "--pa",
            "10.0.1.1:5070=198.51.100.2",
        ];
        let config = SipConfig::read(&settings(Program::Mediaswitch, &args)).unwrap();
        let pairs: Vec<String> = config.listeners.iter().map(|(listener, public)| format!("{listener} {public}")).collect();
        assert_eq!(
            pairs,
            ["10.0.0.1:5060 203.0.113.9", "10.0.1.1:5060 198.51.100.1", "10.0.0.1:5070 203.0.113.9", "10.0.1.1:5070 198.51.100.2"]
        );
        // Where only some are named, the others advertise themselves.
        let config =
            SipConfig::read(&settings(Program::Sip, &["--sip-address", "10.0.0.1,10.0.1.1", "--pa", "10.0.1.1=198.51.100.1"])).unwrap();
        assert_eq!(config.listeners[0].1, "10.0.0.1".parse::<IpAddr>().unwrap());
        assert!(SipConfig::read(&settings(Program::Sip, &["--sp", "5060,x"])).unwrap_err().to_string().contains("x is no port"));
    }

    #[test]
    fn a_public_address_is_advertised_and_not_bound_where_it_is_not_ours() {
        let args = ["--pa", "203.0.113.9"];
        let sip = SipConfig::read(&settings(Program::Sip, &args)).unwrap();
        assert_eq!(sip.listeners[0], ("0.0.0.0:5060".parse().unwrap(), "203.0.113.9".parse().unwrap()));
        let rtp = RtpConfig::read(&settings(Program::Rtp, &args)).unwrap();
        assert_eq!(rtp.interfaces[0].advertised, "203.0.113.9".parse::<IpAddr>().unwrap());
        assert!(address::is_local(rtp.interfaces[0].bind));
    }

    #[test]
    fn media_are_bound_to_all_addresses_that_are_named() {
        let read = |args: &[&str]| {
            let interfaces = RtpConfig::read(&settings(Program::Rtp, args)).unwrap().interfaces;
            interfaces.iter().map(|interface| (interface.bind.to_string(), interface.advertised.to_string())).collect::<Vec<_>>()
        };
        let pair = |bind: &str, advertised: &str| (bind.to_owned(), advertised.to_owned());
        let list = ["--rtp-address", "127.0.0.2,[::1],127.0.0.3"];
        assert_eq!(read(&list), [pair("127.0.0.2", "127.0.0.2"), pair("::1", "::1"), pair("127.0.0.3", "127.0.0.3")]);
        let public = [&list[..], &["--pa", "203.0.113.9"]].concat();
        assert_eq!(read(&public)[0], pair("127.0.0.2", "203.0.113.9"));
        assert_eq!(read(&public)[1..], [pair("::1", "::1"), pair("127.0.0.3", "127.0.0.3")], "only the first of its family");
        assert_eq!(read(&["--pa", "127.0.0.1,::1"]), [pair("127.0.0.1", "127.0.0.1"), pair("::1", "::1")]);
        assert_eq!(read(&["--pa", "127.0.0.1"])[0], pair("127.0.0.1", "127.0.0.1"));
    }

    #[test]
    fn what_media_need_is_set_and_bounded() {
        let read = |args: &[&str]| RtpConfig::read(&settings(Program::Rtp, args));
        let config =
            read(&["--jitter-min", "30", "--jitter-max", "90", "--maxtranscodes", "8", "--dscp", "0", "--rtp-buffer", "64"]).unwrap();
        assert_eq!((config.jitter, config.transcodes_max), (Bounds { min_ms: 30, max_ms: 90 }, Some(8)));
        assert_eq!((config.traffic_class, config.receive_buffer), (0, 65_536));
        let config = read(&[]).unwrap();
        assert_eq!((config.jitter, config.transcodes_max, config.traffic_class), (Bounds::default(), None, 0xb8));
        for wrong in [["--dscp", "64"], ["--rtp-buffer", "1"], ["--jitter-max", "x"], ["--rtp-address", "here"]] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn trusted_networks_are_a_list() {
        let read = |args: &[&str]| SipConfig::read(&settings(Program::Sip, args)).map(|config| config.trusted);
        assert_eq!(read(&[]).unwrap(), []);
        let list = read(&["--trusted", "192.0.2.7, 198.51.100.0/24,2001:db8::/32,192.0.2.7"]).unwrap();
        assert_eq!(list, ["192.0.2.7", "198.51.100.0/24", "2001:db8::/32"].map(|network| network.parse().unwrap()));
        let many: Vec<String> = (0..=NETWORKS_MAX).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
        for wrong in ["192.0.2.0/33", "gateway.example", &many.join(",")] {
            assert!(read(&["--trusted", wrong]).is_err(), "{wrong}");
        }
        assert!(read(&["--trusted", &many[1..].join(",")]).is_ok());
    }

    #[test]
    fn control_is_told_where_the_others_are() {
        let control =
            ControlConfig::read(&settings(Program::Control, &["--sip", "http://sip.example:9000/,sip2:9000", "call.js"])).unwrap();
        assert_eq!(control.sip, [("sip.example".into(), 9000), ("sip2".into(), 9000)]);
        assert_eq!(control.rtp, [("127.0.0.1".into(), 9002)]);
        assert_eq!(control.script, Some(PathBuf::from("call.js")));
        let whole = ControlConfig::read(&settings(Program::Mediaswitch, &["--cp", "8000", "--control-port", "8001"])).unwrap();
        assert_eq!((whole.sip, whole.us), (vec![("127.0.0.1".into(), 8000)], ("127.0.0.1".into(), 8001)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_would_be_right() {
        let refused = |args: &[&str]| {
            let settings = settings(Program::Mediaswitch, args);
            let sip = SipConfig::read(&settings).map(drop);
            sip.and(RtpConfig::read(&settings).map(drop)).and(ControlConfig::read(&settings).map(drop)).unwrap_err().to_string()
        };
        assert!(refused(&["--rtp-ports", "20000-10000"]).contains("such as 10000-20000"));
        assert!(refused(&["--register-expires", "0-60"]).contains("such as 60-3600"));
        assert!(refused(&["--users", "1000"]).contains("NAME:SECRET"));
        assert!(refused(&["--pa", "0.0.0.0"]).contains("no address that a peer could send to"));
        assert!(refused(&["--sip-address", "here"]).contains("no IP address"));
    }
}
