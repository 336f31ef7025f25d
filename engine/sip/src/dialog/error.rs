//! Why a message makes no dialog, or may not come now.
//! Shape:  small enums; the status that answers a request is a method.
//! Units:  seconds for Retry-After.
//! Errors: these.
//! Source: RFC 3261 §12.2.2, §14.2; RFC 3311 §5.2.

use crate::message::{HeaderError, StatusCode};

/// Why no dialog can be made from a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialogError {
    /// The request has no Contact, so nothing could ever be sent to its sender (RFC 3261 §8.1.1.8).
    #[error("Contact is missing")]
    NoContact,
    /// The response has no To tag (RFC 3261 §12.1.2); a 100 and old peers.
    #[error("To has no tag")]
    NoTag,
    /// A Contact or Record-Route cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// More proxies than Max-Forwards lets a request pass.
    #[error("a route of more than {max} proxies")]
    RouteTooLong {
        /// The limit.
        max: usize,
    },
    /// URIs, tags and routes are longer than a dialog may be.
    #[error("dialog of {bytes} bytes, at most {max} are kept")]
    TooLarge {
        /// What was asked for.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

impl DialogError {
    /// Answer to a request that makes no dialog.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoContact | Self::NoTag | Self::Header(_) => StatusCode::BAD_REQUEST,
            Self::RouteTooLong { .. } | Self::TooLarge { .. } => StatusCode::MESSAGE_TOO_LARGE,
        }
    }
}

/// Why a request inside a dialog is refused, or must not be sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its CSeq is not above the last one (RFC 3261 §12.2.2).
    #[error("CSeq is not above the last one")]
    OutOfOrder,
    /// Another INVITE, or offer, of the same side still waits for its answer (RFC 3261 §14.2, RFC 3311 §5.2).
    #[error("the last one is not answered yet")]
    Unanswered,
    /// Both sides began at once (RFC 3261 §14.2, RFC 3311 §5.2).
    #[error("ours is under way")]
    Glare,
    /// The dialog is over, or the method needs one that is confirmed.
    #[error("no such dialog, or not in this state")]
    NoDialog,
}

impl Refusal {
    /// Answer to the refused request.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::OutOfOrder | Self::Unanswered => StatusCode::SERVER_INTERNAL_ERROR,
            Self::Glare => StatusCode::REQUEST_PENDING,
            Self::NoDialog => StatusCode::CALL_DOES_NOT_EXIST,
        }
    }

    /// Most seconds of a random Retry-After that the answer must carry; `None` if it carries none (RFC 3261 §14.2).
    #[must_use]
    pub const fn retry_after_s_max(self) -> Option<u32> {
        match self {
            Self::Unanswered => Some(10),
            Self::OutOfOrder | Self::Glare | Self::NoDialog => None,
        }
    }
}
