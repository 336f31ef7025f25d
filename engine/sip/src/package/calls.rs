//! The live calls of each user, as far as watchers see them.
//!
//! ```text
//!   note(user, call) ─► made │ changed │ ended, kept for one document where somebody watches
//! ```
//! Shape:  one note of about 250 bytes for each live call, beside at most one ended call for each user that is watched.
//! Errors: none.
//! Source: RFC 4235 §3.7.1 (states), §4.1.

use std::collections::HashMap;

/// How far a call is, seen from the phone of the user (RFC 4235 §3.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// The INVITE is on its way.
    Trying,
    /// The far end has it.
    Proceeding,
    /// It rings.
    Early,
    /// Answered.
    Confirmed,
    /// Over.
    Terminated,
}

impl CallState {
    /// The word in the document.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Proceeding => "proceeding",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }
}

/// One call of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallNote {
    /// Name among the calls of the user.
    pub id: Box<str>,
    /// Call-ID.
    pub call_id: Box<str>,
    /// Tag of the phone, once known.
    pub local_tag: Option<Box<str>>,
    /// Our tag, once known.
    pub remote_tag: Option<Box<str>>,
    /// The user made the call.
    pub initiator: bool,
    /// How far it is.
    pub state: CallState,
    /// Name of the other party.
    pub remote_name: Box<str>,
    /// URI of the other party.
    pub remote: Box<str>,
}

/// All notes by `user@domain`.
#[derive(Debug, Default)]
pub struct NotedCalls {
    users: HashMap<Box<str>, Vec<CallNote>>,
}

impl NotedCalls {
    /// Takes the newest of a call; true if watchers see a difference. An ended call is kept for their next document only.
    pub fn note(&mut self, user: &str, note: CallNote, watched: bool) -> bool {
        if !self.users.contains_key(user) {
            if note.state == CallState::Terminated {
                return false;
            }
            self.users.insert(user.into(), Vec::new());
        }
        let Some(notes) = self.users.get_mut(user) else { return false };
        notes.retain(|other| other.state != CallState::Terminated);
        let known = notes.iter().position(|other| other.id == note.id);
        let ended = note.state == CallState::Terminated;
        let changed = match known {
            Some(at) if ended && !watched => {
                notes.remove(at);
                true
            }
            Some(at) => notes.get_mut(at).is_some_and(|old| {
                let changed = *old != note;
                *old = note;
                changed
            }),
            None if ended => false,
            None => {
                notes.push(note);
                true
            }
        };
        if notes.is_empty() {
            self.users.remove(user);
        }
        changed
    }

    /// Calls of a user, the oldest first.
    pub fn of(&self, user: &str) -> &[CallNote] {
        self.users.get(user).map(Vec::as_slice).unwrap_or_default()
    }

    /// Notes held.
    pub fn len(&self) -> usize {
        self.users.values().map(Vec::len).sum()
    }

    /// No call is live.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}
