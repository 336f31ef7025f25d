//! The task that runs the script: takes what has happened, one turn each, and sleeps when there is nothing.
//!
//! ```text
//!   timers due ─┐
//!   inputs ─────┼─► turns for at most 1 ms ─► way (answers go out) ─► deferred work ─► way … ─► sleep until woken or a timer is due
//! ```
//! Shape:  one driver per engine, ends when the script has stopped or the grace is over.
//! Units:  [`SLICE`], [`LOOK`].
//! Errors: none; those of the script are reported by `machine`.
//! Fair:   other tasks of the executor run after each slice, and before deferred work: that is when answers are written.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::function::Rest;

use crate::machine::Machine;
use crate::shared::{Id, Input, Shared};

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
            if self.shared.collected.replace(false) {
                self.machine.collected();
            }
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

    /// What is due and what has come in, as far as the slice reaches. Not inlined: profiles count calls of it.
    #[inline(never)]
    fn slice(&self) {
        let end = Instant::now() + SLICE;
        loop {
            if let Some(id) = self.shared.poll_timer() {
                self.machine.turn::<()>(&self.machine.hooks.timer, (js(id),));
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
        let hooks = &machine.hooks;
        match input {
            Input::Request { id, server, request } => {
                let authorization = request.headers.first("authorization").map(str::to_owned);
                // Nearly all is UTF-8, and told to be so by many bytes at once.
                let body = std::str::from_utf8(&request.body).map_or_else(|_| String::from_utf8_lossy(&request.body), Cow::Borrowed);
                let parts = Rest(request.path.segments().collect());
                let query = (!request.query.is_empty()).then_some(request.query.as_str());
                machine.turn::<()>(&hooks.request, (js(id), js(server), request.method.word(), &*body, authorization, query, parts))
            }
            Input::Reply { id, status, body } => machine.turn::<()>(&hooks.reply, (js(id), status, body)),
            Input::Refused { id, message, unsent } => machine.turn::<()>(&hooks.refused, (js(id), message, unsent)),
            Input::Done { id, value } => machine.turn::<()>(&hooks.done, (js(id), value)),
            Input::Reload => {
                machine.reload();
                Some(())
            }
            Input::Stop => machine.turn::<()>(&hooks.stop, ()),
        };
    }

    /// Work that the script put off, in order, as far as the slice reaches.
    fn deferred(&self) {
        let end = Instant::now() + SLICE;
        while Instant::now() < end && self.shared.deferred.replace(false) {
            // What this turn puts off sets it again by itself; of a turn that was stopped nobody knows what is left.
            if self.machine.turn::<bool>(&self.machine.hooks.immediate, ()) != Some(false) {
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

/// So long a request of another task of this executor waits for us, and a datagram for the sockets to be looked at, which happens
/// when no task is ready. What it costs is one yield for each slice, 5 to 10 µs.
const SLICE: Duration = Duration::from_millis(1);
/// A slot of a media shard that shares the executor.
const LOOK: Duration = Duration::from_millis(1);
