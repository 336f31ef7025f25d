//! The runtime of mediaswitch: shards, ring, sockets, mesh, and the four programs.

pub mod address;
pub mod logs;
pub mod program;
pub mod settings;
