//! Waiting for another task of the same executor.
//!
//! Shape:  [`oneshot`] carries one value; [`Notify`] wakes one waiter and keeps one permit; [`Latch`] opens once for any number of waiters.
//!         Each waiting task leaves one waker, replaced only when it changes (glommio counts wakers in 16 bits).
//! Errors: [`Canceled`] when a sender went without sending.
//! Not here: other threads (`signal`).

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// The sender of a [`oneshot`] was dropped without sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer will not come: its sender is gone")]
pub struct Canceled;

#[derive(Debug)]
struct OneshotState<T> {
    value: Option<T>,
    waiter: Option<Waker>,
    sender_alive: bool,
    receiver_alive: bool,
}

/// Sends the one value of a [`oneshot`].
#[derive(Debug)]
pub struct OneshotSender<T>(Rc<RefCell<OneshotState<T>>>);

/// Future of the one value of a [`oneshot`].
#[derive(Debug)]
pub struct OneshotReceiver<T>(Rc<RefCell<OneshotState<T>>>);

/// A channel for one value between two tasks.
pub fn oneshot<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let state = Rc::new(RefCell::new(OneshotState { value: None, waiter: None, sender_alive: true, receiver_alive: true }));
    (OneshotSender(Rc::clone(&state)), OneshotReceiver(state))
}

impl<T> OneshotSender<T> {
    /// Hands the value over.
    ///
    /// # Errors
    /// The value comes back when nobody waits for it any more.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut state = self.0.borrow_mut();
        if !state.receiver_alive {
            return Err(value);
        }
        state.value = Some(value);
        Ok(())
    }

    /// True when the receiver was dropped: the work for it may stop.
    pub fn is_abandoned(&self) -> bool {
        !self.0.borrow().receiver_alive
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        let waiter = {
            let mut state = self.0.borrow_mut();
            state.sender_alive = false;
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl<T> OneshotReceiver<T> {
    /// True when a wait would not sleep.
    pub fn is_ready(&self) -> bool {
        let state = self.0.borrow();
        state.value.is_some() || !state.sender_alive
    }
}

impl<T> Drop for OneshotReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.receiver_alive = false;
        state.waiter = None;
    }
}

impl<T> Future for OneshotReceiver<T> {
    type Output = Result<T, Canceled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.borrow_mut();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Ok(value));
        }
        if !state.sender_alive {
            return Poll::Ready(Err(Canceled));
        }
        keep(&mut state.waiter, cx.waker());
        Poll::Pending
    }
}

/// Wakes the one task that waits; a notification without a waiter is kept, several count once.
#[derive(Debug, Default)]
pub struct Notify {
    permit: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Notify {
    /// Without a permit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the current or the next [`Notify::notified`] return.
    pub fn notify(&self) {
        self.permit.set(true);
        let waiter = self.waiter.borrow_mut().take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Waits for a notification and consumes it. One task at a time: a second waiter takes the place of the first.
    pub async fn notified(&self) {
        std::future::poll_fn(|cx| {
            if self.permit.replace(false) {
                return Poll::Ready(());
            }
            keep(&mut self.waiter.borrow_mut(), cx.waker());
            Poll::Pending
        })
        .await;
    }
}

/// A door that opens once and stays open: "stop" for the tasks of an executor.
///
/// Clones are the same door.
#[derive(Debug, Clone, Default)]
pub struct Latch(Rc<LatchState>);

#[derive(Debug, Default)]
struct LatchState {
    open: Cell<bool>,
    /// One place per waiting task; a place is freed when its wait ends.
    waiters: RefCell<Vec<Option<Waker>>>,
}

impl Latch {
    /// Closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it for good and wakes all who wait.
    pub fn open(&self) {
        self.0.open.set(true);
        let waiters = self.0.waiters.take();
        for waiter in waiters.into_iter().flatten() {
            waiter.wake();
        }
    }

    /// True once open.
    pub fn is_open(&self) -> bool {
        self.0.open.get()
    }

    /// Waits until it is open.
    pub fn wait(&self) -> impl Future<Output = ()> + use<> {
        LatchWait { latch: Rc::clone(&self.0), place: None }
    }
}

struct LatchWait {
    latch: Rc<LatchState>,
    place: Option<usize>,
}

impl Future for LatchWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.latch.open.get() {
            return Poll::Ready(());
        }
        let place = {
            let mut waiters = self.latch.waiters.borrow_mut();
            let place = self.place.or_else(|| waiters.iter().position(Option::is_none)).unwrap_or(waiters.len());
            match waiters.get_mut(place) {
                Some(slot) => keep(slot, cx.waker()),
                None => waiters.push(Some(cx.waker().clone())),
            }
            place
        };
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for LatchWait {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        if let Some(slot) = self.latch.waiters.borrow_mut().get_mut(place) {
            *slot = None;
        }
    }
}

/// Stores `waker`, unless the stored one wakes the same task.
fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run_test, spawn_local, yield_now};

    #[test]
    fn a_oneshot_carries_its_value_and_tells_when_it_will_not() {
        run_test(async {
            let (sender, receiver) = oneshot();
            spawn_local(async move {
                yield_now().await;
                sender.send(5).unwrap();
            });
            assert_eq!(receiver.await, Ok(5));
            let (sender, receiver) = oneshot::<u8>();
            drop(sender);
            assert_eq!(receiver.await, Err(Canceled));
            let (sender, receiver) = oneshot();
            drop(receiver);
            assert!(sender.is_abandoned());
            assert_eq!(sender.send(1), Err(1));
        });
    }

    #[test]
    fn a_notification_without_a_waiter_is_kept_once() {
        run_test(async {
            let notify = Notify::new();
            notify.notify();
            notify.notify();
            notify.notified().await;
            assert!(crate::timeout(std::time::Duration::from_millis(5), notify.notified()).await.is_err());
        });
    }

    #[test]
    fn an_open_latch_lets_everybody_through() {
        run_test(async {
            let latch = Latch::new();
            let tasks: Vec<_> = (0..10).map(|_| spawn_local(latch.wait())).collect();
            yield_now().await;
            latch.open();
            for task in tasks {
                task.await;
            }
            latch.wait().await;
        });
    }

    #[test]
    fn an_ended_wait_frees_its_place() {
        run_test(async {
            let latch = Latch::new();
            for _ in 0..100 {
                let _ = crate::select(latch.wait(), yield_now()).await;
            }
            assert_eq!(latch.0.waiters.borrow().len(), 1);
        });
    }
}
