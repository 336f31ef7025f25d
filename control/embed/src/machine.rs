//! QuickJS with its limits: one turn of JavaScript at a time, and a report of what broke in it.
//!
//! ```text
//!   turn(call) ─► deadline set ─► the call ─► promise jobs, until none is left ─► unhandled rejections ─► deadline off
//!                     └─ passed ─► the script is stopped where it is, reported with its lines, and goes on with the next turn
//! ```
//! Shape:  one runtime and one context. [`Limits`] for time and memory; 512 KiB of native stack for recursion.
//! Units:  `Duration`, bytes.
//! Errors: of scripts: logged, or given to the library, which knows the call concerned. `start` gives the text back.
//! Not here: what a turn is about (`driver`), what scripts can reach (`native`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::context::EvalOptions;
use rquickjs::function::IntoArgs;
use rquickjs::{CaughtError, Context, Ctx, Error, Exception, Function, Object, Persistent, Runtime, Value};

use crate::library;
use crate::options::Limits;
use crate::slack::Slack;

/// How a script has behaved.
#[derive(Debug, Default)]
pub struct Counts {
    /// Turns so far.
    pub turns: Cell<u64>,
    /// Turns that were stopped because they took too long.
    pub stopped: Cell<u64>,
    /// Times that the script was read again, in vain or not.
    pub reloads: Cell<u64>,
    /// The longest turn.
    pub longest: Cell<Duration>,
}

/// When the running turn must be over.
#[derive(Debug, Default)]
struct Deadline {
    begun: Cell<Option<Instant>>,
    at: Cell<Option<Instant>>,
    passed: Cell<bool>,
}

/// A function of the prelude, looked up once.
pub type Hook = Persistent<Function<'static>>;

