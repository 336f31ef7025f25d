//! The event queue on the executor: one task that drains it, and a few connections that carry what comes out.
//!
//! ```text
//!   push ─► queue ─► (wake) run: poll_output ─► Send ─► Pipes ─► handle_outcome ─► (wake)
//! ```
//! Shape:  the queue bounds what is under way.
//! Errors: a failed new call, and a control server that is behind, are told to `on_trouble`, from the `run` task, never from within
//!         `push`: the caller may hold the SIP core while it pushes.
//! Stop:   after the latch opens, what is pending has `grace` to go out, so that the last hang-ups are told.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use rt::{Latch, Notify};
use serde_json::{Map, Value};

use super::pipe::Pipes;
use super::{Event, EventConfig, EventQueue, Output};
use crate::client::Client;

/// The event queue of one executor.
pub struct Events {
    queue: RefCell<EventQueue>,
    pipes: Rc<Pipes>,
    changed: Notify,
    on_trouble: Box<dyn Fn(Trouble<'_>)>,
}

/// What the queue cannot mend by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble<'a> {
    /// Control could not be told of the new call with this Call-ID.
    Failed(&'a str),
    /// Every event for this control server has waited so long, or, at zero, no longer does.
    Behind(&'a str, Duration),
}

impl Events {
    /// A queue that sends by `client` and tells `on_trouble` what it cannot mend.
    pub fn new(config: EventConfig, client: Rc<Client>, on_trouble: impl Fn(Trouble<'_>) + 'static) -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<Self>| {
            let events = this.clone();
            let done = move |id, outcome| {
                if let Some(events) = events.upgrade() {
                    events.queue.borrow_mut().handle_outcome(id, outcome, Instant::now());
                    events.changed.notify();
                }
            };
            let queue = RefCell::new(EventQueue::new(config, Instant::now()));
            Self { queue, pipes: Pipes::new(client, Box::new(done)), changed: Notify::new(), on_trouble: Box::new(on_trouble) }
        })
    }

    /// Takes an event; never waits.
    pub fn push(&self, event: impl Into<Event>) {
        self.queue.borrow_mut().handle_event(event.into(), Instant::now());
        self.changed.notify();
    }

    /// Sends until `stop` opens and everything is told, or none is taken for as long as `grace`, or four times that is over: a full
    /// house has some thousand ends to tell. One task runs this.
    pub async fn run(self: Rc<Self>, stop: Latch, grace: Duration) {
        let mut last: Option<Instant> = None;
        let (mut end, mut delivered) = (None, 0);
        loop {
            let next = self.drain();
            if stop.is_open() {
                let now = Instant::now();
                let last = *last.get_or_insert(now + 4 * grace);
                let so_far = self.queue.borrow().stats().delivered;
                if end.is_none() || so_far > delivered {
                    (end, delivered) = (Some(last.min(now + grace)), so_far);
                }
            }
            match end {
                Some(end) if self.queue.borrow().pending() == 0 || Instant::now() >= end => return,
                Some(end) => self.wait(Some(next.map_or(end, |next| next.min(end)))).await,
                None => {
                    let _ = rt::select(stop.wait(), self.wait(next)).await;
                }
            }
            self.queue.borrow_mut().handle_timeout(Instant::now());
        }
    }

    /// The `events` part of `/status`.
    pub fn report(&self) -> Map<String, Value> {
        let queue = self.queue.borrow();
        let stats = queue.stats();
        [
            ("pending", queue.pending() as u64),
            ("lanes", queue.lanes() as u64),
            ("controls_behind", queue.behind() as u64),
            ("delivered_total", stats.delivered),
            ("failed_attempts_total", stats.failed_attempts),
            ("replaced_total", stats.replaced),
            ("dropped_total", stats.dropped),
            ("failed_calls_total", stats.failed_calls),
        ]
        .into_iter()
        .map(|(name, number)| (name.to_owned(), number.into()))
        .collect()
    }

    /// Does all that can be done now; says when to look again.
    fn drain(self: &Rc<Self>) -> Option<Instant> {
        loop {
            // Not in the head of the match: that would hold the borrow through the arms.
            let output = self.queue.borrow_mut().poll_output();
            match output {
                Output::Send(delivery) => self.pipes.send(delivery),
                Output::Failed(callid) => (self.on_trouble)(Trouble::Failed(&callid)),
                Output::Behind(control, waited) => (self.on_trouble)(Trouble::Behind(&control, waited)),
                Output::Wait(next) => return next,
            }
        }
    }

    async fn wait(&self, until: Option<Instant>) {
        match until {
            Some(until) => {
                let _ = rt::select(self.changed.notified(), rt::sleep_until(until)).await;
            }
            None => self.changed.notified().await,
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("queue", &self.queue).finish_non_exhaustive()
    }
}
