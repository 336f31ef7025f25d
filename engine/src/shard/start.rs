//! Starting shards together and stopping them together.
//!
//! Shape:  [`begin`] is the first line of `main`; [`start`] returns when every body has said [`Context::ready`];
//!         [`Shards::run_until_signal`] is the rest of `main`.
//! Units:  5 s for all to be ready; 5 s for all to stop, after the time that calls may go on.
//! Errors: [`StartError`] with the first reason; the other shards are stopped before it is returned.
//! Exit:   0 after a clean stop; 70 when a shard ended by itself or did not end in time; 128 + n at a second signal.

use super::layout::{Layout, ShardPlan};
use super::priority::Priority;
use crate::os::{sched, signals};
use rt::{Latch, Wake};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Why a body could not start or go on: anything that says so in words.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// What a shard does: made on its thread, runs until its stop latch opens.
pub type Body = Box<dyn FnOnce(Context) -> Pin<Box<dyn Future<Output = Result<(), BodyError>>>> + Send>;

/// What a body is given.
#[derive(Debug)]
pub struct Context {
    /// Which shard this is.
    pub plan: ShardPlan,
    /// What the kernel granted.
    pub priority: Priority,
    /// Opens when the process is to end. The body then has 5 s.
    pub stop: Latch,
    reports: mpsc::Sender<Report>,
}

impl Context {
    /// Tells `main` that the sockets are bound and the shard serves. Until all shards said so, the program has not started.
    pub fn ready(&self) {
        // `main` listens until it has heard from all; after a failure elsewhere nobody does.
        let _ = self.reports.send(Report::Ready { index: self.plan.index, priority: self.priority });
    }
}

enum Report {
    Ready { index: usize, priority: Priority },
    Ended { index: usize, result: Result<(), BodyError> },
}

/// Why the program did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel gave no thread.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Name of the shard.
        name: String,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A shard could not start.
    #[error("{name}: {source}")]
    Shard {
        /// Name of the shard.
        name: String,
        /// Its reason.
        source: BodyError,
    },
    /// A shard said nothing.
    #[error("{name} was not ready within {} s", READY_LIMIT.as_secs())]
    NotReady {
        /// Name of the shard.
        name: String,
    },
}

/// A shard that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Which.
    pub plan: ShardPlan,
    /// What the kernel granted.
    pub priority: Priority,
}

/// The shards of a running program.
#[derive(Debug)]
pub struct Shards {
    started: Vec<Started>,
    stop: Arc<Stop>,
    reports: mpsc::Receiver<Report>,
    running: usize,
    failed: bool,
    front_ended: bool,
}

#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    /// `main` sits in `sigwait` and sees no report.
    waiting: AtomicBool,
    wakes: Vec<Wake>,
}

impl Stop {
    /// Tells the front, so that calls are ended while media still serve them.
    fn ask_front(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.wakes.iter().take(1).for_each(Wake::fire);
    }

    fn ask_all(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.wakes.iter().for_each(Wake::fire);
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    fn needs_signal(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) && !self.is_asked()
    }
}

/// First line of `main`, before any thread: the memory barrier of the executors, and the ending signals kept for [`Shards::run_until_signal`].
pub fn begin() {
    sched::register_membarrier();
    signals::block();
}

