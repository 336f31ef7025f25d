//! What an engine is started with.
//!
//! Shape:  plain data. A script may overrule addresses (`projectcontrol.sip.port = …`) before it calls `run`.
//! Units:  in [`Limits`].
//! Errors: none.

use std::path::PathBuf;
use std::time::Duration;

use control_http::server::{ListenPolicy, Token};

/// The script to run.
#[derive(Debug, Clone)]
pub enum Script {
    /// A file; `require("./…")` is relative to it.
    File(PathBuf),
    /// A text with the name that errors show; `require("./…")` is relative to the working directory.
    Text {
        /// Name.
        name: String,
        /// JavaScript.
        source: String,
    },
    /// The built-in one: extension to extension, `*43` echo (`control/examples/extensions.js`). It reads the environment
    /// variables `MEDIASWITCH_DOMAIN` and `MEDIASWITCH_USERS` (`1000:secret,1001:secret`) of [`Options::environment`].
    Extensions,
}

/// Where a program's HTTP is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Peer {
    /// A port of this machine.
    pub fn local(port: u16) -> Self {
        Self { host: "127.0.0.1".into(), port }
    }
}

/// What a script may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One turn: an event with all that follows from it at once. Other tasks of the executor wait so long at worst.
    pub turn: Duration,
    /// The first turn, which reads and runs the whole script.
    pub start: Duration,
    /// Memory of the JavaScript heap, bytes. A call takes about 20 KiB: 10 000 calls × 20 KiB = 200 MiB.
    pub memory_bytes: usize,
    /// What begun work may take when the engine is stopped.
    pub grace: Duration,
}

impl Default for Limits {
    /// 200 ms, 5 s, 256 MiB, 3 s.
    fn default() -> Self {
        Self { turn: Duration::from_millis(200), start: Duration::from_secs(5), memory_bytes: 256 << 20, grace: Duration::from_secs(3) }
    }
}

/// How an engine runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to run.
    pub script: Script,
    /// Address to listen on, if not the host of `us`.
    pub listen: Option<String>,
    /// Where the other programs reach us; port 0 takes a free one.
    pub us: Peer,
    /// project-sip, one or several.
    pub sip: Vec<Peer>,
    /// project-rtp, one or several.
    pub rtp: Vec<Peer>,
    /// Who may use our HTTP.
    pub policy: ListenPolicy,
    /// Presented to the other programs.
    pub token: Option<Token>,
    /// `process.env` of the script.
    pub environment: Vec<(String, String)>,
    /// Read the script again when one of its files changes.
    pub watch: bool,
    /// What it may use.
    pub limits: Limits,
}

impl Options {
    /// The documented ports on this machine, no token, an empty environment.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            listen: None,
            us: Peer::local(9001),
            sip: vec![Peer::local(9000)],
            rtp: vec![Peer::local(9002)],
            policy: ListenPolicy::default(),
            token: None,
            environment: Vec::new(),
            watch: false,
            limits: Limits::default(),
        }
    }
}
