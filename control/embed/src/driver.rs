//! The task that runs the script: takes what has happened, one turn each, and sleeps when there is nothing.
//!
//! ```text
//!   timers due ─┐
//!   inputs ─────┼─► turns for at most 4 ms ─► way (answers go out) ─► deferred work ─► way … ─► sleep until woken or a timer is due
//! ```
//! Shape:  one driver per engine, ends when the script has stopped or the grace is over.
//! Units:  [`SLICE`], [`LOOK`].
//! Errors: none; those of the script are reported by `machine`.
//! Fair:   other tasks of the executor run after each slice, and before deferred work: that is when answers are written.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::shared::{Id, Input, Shared, target};

/// See the module.
pub struct Driver {
    machine: Rc<Machine>,
    shared: Rc<Shared>,
}

impl Driver {
    /// A driver of `machine`.
    pub fn new(machine: Rc<Machine>, shared: Rc<Shared>) -> Self {
        Self { machine, shared }
    }

    /// Runs until `shared.stopped` opens.
    pub async fn run(self) {
        let mut looked = Instant::now();
        while !self.shared.stopped.is_open() {
            self.slice();
            if self.shared.deferred.get() {
                way(&mut looked).await;
                self.deferred();
            }
            if self.shared.has_input() || self.machine.has_jobs() || self.shared.deferred.get() {
                way(&mut looked).await;
            } else {
                self.sleep().await;
                looked = Instant::now();
            }
        }
    }

    /// What is due and what has come in, as far as the slice reaches.
    fn slice(&self) {
        let end = Instant::now() + SLICE;
        loop {
            if let Some(id) = self.shared.poll_timer() {
                self.machine.turn::<()>("timer", (js(id),));
            } else if let Some(input) = self.shared.poll_input() {
                self.input(input);
            } else {
                return;
            }
            if Instant::now() > end {
                return;
            }
        }
    }

    fn input(&self, input: Input) {
        let machine = &self.machine;
        match input {
            Input::Request { id, server, request } => {
                let authorization = request.headers.first("authorization").map(str::to_owned);
                let body = String::from_utf8_lossy(&request.body);
                let (method, path) = (request.method.word(), target(&request));
                let parts: Vec<&str> = request.path.segments().collect();
                machine.turn::<()>("request", (js(id), js(server), method, path, authorization, &*body, parts))
            }
            Input::Reply { id, status, body } => machine.turn::<()>("reply", (js(id), status, body)),
            Input::Refused { id, message, unsent } => machine.turn::<()>("refused", (js(id), message, unsent)),
            Input::Done { id, value } => machine.turn::<()>("done", (js(id), value)),
            Input::Reload => {
                machine.reload();
                Some(())
            }
            Input::Stop => machine.turn::<()>("stop", ()),
        };
    }

    /// Work that the script put off, in order, as far as the slice reaches.
    fn deferred(&self) {
        let end = Instant::now() + SLICE;
        while Instant::now() < end && self.shared.deferred.replace(false) {
            // What this turn puts off sets it again by itself; of a turn that was stopped nobody knows what is left.
            if self.machine.turn::<bool>("immediate", ()) != Some(false) {
                self.shared.deferred.set(true);
            }
        }
    }

    async fn sleep(&self) {
        let next = self.shared.timers.borrow().next_due();
        match next {
            // A timer is never cancelled asleep: it is dropped inside this living task.
            Some(due) => drop(rt::select(self.shared.awake.notified(), rt::sleep_until(due)).await),
            None => self.shared.awake.notified().await,
        }
    }
}

/// Lets other tasks run: those that are ready now, and each [`LOOK`] also what I/O and timers make ready, which costs more.
async fn way(looked: &mut Instant) {
    if looked.elapsed() < LOOK {
        rt::pass().await;
    } else {
        rt::yield_now().await;
        *looked = Instant::now();
    }
}

/// Numbers of the prelude are doubles; they stay under 2^53.
fn js(id: Id) -> f64 {
    id as f64
}

/// A request of another task of this executor waits no longer for us than for one of its own kind.
const SLICE: Duration = Duration::from_millis(4);
/// A slot of a media shard that shares the executor.
const LOOK: Duration = Duration::from_millis(1);