/// Starts one thread per shard of `layout`, with the body that `body_of` gives it, and waits until all are ready.
///
/// # Errors
/// [`StartError`]: the first shard that failed. The others have been stopped then, as far as they stopped within 5 s.
pub fn start(layout: &Layout, mut body_of: impl FnMut(&ShardPlan) -> Body) -> Result<Shards, StartError> {
    let (wakes, mut stop_signals): (Vec<_>, Vec<_>) = layout.shards.iter().map(|_| rt::signal()).unzip();
    let stop = Arc::new(Stop { asked: AtomicBool::new(false), waiting: AtomicBool::new(false), wakes });
    let (sender, reports) = mpsc::channel();
    let mut shards = Shards { started: Vec::new(), stop, reports, running: 0, failed: false, front_ended: false };
    for (plan, stop_signal) in layout.shards.iter().zip(stop_signals.drain(..)) {
        let (plan, body, sender, stop) = (plan.clone(), body_of(plan), sender.clone(), Arc::clone(&shards.stop));
        let name = plan.name.clone();
        let spawned = thread::Builder::new().name(name.clone()).spawn(move || {
            let index = plan.index;
            let result = run(plan, body, &sender, stop_signal);
            if !stop.is_asked() {
                match &result {
                    Ok(()) => tracing::error!("the shard ended before it was told to"),
                    Err(error) => tracing::error!("the shard cannot go on: {error}"),
                }
            }
            // `main` waits for this report, or it is gone and needs none.
            let _ = sender.send(Report::Ended { index, result });
            if stop.needs_signal() {
                signals::terminate_self();
            }
        });
        match spawned {
            Ok(_) => shards.running += 1,
            Err(source) => {
                shards.stop_and_join(Duration::ZERO);
                return Err(StartError::Thread { name, source });
            }
        }
    }
    match shards.wait_until_ready(layout) {
        Ok(()) => Ok(shards),
        Err(error) => {
            shards.stop_and_join(Duration::ZERO);
            Err(error)
        }
    }
}

fn run(plan: ShardPlan, body: Body, reports: &mpsc::Sender<Report>, stop_signal: rt::Signal) -> Result<(), BodyError> {
    let reports = reports.clone();
    rt::run(&rt::Config { cpu: Some(plan.cpu) }, async move {
        let priority = Priority::take(&plan);
        let stop = Latch::new();
        rt::spawn_local({
            let stop = stop.clone();
            async move {
                stop_signal.wait().await;
                stop.open();
            }
        });
        body(Context { plan, priority, stop, reports }).await
    })
    .map_err(BodyError::from)
    .and_then(|result| result)
}

impl Shards {
    fn wait_until_ready(&mut self, layout: &Layout) -> Result<(), StartError> {
        let name_of = |index: usize| layout.shards.get(index).map_or_else(String::new, |plan| plan.name.clone());
        let give_up = Instant::now() + READY_LIMIT;
        while self.started.len() < layout.shards.len() {
            match self.reports.recv_timeout(give_up.saturating_duration_since(Instant::now())) {
                Ok(Report::Ready { index, priority }) => {
                    if let Some(plan) = layout.shards.get(index) {
                        self.started.push(Started { plan: plan.clone(), priority });
                    }
                }
                Ok(Report::Ended { index, result }) => {
                    self.running -= 1;
                    self.front_ended |= index == 0;
                    let source = result.err().unwrap_or_else(|| "it ended before it was ready".into());
                    return Err(StartError::Shard { name: name_of(index), source });
                }
                Err(_) => {
                    let silent = layout.shards.iter().find(|plan| !self.started.iter().any(|started| started.plan.index == plan.index));
                    return Err(StartError::NotReady { name: silent.map_or_else(String::new, |plan| plan.name.clone()) });
                }
            }
        }
        self.started.sort_by_key(|started| started.plan.index);
        self.tell_refused();
        Ok(())
    }

    fn tell_refused(&self) {
        if self.started.iter().any(|started| started.priority == Priority::Refused) {
            tracing::warn!(
                "media runs at normal priority: grant CAP_SYS_NICE (systemd: LimitRTPRIO=10 and LimitNICE=-10; docker: --cap-add SYS_NICE) for steady timing"
            );
        }
    }

    /// The shards, front first.
    pub fn started(&self) -> &[Started] {
        &self.started
    }

    /// Waits for SIGTERM or SIGINT, or for a shard that ends by itself, then stops all. The status to exit with.
    ///
    /// The front has `drain` to let calls end by themselves; a second signal meanwhile exits the process at once.
    pub fn run_until_signal(mut self, drain: Duration) -> i32 {
        self.stop.waiting.store(true, Ordering::SeqCst);
        // A shard that ended before that line left a report, one that ends after it sends a signal: look, then wait.
        match self.reports.try_recv() {
            Ok(report) => self.heed(report, false),
            Err(_) => {
                let ending = signals::wait();
                tracing::info!("stopping: {ending:?}; once more to leave at once");
            }
        }
        let watch = thread::Builder::new().name("signals".into()).spawn(|| std::process::exit(signals::wait().status()));
        if let Err(error) = watch {
            tracing::warn!("a second signal will not be heeded: {error}");
        }
        if self.stop_and_join(drain) { 0 } else { FAILED }
    }

