//! What a server counts of itself.
//!
//! Shape:  shared by the server that counts and the routes that show it; one executor, so plain cells.
//! Units:  counts since start; bytes now held for messages in the making.
//! Errors: none.

use std::cell::Cell;

use serde_json::{Map, Value};

/// Counters and gauges of one listener.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Connections open now.
    pub connections: Cell<u64>,
    /// Connections taken.
    pub connections_total: Cell<u64>,
    /// Connections refused because too many were open.
    pub refused_total: Cell<u64>,
    /// Requests handled.
    pub requests_total: Cell<u64>,
    /// Responses with a 4xx or 5xx status, whoever made them.
    pub errors_total: Cell<u64>,
    /// Connections ended because the client broke HTTP.
    pub bad_total: Cell<u64>,
    /// Connections ended because the client was too slow.
    pub timeouts_total: Cell<u64>,
    /// Requests without the right token.
    pub unauthorized_total: Cell<u64>,
    /// Bytes held for requests that are not whole.
    pub buffered_bytes: Cell<u64>,
}

impl ServerStats {
    /// The `http` part of `/status`.
    pub fn report(&self) -> Map<String, Value> {
        [
            ("connections", &self.connections),
            ("connections_total", &self.connections_total),
            ("refused_total", &self.refused_total),
            ("requests_total", &self.requests_total),
            ("errors_total", &self.errors_total),
            ("bad_total", &self.bad_total),
            ("timeouts_total", &self.timeouts_total),
            ("unauthorized_total", &self.unauthorized_total),
            ("buffered_bytes", &self.buffered_bytes),
        ]
        .into_iter()
        .map(|(name, cell)| (name.to_owned(), cell.get().into()))
        .collect()
    }
}

/// One more.
pub(super) fn count(cell: &Cell<u64>) {
    cell.set(cell.get().wrapping_add(1));
}
