//! The one module that knows the async runtime: spawn, sleep, TCP, blocking calls, wakes.
//!
//! ```text
//! engine, control-http, control-embed ──► rt ──► glommio 0.9 (one executor = one pinned thread)
//! ```
//! Shape:  thin. Everything here is one thread's own (`!Send`), except [`Wake`], the half of a signal that another thread holds.
//! Units:  `Duration` and `Instant`; addresses are `SocketAddr` only, names are resolved by the caller in [`spawn_blocking`].
//! Errors: `io::Error` of the call that failed; [`BindError`] and [`StartError`] name the remedy.
//! Panics: every function that spawns, sleeps or opens a socket panics outside an executor, which is a bug of ours.
//! Rules that this module keeps for its users, each measured on glommio 0.9.0 (`docs/runtime.md`):
//! no task is ever cancelled while it sleeps (that loses 600 bytes for good), no socket has `SO_REUSEPORT` but one of a group,
//! no address is resolved by the executor, one waker per waiting task, `accept` pauses when descriptors are short.
//! Left to the users: no timer per call or transaction (a wheel instead), no handler above 0.3 ms on a media shard.

#![deny(unsafe_code)]

mod bound;
mod executor;
mod local;
mod signal;
mod task;
mod tcp;
mod time;
mod udp;

pub use bound::{BoundTcp, BoundUdp, bind_tcp, bind_udp};
pub use executor::{Config, StartError, run, run_test};
pub use local::{Canceled, Latch, Notify, OneshotReceiver, OneshotSender, oneshot};
pub use signal::{Signal, Wake, signal};
pub use task::{JoinHandle, Queue, pass, spawn_blocking, spawn_detached, spawn_local, spawn_local_in, yield_now};
pub use tcp::{BindError, TcpListener, TcpStream, connect, connect_from};
pub use time::{Either, Elapsed, select, sleep, sleep_until, timeout};
pub use udp::UdpSocket;

pub use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
