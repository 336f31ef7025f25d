//! Tasks of this executor.
//!
//! Shape:  a task runs until it ends by itself. A dropped [`JoinHandle`] detaches, nothing here cancels:
//!         a task cancelled while it sleeps in a timer is lost memory in glommio 0.9.0.
//! Units:  shares of a [`Queue`] are relative to the other queues of the executor; the default queue has 1000.
//! Errors: none. To stop a task early, race its waits against a [`crate::Latch`].

use crate::local::{OneshotReceiver, oneshot};
use glommio::{Latency, Shares, TaskQueueHandle};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

/// Waits for the output of a task. Dropping it lets the task go on.
#[derive(Debug)]
pub struct JoinHandle<T>(OneshotReceiver<T>);

impl<T> JoinHandle<T> {
    /// True when the output is there and a wait would not sleep.
    pub fn is_finished(&self) -> bool {
        self.0.is_ready()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(output)) => Poll::Ready(output),
            // The task was dropped with its executor, so this waiter is about to go the same way.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Starts a task on this executor, in the queue of the caller.
pub fn spawn_local<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let (sender, receiver) = oneshot();
    glommio::spawn_local(async move {
        // Nobody waits: the output is dropped here.
        let _ = sender.send(future.await);
    })
    .detach();
    JoinHandle(receiver)
}

/// The same for a task that nobody waits for.
pub fn spawn_detached(future: impl Future<Output = ()> + 'static) {
    drop(glommio::spawn_local(future).detach());
}

/// A group of tasks with its own share of the executor's time.
#[derive(Debug, Clone, Copy)]
pub struct Queue(TaskQueueHandle);

impl Queue {
    /// A queue of `shares`, 1 to 1000.
    pub fn new(name: &str, shares: usize) -> Self {
        // A latency would set glommio's preemption timer; see `executor` for why there must be none.
        Self(glommio::executor().create_task_queue(Shares::Static(shares), Latency::NotImportant, name))
    }
}

/// Starts a task in `queue`, which must be of this executor.
pub fn spawn_local_in<T: 'static>(queue: Queue, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let (sender, receiver) = oneshot();
    let task = glommio::spawn_local_into(
        async move {
            // Nobody waits: the output is dropped here.
            let _ = sender.send(future.await);
        },
        queue.0,
    );
    match task {
        Ok(task) => drop(task.detach()),
        // Only a queue of another executor, or a removed one, is refused. Queues are never removed.
        Err(error) => panic!("queue of another executor: {error}"),
    }
    JoinHandle(receiver)
}

/// Lets all other ready tasks run, and what I/O and timers have made ready, before it goes on. Some 5 to 10 µs.
pub async fn yield_now() {
    // Waking oneself would leave the queue busy, and a busy queue keeps the executor from looking at its rings.
    crate::sleep(SHORTEST).await;
}

/// Lets the other tasks of its queue run that are ready now. Nothing else: no ring is looked at, so never twice on end. Under 0.1 µs.
pub async fn pass() {
    let mut passed = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs `call` on the executor's helper thread (one per executor, in order of arrival) and waits for its result.
///
/// For file access and name resolution. Dropping the future drops the result, the call itself goes on.
pub async fn spawn_blocking<R: Send + 'static>(call: impl FnOnce() -> R + Send + 'static) -> R {
    // glommio keeps a result in memory that it never frees if the waiter is gone, so ours travels beside it.
    let slot = Arc::new(Mutex::new(None));
    let filled = Arc::clone(&slot);
    glommio::executor()
        .spawn_blocking(move || {
            let result = call();
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        })
        .await;
    let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    match result {
        Some(result) => result,
        // The call returned, for glommio said so after the line that fills the slot.
        None => unreachable!("a blocking call ended without its result"),
    }
}

/// Over by the time the other tasks have run, so that nobody really sleeps.
const SHORTEST: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use crate::{run_test, sleep, spawn_blocking, spawn_local};
    use std::{cell::Cell, rc::Rc, time::Duration};

    #[test]
    fn who_passes_goes_on_behind_all_that_are_ready() {
        run_test(async {
            let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            for number in 1..=3 {
                let order = order.clone();
                spawn_local(async move { order.borrow_mut().push(number) });
            }
            crate::pass().await;
            order.borrow_mut().push(4);
            assert_eq!(*order.borrow(), [1, 2, 3, 4]);
        });
    }

    #[test]
    fn a_task_gives_its_output_to_the_handle() {
        assert_eq!(run_test(async { spawn_local(async { 7 }).await }), 7);
    }

    #[test]
    fn a_dropped_handle_does_not_stop_the_task() {
        run_test(async {
            let done = Rc::new(Cell::new(false));
            let seen = Rc::clone(&done);
            drop(spawn_local(async move {
                sleep(Duration::from_millis(1)).await;
                seen.set(true);
            }));
            sleep(Duration::from_millis(20)).await;
            assert!(done.get());
        });
    }

    #[test]
    fn a_task_that_yields_for_long_leaves_time_to_timers_and_others() {
        run_test(async {
            let stop = Rc::new(Cell::new(false));
            let seen = Rc::clone(&stop);
            let busy = spawn_local(async move {
                let mut turns = 0_u32;
                while !seen.get() {
                    crate::yield_now().await;
                    turns += 1;
                }
                turns
            });
            for _ in 0..10 {
                sleep(Duration::from_millis(1)).await;
            }
            stop.set(true);
            assert!(busy.await > 10);
        });
    }

    #[test]
    fn a_blocking_call_runs_on_another_thread() {
        let here = std::thread::current().id();
        let there = run_test(async { spawn_blocking(|| std::thread::current().id()).await });
        assert_ne!(here, there);
    }
}
