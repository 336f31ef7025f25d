//! The runtime of mediaswitch: shards, ring, sockets, mesh, and the four programs.

pub mod address;
pub mod dns;
pub mod doctor;
pub mod files;
pub mod logs;
pub mod media;
pub mod mesh;
pub mod net;
pub mod node;
pub mod os;
pub mod program;
pub mod ring;
pub mod settings;
pub mod shard;
pub mod tick;
