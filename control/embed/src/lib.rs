//! Hosts the JavaScript call library in QuickJS, so that call scripts run inside our own binaries.
//!
//! ```text
//!   script ──► require("projectcontrol") ──► control/*.js, the same files as on Node
//!                        │ request listen timer log now
//!                        ▼
//!   ControlEngine: driver task ─ one turn of JavaScript at a time ─ control-http client and server, rt timers
//! ```
//! Shape:  one engine per executor, `!Send`. A turn is one event and the promise jobs it caused; between turns other tasks run.
//! Units:  [`Limits`] says how long a turn may take and how many bytes the script may hold.
//! Errors: [`StartError`] before it runs; afterwards errors of scripts are logged with their stack and end nothing else.
//! Not here: call processing (`control/*.js`), the wire (`control-http`).
//! Source: <https://bellard.org/quickjs/quickjs.html>, as packaged by rquickjs.
#![forbid(unsafe_code)]

mod driver;
mod engine;
mod error;
mod json;
mod library;
mod machine;
mod native;
mod options;
mod pick;
mod resolve;
mod shared;
mod slack;
mod timers;

pub use engine::{ControlEngine, Reloader, Status};
pub use error::StartError;
pub use options::{Limits, Options, Peer, Script};
