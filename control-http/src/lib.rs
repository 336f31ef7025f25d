//! The HTTP/JSON plane: wire, routes, server and client loops.
#![forbid(unsafe_code)]
