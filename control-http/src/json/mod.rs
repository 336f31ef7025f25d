//! The bodies of the API: types of `sip::api` and `rtp::api` to and from JSON, by hand.
//!
//! ```text
//!   bytes ──► parse ──► Object (typed reads that know their path) ──► Command
//!   Snapshot ──► bytes      View ──► Value ──► bytes
//! ```
//! Shape:  one file per noun; reading is lenient in dialects (string or object) and strict in types.
//! Units:  as the contract says: seconds for `epochs` and expiry, milliseconds for `epochsms`.
//! Errors: [`JsonError`], always 400; a field is named by its path, `users[2].secret`.
//! Not here: routes and statuses (`routes`).
//! Source: `docs/openapi.yaml`, RFC 8259.

mod action;
mod channel;
mod control;
mod dir;
mod levels;
mod mailbox;
mod media;
mod message;
mod object;
mod originate;
mod policy;
mod reg;
pub mod sdp;
mod snapshot;
mod text;
mod trunk;
mod value;

pub use action::{ACTIONS, action};
pub use channel::{TargetBody, channel, channel_event, channels, closed, direction, load, open, opened, target};
pub use control::control_url;
pub use dir::{DomainBody, domain_body, domain_view, secret, user_view};
pub(crate) use dir::{USERNAME_RULE, is_username};
pub use levels::{gain, mute, speakers, unmute};
pub use mailbox::{mailbox, mailbox_view};
pub use media::{dtmf, record, soup};
pub use message::text_message;
pub use object::{JsonError, Object, parse};
pub use originate::{ORIGINATE_MAX, originate, originate_all};
pub use reg::{registration, registrations};
pub use snapshot::snapshot;
pub use trunk::{trunk, trunk_view};
pub use value::{Map, Value};
