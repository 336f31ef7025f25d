//! What is looked at, one function a subject.
//!
//! | file | looks at |
//! |---|---|
//! | `ring` | io_uring by using it, seccomp |
//! | `limits` | descriptors, locked memory, CPU quota |
//! | `network` | socket buffers, packets lost so far, receive queues |
//! | `ports` | RTP range against the ephemeral one, ports in use, connection tracking |
//! | `cpu` | governor, mitigations, clock, siblings, huge pages |

mod cpu;
mod limits;
mod network;
mod ports;
mod ring;

use super::{Finding, Host, Subject};

/// A check: reads the host and says what it found.
pub(super) type Check = fn(&Host, &Subject) -> Vec<Finding>;

/// All of them, in the order of the report.
pub(super) const ALL: &[Check] = &[
    ring::io_uring,
    ring::seccomp,
    limits::descriptors,
    limits::locked_memory,
    limits::cpu_quota,
    network::receive_buffers,
    network::losses,
    network::queues,
    ports::ephemeral,
    ports::in_use,
    ports::connection_tracking,
    cpu::governor,
    cpu::mitigations,
    cpu::clock,
    cpu::siblings,
    cpu::huge_pages,
];