    /// Tells the front to stop, then the others, and waits for them: `drain` and 5 s in all. False when one failed or did not end in
    /// time.
    ///
    /// The others are told when the front has ended, or `drain` and 4 s after it was told: until then they close the channels of the
    /// calls it ends.
    pub fn stop_and_join(&mut self, drain: Duration) -> bool {
        // What ended before it was told to is a failure, whatever it returned.
        while let Ok(report) = self.reports.try_recv() {
            self.heed(report, false);
        }
        self.stop.ask_front();
        // Where a shard has died its calls have too.
        let drain = if self.failed { Duration::ZERO } else { drain };
        let (asked, last) = (Instant::now(), drain + STOP_LIMIT);
        let mut limit = if self.front_ended { Duration::ZERO } else { drain + FRONT_LIMIT };
        while self.running > 0 {
            match self.reports.recv_timeout((asked + limit).saturating_duration_since(Instant::now())) {
                Ok(report) => self.heed(report, true),
                Err(_) if limit < last => {}
                Err(_) => {
                    tracing::error!("{} of the shards did not stop within {} s", self.running, last.as_secs());
                    return false;
                }
            }
            if limit < last && (self.front_ended || asked.elapsed() >= limit) {
                self.stop.ask_all();
                limit = last;
            }
        }
        !self.failed
    }

    fn heed(&mut self, report: Report, told: bool) {
        match report {
            Report::Ready { .. } => {}
            Report::Ended { index, result } => {
                self.running -= 1;
                self.front_ended |= index == 0;
                if let Err(error) = &result {
                    tracing::error!("shard {index} failed: {error}");
                }
                self.failed |= result.is_err() || !told;
            }
        }
    }
}

const READY_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(5);
const FRONT_LIMIT: Duration = Duration::from_secs(4);
const FAILED: i32 = 70;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Program;
    use crate::shard::{Cores, allowed_cpus};

    fn layout() -> Layout {
        // One CPU is enough for two shards here: a test measures no time.
        let cpu = allowed_cpus()[0];
        let mut layout = Layout::new(Program::Mediaswitch, &Cores::List(vec![cpu]), &[cpu]).unwrap();
        layout.shards.push(ShardPlan { index: 1, cpu, name: "rtp-00".into(), front: false, sip: None, media: None, shares_cpu: false });
        layout
    }

    #[test]
    fn shards_start_are_named_and_stop_together() {
        let layout = layout();
        let mut shards = start(&layout, |_| {
            Box::new(|context| {
                Box::pin(async move {
                    assert_eq!(thread::current().name(), Some(context.plan.name.as_str()));
                    context.ready();
                    context.stop.wait().await;
                    Ok(())
                })
            })
        })
        .unwrap();
        assert_eq!(shards.started().iter().map(|started| started.plan.index).collect::<Vec<_>>(), [0, 1]);
        assert!(shards.stop_and_join(Duration::ZERO));
    }

    #[test]
    fn media_stops_after_the_front() {
        let (ended, order) = mpsc::channel();
        let mut shards = start(&layout(), |plan| {
            let (front, ended) = (plan.front, ended.clone());
            Box::new(move |context| {
                Box::pin(async move {
                    context.ready();
                    context.stop.wait().await;
                    if front {
                        rt::sleep(Duration::from_millis(100)).await;
                    }
                    ended.send(front).unwrap();
                    Ok(())
                })
            })
        })
        .unwrap();
        assert!(shards.stop_and_join(Duration::ZERO));
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn the_first_reason_is_told_and_the_others_are_stopped() {
        let (ended, end) = mpsc::channel();
        let error = start(&layout(), |plan| {
            let front = plan.front;
            let ended = ended.clone();
            Box::new(move |context| {
                Box::pin(async move {
                    if front {
                        return Err("cannot listen on udp 0.0.0.0:5060".into());
                    }
                    context.ready();
                    context.stop.wait().await;
                    ended.send(()).unwrap();
                    Ok(())
                })
            })
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "sip-00: cannot listen on udp 0.0.0.0:5060");
        end.try_recv().unwrap();
    }
}
