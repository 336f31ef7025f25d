//! Why bytes are not the HTTP message they should be.
//!
//! Shape:  one variant per status; the text says what the peer broke or what we do not do.
//! Errors: this is them. 4xx is the peer's fault, 5xx is what we lack.
//! Not here: the response for it (`routes::error`).
//! Source: RFC 9112 §2.2, §5.1, §6.3, §7.1; RFC 6585 §5 (431).

/// Why a message was refused. The connection closes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Start line or headers break the grammar.
    #[error("bad head: {0}")]
    BadHead(&'static str),
    /// The length of the body is not certain.
    #[error("bad framing: {0}")]
    BadFraming(&'static str),
    /// A chunked body breaks the grammar.
    #[error("bad chunk: {0}")]
    BadChunk(&'static str),
    /// The request target cannot be read.
    #[error("bad target: {0}")]
    BadTarget(&'static str),
    /// The head is larger than allowed.
    #[error("the head is larger than {max} bytes")]
    HeadTooLarge {
        /// The limit.
        max: usize,
    },
    /// More headers than allowed.
    #[error("more than {max} headers")]
    TooManyHeaders {
        /// The limit.
        max: usize,
    },
    /// The body is larger than allowed.
    #[error("the body is larger than {max} bytes")]
    BodyTooLarge {
        /// The limit.
        max: usize,
    },
    /// An `Expect` other than `100-continue`.
    #[error("the only expectation met here is 100-continue")]
    Expectation,
    /// A transfer coding other than `chunked`.
    #[error("the only transfer coding taken here is chunked")]
    Coding,
    /// Not HTTP/1.0 or HTTP/1.1.
    #[error("HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// The connection ended inside a message.
    #[error("the connection ended inside a message")]
    Truncated,
}

impl WireError {
    /// HTTP status of the refusal.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadHead(_) | Self::BadFraming(_) | Self::BadChunk(_) | Self::BadTarget(_) | Self::Truncated => 400,
            Self::BodyTooLarge { .. } => 413,
            Self::Expectation => 417,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::Coding => 501,
            Self::Version => 505,
        }
    }

    /// Stable code of the refusal, the `error` of the body.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadHead(_) | Self::BadFraming(_) | Self::BadChunk(_) | Self::Truncated => "bad_request",
            Self::BadTarget(_) => "bad_target",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::Expectation => "expectation_failed",
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => "head_too_large",
            Self::Coding => "unsupported_coding",
            Self::Version => "unsupported_version",
        }
    }
}
