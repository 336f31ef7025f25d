//! What a payload type of a channel stands for.
//!
//! ```text
//!   Target.payloads ──► Formats ── by number ──► Format::Audio(Codec) | Event | ComfortNoise
//! ```
//! Shape:  at most [`FORMATS_MAX`] per channel, in the far end's order of preference; small `Copy` values.
//! Numbers: those of the far end hold in both directions, as offer and answer usually agree (RFC 3264 §6.1); a static
//!         number that it did not list is still understood when it comes.
//! Units:  clock rates in Hz; L16's clock is its sample rate.
//! Errors: [`FormatError`].
//! Source: RFC 3551 §6, RFC 4733 §2.1, RFC 3389 §4, RFC 3952 §5 (iLBC mode).

mod codec;
mod table;

pub use codec::{Codec, Format, FormatKind};
pub use table::{FORMATS_MAX, FormatError, Formats};
