//! Deadlines of many tasks by one timer, and the word to stop.
//!
//! ```text
//!   task: set(deadline) … poll_end(cx)      one ticking task: every 250 ms, wake whoever is past its deadline
//! ```
//! Shape:  a timer per read would cost a glommio timer per request; here setting a deadline is a store.
//! Units:  a deadline is met up to [`TICK`] late, which suits time-outs of seconds.
//! Errors: none; [`End`] says which end it was.
//! Not here: what an end means to the task.
//! Source: `docs/runtime.md`, rule 2 (no timer per task).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Why a watched task should end what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its deadline has passed.
    Deadline,
    /// All should come to an end: finish what was begun.
    Stopping,
    /// All must end now.
    Killed,
}

/// The watched tasks of one server or client.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    entries: RefCell<Vec<Option<Entry>>>,
    free: RefCell<Vec<usize>>,
    count: Cell<usize>,
    stopping: Cell<bool>,
    killed: Cell<bool>,
    /// Wakes the ticking task when there is someone to watch.
    someone: rt::Notify,
    /// Wakes who waits for the last one to go.
    nobody: rt::Notify,
}

#[derive(Debug)]
struct Entry {
    deadline: Option<Instant>,
    expired: bool,
    waker: Option<Waker>,
}

/// One watched task; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    watch: Rc<Watch>,
    index: usize,
}

impl Watch {
    /// Watches one more task.
    pub(crate) fn enter(self: &Rc<Self>) -> Watched {
        let entry = Some(Entry { deadline: None, expired: false, waker: None });
        let mut entries = self.entries.borrow_mut();
        let index = self.free.borrow_mut().pop().unwrap_or(entries.len());
        match entries.get_mut(index) {
            Some(slot) => *slot = entry,
            None => entries.push(entry),
        }
        self.count.set(self.count.get() + 1);
        self.someone.notify();
        Watched { watch: Rc::clone(self), index }
    }

    /// How many are watched.
    pub(crate) fn count(&self) -> usize {
        self.count.get()
    }

    /// Asks all to come to an end.
    pub(crate) fn stop(&self) {
        self.stopping.set(true);
        self.wake_all();
    }

    /// Has [`Self::stop`] been called?
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Makes all end now.
    pub(crate) fn kill(&self) {
        self.killed.set(true);
        self.stop();
        self.someone.notify();
    }

    /// Waits until nobody is watched.
    pub(crate) async fn emptied(&self) {
        while self.count() > 0 {
            self.nobody.notified().await;
        }
    }

    /// Ticks until [`Self::kill`]. One task runs this.
    pub(crate) async fn tick(self: Rc<Self>) {
        while !self.killed.get() {
            if self.count() == 0 {
                self.someone.notified().await;
            } else {
                rt::sleep(TICK).await;
                self.expire(Instant::now());
            }
        }
    }

    fn expire(&self, now: Instant) {
        for entry in self.entries.borrow_mut().iter_mut().flatten() {
            if entry.deadline.is_some_and(|deadline| deadline <= now) {
                entry.expired = true;
                if let Some(waker) = entry.waker.take() {
                    waker.wake();
                }
            }
        }
    }

    fn wake_all(&self) {
        for entry in self.entries.borrow_mut().iter_mut().flatten() {
            if let Some(waker) = entry.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Watched {
    /// The next deadline; it replaces the one before, met or not.
    pub(crate) fn set(&self, deadline: Instant) {
        if let Some(Some(entry)) = self.watch.entries.borrow_mut().get_mut(self.index) {
            entry.deadline = Some(deadline);
            entry.expired = false;
        }
    }

    /// Ready when the deadline has passed, or all should end. `heed_stop`: is `stop` enough, or only `kill`?
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>, heed_stop: bool) -> Poll<End> {
        if self.watch.killed.get() {
            return Poll::Ready(End::Killed);
        }
        if heed_stop && self.watch.stopping.get() {
            return Poll::Ready(End::Stopping);
        }
        if let Some(Some(entry)) = self.watch.entries.borrow_mut().get_mut(self.index) {
            if entry.expired {
                return Poll::Ready(End::Deadline);
            }
            // glommio counts the clones of a waker in 16 bits: one per task, replaced only when it is another's.
            if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                entry.waker = Some(cx.waker().clone());
            }
        }
        Poll::Pending
    }

    /// Waits for `future`, but not beyond the deadline.
    pub(crate) async fn race<F: Future>(&self, heed_stop: bool, future: F) -> Result<F::Output, End> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_end(cx, heed_stop).map(Err),
        })
        .await
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(slot) = self.watch.entries.borrow_mut().get_mut(self.index) {
            *slot = None;
        }
        self.watch.free.borrow_mut().push(self.index);
        self.watch.count.set(self.watch.count.get().saturating_sub(1));
        if self.watch.count() == 0 {
            self.watch.nobody.notify();
        }
    }
}

/// How often deadlines are looked at: 4 wakes a second cost 0.02 % of a core.
const TICK: Duration = Duration::from_millis(250);
