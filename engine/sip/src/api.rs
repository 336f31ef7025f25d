//! What crosses between the SIP core and its driver: commands in, replies, snapshots and events out.
//!
//! ```text
//!   Command ──► Endpoint::command ──► Reply          (docs/openapi.yaml, project-sip)
//!   Endpoint::poll_output ──► Event::Dialog(Snapshot) | Event::Registration | Event::Message
//! ```
//! Shape:  plain owned data; `control_http::json` turns it into JSON and back.
//! Units:  expiry and epochs in seconds, `*ms` in milliseconds since 1970.
//! Errors: [`CommandError`], one per HTTP status of the contract.
//! Not here: any rule of SIP.

mod command;
mod event;
mod reply;
mod trunk;

use std::sync::Arc;

pub use crate::auth::{Algorithm, Authentication, NETWORKS_MAX, Network, Policy, Quality};
pub use crate::package::{Counts, Mailbox};
pub use command::{Action, Command, Originate, Party, Secret, UserEntry};
pub use event::{Epochs, Event, EventKind, ReferView, Snapshot, TextMessage, TransferView};
pub use reply::{BindingView, CommandError, DomainView, RegisteredUser, RegistrationsView, Reply};
pub use trunk::{TrunkConfig, TrunkView};

/// Where a control server listens: `http://host:port` with an optional path prefix, no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControlUrl(pub Arc<str>);

/// Caller identity shown to the callee.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerId {
    /// Number or user part.
    pub number: String,
    /// Display name.
    pub name: String,
    /// Ask the network to withhold it (RFC 3323).
    pub private: bool,
}
