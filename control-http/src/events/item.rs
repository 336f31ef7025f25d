//! One event: whom it is for, what it says, what may take its place.
//!
//! Shape:  owns the snapshot; the JSON is made when it is sent, from the newest.
//! Errors: none.
//! Source: `docs/openapi.yaml`, events.

use std::sync::Arc;
use std::time::Instant;

use rtp::api::EventAction;
use sip::api::EventKind;

use crate::json::{channel_event, registration, snapshot, text_message};
use crate::wire::{Method, Path};

/// Something to tell a control server.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A call, a registration or a text.
    Sip(sip::api::Event),
    /// A channel.
    Rtp(rtp::api::Event),
}

impl From<sip::api::Event> for Event {
    fn from(event: sip::api::Event) -> Self {
        Self::Sip(event)
    }
}

impl From<rtp::api::Event> for Event {
    fn from(event: rtp::api::Event) -> Self {
        Self::Rtp(event)
    }
}

impl Event {
    /// Where it goes: the control server and the path, which together name its lane.
    pub(super) fn address(&self) -> (Arc<str>, String) {
        let (control, segments) = match self {
            Self::Sip(sip::api::Event::Dialog { control, snapshot }) => (&control.0, [Some("dialog"), Some(&*snapshot.callid), None]),
            Self::Sip(sip::api::Event::Registration { control, domain, user, .. }) => {
                (&control.0, [Some("reg"), Some(&**domain), Some(&**user)])
            }
            Self::Sip(sip::api::Event::Message { control, message }) => {
                (&control.0, [Some("message"), Some(&*message.domain), Some(&*message.to)])
            }
            Self::Rtp(event) => {
                return (Arc::clone(&event.control.0), format!("/channel/{}", event.channel));
            }
        };
        let mut path = String::with_capacity(PATH_BYTES);
        for segment in segments.into_iter().flatten() {
            path.push('/');
            Path::encode_segment(segment, &mut path);
        }
        (Arc::clone(control), path)
    }

    /// How it is sent.
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Sip(sip::api::Event::Registration { registered: false, .. }) => Method::Delete,
            Self::Sip(_) | Self::Rtp(_) => Method::Put,
        }
    }

    /// What is sent.
    pub(super) fn body(&self) -> Vec<u8> {
        let value = match self {
            Self::Sip(sip::api::Event::Dialog { snapshot: call, .. }) => return snapshot(call),
            Self::Sip(sip::api::Event::Registration { domain, user, remote, agent, transport, expires, .. }) => {
                registration(*remote, agent.as_deref(), user, domain, transport, *expires)
            }
            Self::Sip(sip::api::Event::Message { message, .. }) => text_message(message),
            Self::Rtp(event) => return channel_event(event),
        };
        serde_json::to_vec(&value).unwrap_or_default()
    }

    /// Does a newer event of the same lane say all that this one does? A snapshot is the whole call, but for the transfer
    /// and the digits that stand in one event only. Events of a channel are each their own.
    pub(super) fn replaceable(&self) -> bool {
        match self {
            Self::Sip(sip::api::Event::Dialog { snapshot, .. }) => {
                snapshot.event != EventKind::Hangup && snapshot.refer.is_none() && snapshot.transfer.is_none() && snapshot.digits.is_none()
            }
            Self::Sip(sip::api::Event::Registration { .. }) => true,
            // Each is its own.
            Self::Sip(sip::api::Event::Message { .. }) | Self::Rtp(_) => false,
        }
    }

    /// Is it the last word of its call or channel?
    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::Sip(sip::api::Event::Dialog { snapshot, .. }) => snapshot.event == EventKind::Hangup,
            Self::Sip(sip::api::Event::Registration { .. } | sip::api::Event::Message { .. }) => false,
            Self::Rtp(event) => matches!(event.action, EventAction::Close { .. }),
        }
    }

    /// Does its end make all that came before it needless? True of a call; a channel's events are a history.
    pub(super) fn ends_all(&self) -> bool {
        matches!(self, Self::Sip(_)) && self.is_end()
    }

    /// Call-ID, if it announces a call that waits for a decision of control.
    pub(super) fn new_call(&self) -> Option<&str> {
        match self {
            Self::Sip(sip::api::Event::Dialog { snapshot, .. }) if snapshot.event == EventKind::New && !snapshot.originator => {
                Some(&snapshot.callid)
            }
            Self::Sip(_) | Self::Rtp(_) => None,
        }
    }

    /// May it wait behind calls?
    pub(super) fn is_registration(&self) -> bool {
        matches!(self, Self::Sip(sip::api::Event::Registration { .. } | sip::api::Event::Message { .. }))
    }
}

/// A word and a Call-ID.
const PATH_BYTES: usize = 80;

/// An event in a lane.
#[derive(Debug)]
pub(super) struct Item {
    /// The event.
    pub(super) event: Event,
    /// When it is given up.
    pub(super) deadline: Instant,
    /// How often the control server said 4xx to it.
    pub(super) refusals: u8,
}
