//! Every setting of the four programs, once: from this table come the flags, the environment names, the keys of
//! the configuration file and `--help`.
//!
//! Shape:  [`TABLE`] in the order of `--help`.
//! Source: docs/openapi.yaml for the ports; the short names are those of the predecessor's command lines.

use super::Program::{self, Control, Mediaswitch, Rtp, Sip};

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Long name: `--name`, `MEDIASWITCH_NAME`, `name = …`.
    pub name: &'static str,
    /// Other spellings of the flag, each with the program that takes it (`None`: every program of `of`).
    pub aliases: &'static [(&'static str, Option<Program>)],
    /// What to call the value in `--help`; `None` is a switch.
    pub value: Option<&'static str>,
    /// Value if nobody says otherwise.
    pub default: Option<&'static str>,
    /// One sentence for `--help`.
    pub help: &'static str,
    /// Programs that have it.
    pub of: &'static [Program],
}

const ALL: &[Program] = &[Sip, Rtp, Control, Mediaswitch];
const SIP: &[Program] = &[Sip, Mediaswitch];
const RTP: &[Program] = &[Rtp, Mediaswitch];
const CONTROL: &[Program] = &[Control, Mediaswitch];

/// All settings.
pub const TABLE: &[Setting] = &[
    Setting {
        name: "config",
        aliases: &[("c", None)],
        value: Some("FILE"),
        default: None,
        help: "TOML file with any of the settings below, by the same names.",
        of: ALL,
    },
    Setting {
        name: "public-address",
        aliases: &[("pa", None)],
        value: Some("ADDR"),
        default: None,
        help: "Address put into Via, Contact and SDP: one IPv4, one IPv6, or both with a comma. Found by the default route if not given. LISTENER=ADDR is for that listener alone, named by its address, its port, or both: 10.0.0.1=203.0.113.7.",
        of: &[Sip, Rtp, Mediaswitch],
    },
    Setting {
        name: "sip-port",
        aliases: &[("sp", None)],
        value: Some("PORT"),
        default: Some("5060"),
        help: "SIP port (UDP and TCP); several with commas or by giving it again.",
        of: SIP,
    },
    Setting {
        name: "sip-address",
        aliases: &[],
        value: Some("ADDR"),
        default: None,
        help: "Local addresses to listen on for SIP, with commas; all of IPv4 and IPv6 if not given.",
        of: SIP,
    },
    Setting {
        name: "dns",
        aliases: &[],
        value: Some("ADDR"),
        default: None,
        help: "Name servers for SIP targets, with commas, each with its port if not 53; those of /etc/resolv.conf if not given.",
        of: SIP,
    },
    Setting {
        name: "rtp-ports",
        aliases: &[],
        value: Some("FIRST-LAST"),
        default: Some("10000-20000"),
        help: "Port range of RTP (even) and RTCP (odd). Keep it out of net.ipv4.ip_local_port_range.",
        of: RTP,
    },
    Setting {
        name: "rtp-address",
        aliases: &[],
        value: Some("ADDR"),
        default: None,
        help: "Local address of the RTP sockets, if not the public address.",
        of: RTP,
    },
    Setting {
        name: "media-timeout",
        aliases: &[],
        value: Some("SECONDS"),
        default: Some("20"),
        help: "Silence of a far end that should send, after which control is told.",
        of: RTP,
    },
    Setting {
        name: "media",
        aliases: &[("chroot", None)],
        value: Some("DIR"),
        default: None,
        help: "Directory of sound files and recordings; no name in a request leads out of it. Without one nothing is played or recorded.",
        of: RTP,
    },
    Setting {
        name: "media-memory",
        aliases: &[],
        value: Some("MIB"),
        default: Some("256"),
        help: "Memory for decoded sounds, which are kept for the next listener.",
        of: RTP,
    },
    Setting {
        name: "sip-http-port",
        aliases: &[("cp", None)],
        value: Some("PORT"),
        default: Some("9000"),
        help: "HTTP port of project-sip.",
        of: SIP,
    },
    Setting {
        name: "control-port",
        aliases: &[("port", Some(Control))],
        value: Some("PORT"),
        default: Some("9001"),
        help: "HTTP port of project-control.",
        of: CONTROL,
    },
    Setting {
        name: "rtp-http-port",
        aliases: &[("port", Some(Rtp))],
        value: Some("PORT"),
        default: Some("9002"),
        help: "HTTP port of project-rtp.",
        of: RTP,
    },
    Setting {
        name: "api-address",
        aliases: &[],
        value: Some("ADDR"),
        default: Some("127.0.0.1"),
        help: "Address of the HTTP listeners. Other than loopback needs --api-token-file or --insecure-api.",
        of: ALL,
    },
    Setting {
        name: "api-token-file",
        aliases: &[],
        value: Some("FILE"),
        default: None,
        help: "File with the bearer token that HTTP requests must carry, and that ours carry.",
        of: ALL,
    },
    Setting {
        name: "insecure-api",
        aliases: &[],
        value: None,
        default: None,
        help: "Let anybody who reaches the HTTP listeners use them.",
        of: ALL,
    },
    Setting {
        name: "script",
        aliases: &[],
        value: Some("FILE"),
        default: None,
        help: "Call script in JavaScript. Without one, users of the domain call each other, and *43 echoes.",
        of: CONTROL,
    },
    Setting {
        name: "domain",
        aliases: &[],
        value: Some("NAME"),
        default: None,
        help: "Domain of the built-in script; the public address if not given.",
        of: CONTROL,
    },
    Setting {
        name: "users",
        aliases: &[],
        value: Some("NAME:SECRET,…"),
        default: None,
        help: "Users of the built-in script; 1000 to 1003 with new random secrets, printed at start, if not given.",
        of: CONTROL,
    },
    Setting {
        name: "watch",
        aliases: &[],
        value: None,
        default: None,
        help: "Read the call script again when its file changes, as SIGHUP does; calls go on.",
        of: CONTROL,
    },
    Setting {
        name: "sip",
        aliases: &[],
        value: Some("HOST:PORT"),
        default: Some("127.0.0.1:9000"),
        help: "HTTP of the project-sip to control, several with commas.",
        of: &[Control],
    },
    Setting {
        name: "rtp",
        aliases: &[],
        value: Some("HOST:PORT"),
        default: Some("127.0.0.1:9002"),
        help: "HTTP of the project-rtp to control, several with commas; a name stands for all its addresses.",
        of: &[Control],
    },
    Setting {
        name: "us",
        aliases: &[],
        value: Some("HOST:PORT"),
        default: None,
        help: "Where the others reach this project-control; 127.0.0.1 and its port if not given.",
        of: &[Control],
    },
    Setting {
        name: "cores",
        aliases: &[("maxworker", Some(Rtp))],
        value: Some("SPEC"),
        default: Some("all"),
        help: "CPUs to use: `all`, a number, or a list such as 2,3,6-9. The first one signals, the others carry media; one listed twice carries two shards. \
               `sip=0,1 rtp=2-9` puts signalling on several; without `rtp` media take the rest.",
        of: ALL,
    },
    Setting { name: "max-calls", aliases: &[], value: Some("N"), default: Some("20000"), help: "Live dialogs at most.", of: SIP },
    Setting {
        name: "session-expires",
        aliases: &[],
        value: Some("SECONDS"),
        default: Some("1800"),
        help: "Session interval that we ask for, at least 90: half of it after, a far end that has gone is found out.",
        of: SIP,
    },
    Setting {
        name: "max-registrations",
        aliases: &[],
        value: Some("N"),
        default: Some("1000000"),
        help: "Live registrations at most.",
        of: SIP,
    },
    Setting {
        name: "register-expires",
        aliases: &[],
        value: Some("MIN-MAX"),
        default: Some("60-3600"),
        help: "Shortest and longest registration granted, in seconds.",
        of: SIP,
    },
    Setting {
        name: "tone",
        aliases: &[],
        value: Some("SPEC"),
        default: None,
        help: "Write a tone to the FILE that follows, appending if it is there, and end: --tone 350+440*0.3:1000 dial.wav. `--tone uk DIR` (us, eu) writes the call progress tones.",
        of: &[Rtp],
    },
    Setting { name: "wavinfo", aliases: &[], value: Some("FILE"), default: None, help: "Say what is in a WAV file, and end.", of: &[Rtp] },
    Setting {
        name: "log",
        aliases: &[],
        value: Some("FILTER"),
        default: Some("info"),
        help: "What to log: error, warn, info, debug, or per module such as info,sip=debug.",
        of: ALL,
    },
    Setting { name: "log-json", aliases: &[], value: None, default: None, help: "Log as JSON, one object a line.", of: ALL },
    Setting { name: "json", aliases: &[], value: None, default: None, help: "Report of doctor as JSON.", of: &[Mediaswitch] },
    Setting {
        name: "daemon",
        aliases: &[],
        value: None,
        default: None,
        help: "Go to the background once started; the log goes to --log-file.",
        of: ALL,
    },
    Setting { name: "log-file", aliases: &[], value: Some("FILE"), default: None, help: "Append the log to this file.", of: ALL },
    Setting {
        name: "fg",
        aliases: &[],
        value: None,
        default: None,
        help: "Stay in the foreground: the default, accepted for old scripts.",
        of: ALL,
    },
    Setting { name: "test", aliases: &[], value: None, default: None, help: "Run the built-in self-test of messages and end.", of: SIP },
    Setting { name: "help", aliases: &[("h", None)], value: None, default: None, help: "This text.", of: ALL },
    Setting { name: "version", aliases: &[("V", None)], value: None, default: None, help: "Version.", of: ALL },
];
