//! Session descriptions (RFC 4566).

/// A session description.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sdp {}
