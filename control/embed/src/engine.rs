//! A running script, from the outside.
//!
//! ```text
//!   ControlEngine::start(options) ─► script loaded, its listener bound ─► … ─► stop ─► library drains, listeners closed
//! ```
//! Shape:  belongs to the executor it was started on. Dropped without `stop`, the script goes on with the executor.
//! Errors: [`StartError`]; a script that calls `run` is started only when its listener is.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rquickjs::Object;
use rt::JoinHandle;

use crate::driver::Driver;
use crate::error::StartError;
use crate::library;
use crate::machine::{Hooks, Machine};
use crate::native;
use crate::options::{Options, Peer, Script};
use crate::shared::{Input, Shared};

/// A script that runs.
pub struct ControlEngine {
    machine: Rc<Machine>,
    shared: Rc<Shared>,
    driver: JoinHandle<()>,
    grace: Duration,
}

/// How a script is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Turns so far.
    pub turns: u64,
    /// Turns stopped for taking too long.
    pub stopped: u64,
    /// Times that the script was read again, in vain or not.
    pub reloads: u64,
    /// The longest turn.
    pub longest: Duration,
    /// JavaScript heap, bytes.
    pub memory_bytes: u64,
}

impl ControlEngine {
    /// Loads the script and runs it until [`Self::stop`]. Returns when it has been read to its end and, if it called `run`
    /// or listens otherwise, listens. Must be called inside an executor.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let script = place(&options.script)?;
        let shared = Shared::new(options.policy.token.clone(), options.token.clone());
        let machine = Machine::new(options.limits, |ctx, prelude, inspect| {
            let native = native::functions(ctx, &shared, &script, options.limits.memory_bytes)?;
            if let Script::Text { source, .. } = &options.script {
                native.set("text", source.as_str())?;
            }
            let defaults = Object::new(ctx.clone())?;
            defaults.set("us", address(ctx, &options.us)?)?;
            for (name, peers) in [("sip", &options.sip), ("rtp", &options.rtp)] {
                // One stays an object, whose port a script may set.
                match peers.as_slice() {
                    [peer] => defaults.set(name, address(ctx, peer)?)?,
                    several => defaults.set(name, several.iter().map(|peer| address(ctx, peer)).collect::<rquickjs::Result<Vec<_>>>()?)?,
                }
            }
            let us: Object<'_> = defaults.get("us")?;
            if let Some(listen) = &options.listen {
                us.set("listen", listen.as_str())?;
            }
            // The policy was decided outside; the library's own guard is for scripts on Node.
            us.set("insecure", options.policy.insecure || options.policy.token.is_some())?;
            let environment = Object::new(ctx.clone())?;
            for (name, value) in &options.environment {
                environment.set(name.as_str(), value.as_str())?;
            }
            let hooks: Object<'_> = prelude.call((native, inspect.clone(), defaults, environment))?;
            Hooks::of(ctx, &hooks)
        });
        let machine = Rc::new(machine.map_err(StartError::Engine)?);
        machine.start().map_err(StartError::Script)?;
        if options.watch {
            // Detached: it ends with the engine.
            drop(rt::spawn_local(watch(Rc::clone(&shared))));
        }
        let driver = rt::spawn_local(Driver::new(Rc::clone(&machine), Rc::clone(&shared)).run());
        let engine = Self { machine, shared, driver, grace: options.limits.grace };
        engine.listening().await?;
        Ok(engine)
    }

    /// Waits for the listens that the script began with.
    async fn listening(&self) -> Result<(), StartError> {
        // The task of a listen counts itself once it runs.
        rt::yield_now().await;
        while self.shared.listening.get() > 0 {
            rt::sleep(LOOK_AGAIN).await;
        }
        let failed = self.shared.listen_error.borrow_mut().take();
        if let Some(message) = failed {
            self.shared.stopped.open();
            self.shared.awake.notify();
            return Err(StartError::Listen(message));
        }
        Ok(())
    }

    /// What reads the script again: its calls stay, its settings and callbacks are those of the new text.
    pub fn reloader(&self) -> Reloader {
        Reloader(Rc::clone(&self.shared))
    }

    /// Asks the script to end and waits for it, at most for the grace; then closes its listeners whatever it does.
    pub async fn stop(self) {
        self.shared.push(Input::Stop);
        if rt::timeout(self.grace, self.shared.stopped.wait()).await.is_err() {
            tracing::warn!(target: "script", "did not end within {} ms of being asked to", self.grace.as_millis());
        }
        self.shared.stopped.open();
        self.shared.awake.notify();
        self.shared.close().await;
        self.driver.await;
    }

    /// Frees what the script holds in cycles only, at once instead of when its heap has grown: how many objects that was, and how
    /// long it took.
    pub fn collect(&self) -> (u64, Duration) {
        self.machine.collect()
    }

    /// For `/status`. A server of the same executor may be asked in the middle of a turn: it is told the memory of before.
    pub fn status(&self) -> Status {
        let counts = &self.machine.counts;
        Status {
            turns: counts.turns.get(),
            stopped: counts.stopped.get(),
            reloads: counts.reloads.get(),
            longest: counts.longest.get(),
            memory_bytes: self.machine.memory_bytes(),
        }
    }
}

/// Has the script read again; good for as long as the engine runs, and of no effect afterwards.
pub struct Reloader(Rc<Shared>);

impl Reloader {
    /// Reads it in a turn of its own. What is wrong with the new text is logged, and the old one goes on.
    pub fn reload(&self) {
        self.0.push(Input::Reload);
    }
}

/// Looks once a second whether a file of the script has changed.
async fn watch(shared: Rc<Shared>) {
    let state = || {
        let stamp = |name: &String| {
            let known = std::fs::metadata(name).ok();
            (name.clone(), known.map(|known| (known.len(), known.modified().ok())))
        };
        shared.files.borrow().iter().filter(|name| !name.starts_with(library::ROOT)).map(stamp).collect::<BTreeMap<_, _>>()
    };
    let mut before = state();
    while !shared.stopped.is_open() {
        rt::sleep(WATCH_AGAIN).await;
        let now = state();
        // A file that is being replaced is not there for a moment: wait for the new one.
        let gone = now.values().any(Option::is_none);
        if !gone && now.iter().any(|(name, stamp)| before.get(name).is_some_and(|old| old != stamp)) {
            shared.push(Input::Reload);
        }
        if !gone {
            before = now;
        }
    }
}

fn address<'js>(ctx: &rquickjs::Ctx<'js>, peer: &Peer) -> rquickjs::Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("host", peer.host.as_str())?;
    object.set("port", peer.port)?;
    Ok(object)
}

/// The name that errors and relative requires go by.
fn place(script: &Script) -> Result<String, StartError> {
    match script {
        Script::File(path) => {
            let absolute = std::fs::canonicalize(path).map_err(|source| StartError::Read { path: path.clone(), source })?;
            Ok(absolute.to_string_lossy().into_owned())
        }
        Script::Text { name, .. } => {
            let here = std::env::current_dir().unwrap_or_default();
            Ok(here.join(Path::new(name)).to_string_lossy().into_owned())
        }
        Script::Extensions => Ok(library::EXTENSIONS.into()),
    }
}

/// An editor has written the whole file by then, and nobody waits long.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
