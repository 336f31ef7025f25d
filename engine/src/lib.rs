//! The runtime of mediaswitch: shards, ring, sockets, mesh, and the four programs.

pub mod settings;
