//! One executor on the calling thread.
//!
//! Shape:  [`run`] pins the thread, builds the executor, runs one future to its end and drops the rest.
//! Units:  64 KiB of I/O memory and 128 ring entries: glommio's defaults are sized for disks and pin 30 MiB per executor.
//! Errors: [`StartError`]; the start-up probe of the engine has looked for io_uring before, so it is rare here.
//! Not here: threads, names, priorities (`engine::shard`).

use glommio::{LocalExecutorBuilder, Placement};
use std::{future::Future, io, time::Duration};

/// How an executor is made.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// CPU number the thread is pinned to; `None` leaves it to the scheduler.
    pub cpu: Option<usize>,
}

/// The executor could not be made on this thread.
#[derive(Debug, thiserror::Error)]
#[error("the executor cannot start: {0}")]
pub struct StartError(#[source] io::Error);

/// Runs `future` on an executor made on the calling thread, and returns its output.
///
/// Tasks that still exist when the future ends are dropped with the executor.
///
/// # Errors
/// [`StartError`] when the kernel refuses a ring, memory or the CPU.
///
/// # Panics
/// If the thread already runs an executor.
pub fn run<F: Future>(config: &Config, future: F) -> Result<F::Output, StartError> {
    let placement = config.cpu.map_or(Placement::Unbound, Placement::Fixed);
    let executor = LocalExecutorBuilder::new(placement)
        .io_memory(IO_MEMORY)
        .ring_depth(RING_DEPTH)
        .preempt_timer(PREEMPT)
        .make()
        .map_err(|error| StartError(error.into()))?;
    Ok(executor.run(future))
}

/// Runs a test on a real executor with a limit of 60 s, unpinned.
///
/// # Panics
/// If the executor cannot start, or the test is not over in time.
pub fn run_test<F: Future>(test: F) -> F::Output {
    let limited = async { crate::timeout(TEST_LIMIT, test).await };
    match run(&Config::default(), limited) {
        Ok(Ok(output)) => output,
        Ok(Err(elapsed)) => panic!("the test is not over: {elapsed}"),
        Err(error) => panic!("{error}"),
    }
}

const IO_MEMORY: usize = 64 << 10;
const RING_DEPTH: usize = 128;
/// A busy executor looks at its rings and timers at least this often between two tasks (glommio's default is 100 ms).
const PREEMPT: Duration = Duration::from_millis(2);
const TEST_LIMIT: Duration = Duration::from_secs(60);
