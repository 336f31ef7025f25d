//! Shards: pinned threads with one executor each, who does what on which CPU, and how they start and stop together.
//!
//! ```text
//! main: begin ──► Layout ──► start(bodies) ──► ready reports, 5 s ──► sigwait ──► stop ──► join, 5 s ──► exit 0
//! shard thread `sip-00`, `rtp-01`: pin, executor, priority ──► body(Context) ──► ready() … stop latch opens … return
//! ```
//! Shape:  one shard per CPU named in `--cores`; shard 0 is the front (signalling, HTTP, scripts), the others carry media, or
//!         more signalling where `--cores sip=…` says so.
//!         With one CPU everything shares one executor.
//! Units:  CPU numbers as the kernel's; priorities as `sched(7)`.
//! Errors: [`LayoutError`], [`StartError`]; each names the setting or shard and the reason.
//! Rules:  a shard that panics, or ends before it is told to, ends the process: one with a dead shard must not live on.
//!         A shard is never started twice in a process (an ended executor leaves descriptors behind).
//! Source: `docs/runtime.md`, "Executors" and "Stop and restart".

mod layout;
mod panics;
mod priority;
mod start;

pub use layout::{Cores, Layout, LayoutError, ShardPlan, allowed_cpus};
pub use panics::exit_on_panic;
pub use priority::Priority;
pub use start::{Body, BodyError, Context, Shards, StartError, Started, begin, start};
