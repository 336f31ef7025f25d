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
    Ok(executor.run(async {
        crate::spawn_local(watch());
        future.await
    }))
}

/// Wakes the executor now and then, so that a wake lost by it or by us costs a second and not a call.
async fn watch() {
    loop {
        crate::sleep(WATCH).await;
    }
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
/// Never. glommio stops running tasks when this timer fires, and if it fires before the first task of a turn, because the
/// thread lost its CPU for that long between two lines, it goes to sleep although tasks are ready. A busy task hung at once
/// with 50 µs, and in one of four runs of 8 s with 2 ms on a core it had to share; its default of 100 ms is only rarer.
/// Tasks that must let I/O go first say so (`yield_now`).
const PREEMPT: Duration = Duration::from_secs(24 * 3600);
/// 0.06 ms of CPU a second.
const WATCH: Duration = Duration::from_secs(1);
const TEST_LIMIT: Duration = Duration::from_secs(60);