macro_rules! hooks {
    ($($name:ident),* $(,)?) => {
        /// What the prelude is called for: `js/prelude.js` says what each does.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the names are those of the prelude")]
        pub struct Hooks {
            $(pub $name: Hook,)*
        }

        impl Hooks {
            /// Those of what the prelude gave.
            pub fn of<'js>(ctx: &Ctx<'js>, given: &Object<'js>) -> rquickjs::Result<Self> {
                Ok(Self { $($name: Persistent::save(ctx, given.get::<_, Function<'js>>(stringify!($name))?),)* })
            }
        }
    };
}

hooks![load, reload, undo, failed, request, reply, done, refused, timer, immediate, rejected, settle, stop];

/// See the module. Fields drop in this order: values before the context, the context before the runtime.
pub struct Machine {
    /// What a turn may call.
    pub hooks: Hooks,
    rejected: Rc<RefCell<Option<Hook>>>,
    context: Context,
    runtime: Runtime,
    rejections: Rc<Cell<bool>>,
    deadline: Rc<Deadline>,
    limits: Limits,
    slack: Cell<Slack>,
    memory_bytes: Cell<u64>,
    /// For `/status`.
    pub counts: Counts,
}

impl Machine {
    /// Sets QuickJS up and runs the prelude; `natives` makes what the prelude gets, with defaults and environment behind it.
    ///
    /// # Errors
    /// The text of what went wrong, which is a bug of ours or a memory limit too small to start in.
    pub fn new(
        limits: Limits,
        natives: impl for<'js> FnOnce(&Ctx<'js>, &Function<'js>, &Object<'js>) -> rquickjs::Result<Hooks>,
    ) -> Result<Self, String> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        runtime.set_memory_limit(limits.memory_bytes);
        runtime.set_max_stack_size(STACK_BYTES);
        let slack = Slack::new(limits.memory_bytes);
        runtime.set_gc_threshold(slack.threshold());
        let deadline = Rc::new(Deadline::default());
        let watched = Rc::clone(&deadline);
        runtime.set_interrupt_handler(Some(Box::new(move || {
            let over = watched.at.get().is_some_and(|at| Instant::now() > at);
            watched.passed.set(watched.passed.get() || over);
            over
        })));
        let context = Context::full(&runtime).map_err(|error| error.to_string())?;
        let hooks = context.with(|ctx| {
            let own = |text, name: &str| {
                let mut options = EvalOptions::default();
                options.filename = Some(name.into());
                ctx.eval_with_options::<Value<'_>, _>(text, options)
            };
            let parts = || {
                let inspect = own(library::INSPECT, "lib:/inspect.js")?.try_into_object();
                let prelude = own(library::PRELUDE, "lib:/prelude.js")?.try_into_function();
                Ok((inspect.map_err(|_| Error::Unknown)?, prelude.map_err(|_| Error::Unknown)?))
            };
            let (inspect, prelude) = parts().map_err(|error| described(&ctx, error))?;
            natives(&ctx, &prelude, &inspect).map_err(|error| described(&ctx, error))
        })?;
        let machine = Self {
            hooks,
            rejected: Rc::default(),
            context,
            runtime,
            rejections: Rc::default(),
            deadline,
            limits,
            slack: Cell::new(slack),
            memory_bytes: Cell::default(),
            counts: Counts::default(),
        };
        machine.track_rejections();
        Ok(machine)
    }

    fn track_rejections(&self) {
        self.rejected.replace(Some(self.hooks.rejected.clone()));
        let (hook, seen) = (Rc::clone(&self.rejected), Rc::clone(&self.rejections));
        self.runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
            let Some(rejected) = hook.borrow().clone() else { return };
            seen.set(true);
            // It can fail for want of memory only; then the rejection goes unreported, as there is no room to report it.
            let _ = rejected.restore(&ctx).and_then(|rejected| rejected.call::<_, ()>((promise, reason, handled)));
        })));
    }

    /// The first turn: loads the script.
    ///
    /// # Errors
    /// What it threw, with file and line.
    pub fn start(&self) -> Result<(), String> {
        self.begin(self.limits.start);
        let loaded = self.context.with(|ctx| {
            let load = || self.hooks.load.clone().restore(&ctx)?.call::<_, Value<'_>>(());
            load().map(drop).map_err(|error| self.explained(&ctx, error, self.limits.start))
        });
        if loaded.is_ok() {
            self.jobs(self.limits.start);
        }
        self.end();
        loaded
    }

    /// Reads the script again, with the time of a start; one that had to be stopped is undone.
    pub fn reload(&self) {
        self.counts.reloads.set(self.counts.reloads.get() + 1);
        if self.turn_within::<bool>(self.limits.start, &self.hooks.reload, ()).is_none() {
            self.turn::<()>(&self.hooks.undo, ());
        }
    }

    /// A turn: calls a hook of the prelude and runs what follows from it. What it returns comes back, `None` if it failed.
    pub fn turn<R: for<'js> rquickjs::FromJs<'js>>(&self, hook: &Hook, args: impl for<'js> IntoArgs<'js>) -> Option<R> {
        self.turn_within(self.limits.turn, hook, args)
    }

    fn turn_within<R: for<'js> rquickjs::FromJs<'js>>(&self, limit: Duration, hook: &Hook, args: impl for<'js> IntoArgs<'js>) -> Option<R> {
        self.begin(limit);
        let result = self.context.with(|ctx| {
            let call = |args| hook.clone().restore(&ctx)?.call::<_, R>(args);
            call(args).map_err(|error| self.failed(&ctx, error, limit)).ok()
        });
        self.jobs(limit);
        self.end();
        result
    }

    /// Bytes that the script holds; within a turn, when the engine is taken, as many as it did when that was asked before.
    pub fn memory_bytes(&self) -> u64 {
        if self.deadline.begun.get().is_none() {
            self.memory_bytes.set(u64::try_from(self.runtime.memory_usage().memory_used_size).unwrap_or_default());
        }
        self.memory_bytes.get()
    }

    /// Frees what only cycles hold, now: how many objects that was, and how long it took.
    pub fn collect(&self) -> (u64, Duration) {
        let objects = || u64::try_from(self.runtime.memory_usage().obj_count).unwrap_or_default();
        let (before, begun) = (objects(), Instant::now());
        self.runtime.run_gc();
        let taken = begun.elapsed();
        (before.saturating_sub(objects()), taken)
    }

    /// Unused cycles have just been collected. QuickJS by itself lets the heap grow by half of what is left, whatever that was worth.
    pub fn collected(&self) {
        let mut slack = self.slack.get();
        slack.collected(usize::try_from(self.memory_bytes()).unwrap_or(usize::MAX));
        self.runtime.set_gc_threshold(slack.threshold());
        self.slack.set(slack);
    }

    fn begin(&self, limit: Duration) {
        let now = Instant::now();
        self.deadline.passed.set(false);
        self.deadline.begun.set(Some(now));
        self.deadline.at.set(now.checked_add(limit));
        self.counts.turns.set(self.counts.turns.get().wrapping_add(1));
    }

    fn end(&self) {
        self.deadline.at.set(None);
        let taken = self.deadline.begun.take().map_or(Duration::ZERO, |begun| begun.elapsed());
        self.counts.longest.set(self.counts.longest.get().max(taken));
    }

    /// Runs promise jobs until none is left or the time is over; those left over run after the next turn.
    fn jobs(&self, limit: Duration) {
        loop {
            match self.runtime.execute_pending_job() {
                Ok(true) => {}
                Ok(false) => break,
                Err(broken) => broken.0.with(|ctx| self.failed(&ctx, Error::Exception, limit)),
            }
            if self.deadline.at.get().is_some_and(|at| Instant::now() > at) {
                break;
            }
        }
        if self.rejections.replace(false) {
            self.deadline.at.set(Instant::now().checked_add(limit));
            self.context.with(|ctx| {
                let settle = || self.hooks.settle.clone().restore(&ctx)?.call::<_, ()>(());
                if let Err(error) = settle() {
                    tracing::error!(target: "script", "{}", described(&ctx, error));
                }
            });
        }
    }

    /// Are there promise jobs that the last turn had no time for?
    pub fn has_jobs(&self) -> bool {
        self.runtime.is_job_pending()
    }

    /// Hands an error that got out of a turn to the library, as it knows which call it concerns; else to the log.
    fn failed(&self, ctx: &Ctx<'_>, error: Error, limit: Duration) {
        let stopped = self.deadline.passed.get();
        let (place, text) = if stopped { ("stopped", self.explained(ctx, error, limit)) } else { ("uncaught", described(ctx, error)) };
        if stopped {
            self.counts.stopped.set(self.counts.stopped.get() + 1);
        }
        // A turn of its own: the time of this one is used up.
        self.deadline.passed.set(false);
        self.deadline.at.set(Instant::now().checked_add(self.limits.turn));
        let tell = || {
            let (head, stack) = text.split_once('\n').unwrap_or((&text, ""));
            let value = Exception::from_message(ctx.clone(), head)?.into_object();
            value.set("stack", stack)?;
            self.hooks.failed.clone().restore(ctx)?.call::<_, ()>((value, place))
        };
        if let Err(error) = tell() {
            tracing::error!(target: "script", "{text}; and could not be reported: {}", described(ctx, error));
        }
    }

    /// The text of an error; of one that is ours, with the limit that was broken.
    fn explained(&self, ctx: &Ctx<'_>, error: Error, limit: Duration) -> String {
        let text = described(ctx, error);
        if !self.deadline.passed.get() {
            return text;
        }
        let lines = text.split_once('\n').map_or("", |(_, lines)| lines);
        format!("ran for more than {} ms in one turn and was stopped\n{lines}", limit.as_millis())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its closure holds a value of the runtime, which must go first.
        self.runtime.set_host_promise_rejection_tracker(None);
        self.rejected.replace(None);
    }
}

/// An error as text: name, message and the lines it came through.
fn described(ctx: &Ctx<'_>, error: Error) -> String {
    match CaughtError::from_error(ctx, error) {
        CaughtError::Error(error) => error.to_string(),
        CaughtError::Exception(exception) => {
            let name = exception.as_object().get::<_, String>("name").unwrap_or_else(|_| "Error".into());
            let stack = exception.stack().unwrap_or_default();
            format!("{name}: {}\n{}", exception.message().unwrap_or_default(), stack.trim_end())
        }
        CaughtError::Value(value) => match value.as_string().and_then(|text| text.to_string().ok()) {
            Some(text) => text,
            // QuickJS throws null when there is no memory left even for the error.
            None if value.is_null() => "InternalError: out of memory".into(),
            None => format!("a {} was thrown", value.type_name()),
        },
    }
}

/// A shard's thread has 2 MiB; a quarter is deep enough for any sane recursion (about 2500 calls).
const STACK_BYTES: usize = 512 << 10;
