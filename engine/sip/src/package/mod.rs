//! Event packages: who watches what, what was published, and the documents that watchers are sent.
//!
//! ```text
//!   SUBSCRIBE ─► Watchers ─► poll_notice ─► NOTIFY with the document of the package
//!   PUBLISH   ─► Publications ─┐
//!   calls, bindings, mailboxes ┴► Watchers::changed
//! ```
//! Shape:  every table has a limit with its sum; one NOTIFY of a subscription is under way at a time, and what changes
//!         meanwhile goes into the next.
//! Units:  lifetimes in seconds (`_s`), dates as `Instant`.
//! Errors: [`SubscribeError`], [`PublishError`]: each one final response.
//! Not here: messages and who may watch whom (`endpoint`).
//! Source: RFC 6665 (events), RFC 3903 (PUBLISH), RFC 3856 and 3863 (presence), 4235 (dialog), 3842 (messages), 3680 (reg).

mod calls;
mod dialog_info;
mod mailbox;
mod pidf;
mod publications;
mod reg_info;
#[cfg(test)]
mod tests;
mod watchers;
mod xml;

pub use calls::{CallNote, CallState, NotedCalls};
pub use dialog_info::dialog_info;
pub use mailbox::{Counts, Mailbox, message_summary};
pub use pidf::presence;
pub use publications::{PublicationConfig, Publications, Publish, PublishError, Published};
pub use reg_info::{RegContact, reg_info};
pub use watchers::{Ended, Notice, SubscribeError, Watch, WatcherConfig, WatcherId, WatcherStats, Watchers};

/// What Allow-Events lists (RFC 6665 §8.2.2).
pub const ALLOW_EVENTS: &str = "presence, dialog, message-summary, reg";

/// A kind of state that can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Package {
    /// `presence`: what a user published, or else whether it is registered.
    Presence,
    /// `dialog`: the calls of a user, for busy lamps.
    Dialog,
    /// `message-summary`: the mailbox of a user.
    MessageSummary,
    /// `reg`: the contacts of a user.
    Reg,
}

impl Package {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Presence, Self::Dialog, Self::MessageSummary, Self::Reg];

    /// Its name in Event.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
            Self::Reg => "reg",
        }
    }

    /// Reads the value of Event, whose parameters do not matter here. Names are compared exactly (RFC 6665 §8.2.1).
    pub fn from_event(value: &str) -> Option<Self> {
        let name = value.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|package| package.token() == name)
    }

    /// Type of its documents.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Presence => "application/pidf+xml",
            Self::Dialog => "application/dialog-info+xml",
            Self::MessageSummary => "application/simple-message-summary",
            Self::Reg => "application/reginfo+xml",
        }
    }

    /// Whether only the user itself may watch it, and no colleague.
    pub const fn is_private(self) -> bool {
        match self {
            Self::Presence | Self::Dialog => false,
            Self::MessageSummary | Self::Reg => true,
        }
    }

    /// Place in a table of all.
    const fn index(self) -> usize {
        match self {
            Self::Presence => 0,
            Self::Dialog => 1,
            Self::MessageSummary => 2,
            Self::Reg => 3,
        }
    }
}
