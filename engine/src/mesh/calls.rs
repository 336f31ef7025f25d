//! Commands with answers, and events, between a front shard and a media shard.
//!
//! Shape:  at most [`CALLS_MAX`] commands are in flight, so the answers always find a place in a queue of that size.
//!         An answer whose caller went away is dropped. Events beyond the queue wait in the [`Server`], at most
//!         [`BACKLOG_MAX`]; past that the oldest are lost and counted, for a front shard that stalls that long is beyond help.
//! Errors: [`AskError`]. A command that was accepted is answered, or [`AskError::Gone`] when the shard ended.

use super::queue::{Full, Receiver, Sender, link};
use super::{CALLS_MAX, EVENTS_MAX};
use rt::{Latch, OneshotSender, Signal, Wake};
use slab::Slab;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

/// Events that wait for a place in the queue: four times the queue, some 4000 channels' worth of closing reports.
pub const BACKLOG_MAX: usize = 4 * EVENTS_MAX;

/// Why a command got no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError<C> {
    /// Too many in flight; the command comes back.
    #[error("the shard has too many commands in flight")]
    Full(C),
    /// The shard has ended.
    #[error("the shard is gone")]
    Gone,
}

struct Numbered<T> {
    call: usize,
    body: T,
}

/// The front shard's end before it has arrived on its thread.
pub struct CallerEnd<C, R, E> {
    commands: Sender<Numbered<C>>,
    answers: Receiver<Numbered<R>>,
    events: Receiver<E>,
    signal: Signal,
}

/// The front shard's end. Clones are the same end.
pub struct Caller<C, R, E>(Rc<CallerState<C, R, E>>);

struct CallerState<C, R, E> {
    end: CallerEnd<C, R, E>,
    waiting: RefCell<Slab<OneshotSender<R>>>,
    gone: Cell<bool>,
}

/// The media shard's end.
pub struct Server<C, R, E> {
    commands: Receiver<Numbered<C>>,
    answers: Sender<Numbered<R>>,
    events: Sender<E>,
    backlog: VecDeque<E>,
    lost_events: u64,
    unsent: bool,
}

/// Which command an answer is for.
#[derive(Debug)]
#[must_use = "a command without its answer leaves its caller waiting"]
pub struct CallId(usize);

/// The two ends between a front shard and the media shard that `server` wakes.
pub fn pair<C, R, E>(server: Wake) -> (CallerEnd<C, R, E>, Server<C, R, E>) {
    let (wake, signal) = rt::signal();
    let (commands, commands_in) = link(CALLS_MAX, server);
    let (answers, answers_in) = link(CALLS_MAX, wake.clone());
    let (events, events_in) = link(EVENTS_MAX, wake);
    (
        CallerEnd { commands, answers: answers_in, events: events_in, signal },
        Server { commands: commands_in, answers, events, backlog: VecDeque::new(), lost_events: 0, unsent: false },
    )
}

impl<C, R, E> Clone for Caller<C, R, E> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<C, R, E> Caller<C, R, E> {
    /// Settles on the calling thread. [`Caller::run`] must be running for answers to arrive.
    pub fn new(end: CallerEnd<C, R, E>) -> Self {
        Self(Rc::new(CallerState { end, waiting: RefCell::new(Slab::new()), gone: Cell::new(false) }))
    }

    /// Sends a command and waits for its answer. Dropping the wait does not recall the command.
    ///
    /// # Errors
    /// [`AskError::Full`] at once, [`AskError::Gone`] when [`Caller::run`] has ended.
    pub async fn ask(&self, command: C) -> Result<R, AskError<C>> {
        if self.0.gone.get() {
            return Err(AskError::Gone);
        }
        let answer = {
            let mut waiting = self.0.waiting.borrow_mut();
            if waiting.len() >= CALLS_MAX {
                return Err(AskError::Full(command));
            }
            let (sender, receiver) = rt::oneshot();
            let call = waiting.insert(sender);
            if let Err(Full(numbered)) = self.0.end.commands.send(Numbered { call, body: command }) {
                waiting.remove(call);
                return Err(AskError::Full(numbered.body));
            }
            receiver
        };
        answer.await.map_err(|_| AskError::Gone)
    }

    /// Commands that have no answer yet.
    pub fn in_flight(&self) -> usize {
        self.0.waiting.borrow().len()
    }

    /// Hands out answers and events as they come, until `stop` opens; then takes what is there and lets all waiters go.
    pub async fn run(&self, stop: &Latch, mut on_event: impl FnMut(E)) {
        loop {
            while let Some(Numbered { call, body }) = self.0.end.answers.pop() {
                let waiter = self.0.waiting.borrow_mut().try_remove(call);
                if let Some(waiter) = waiter {
                    // Whoever asked may have gone away meanwhile.
                    let _ = waiter.send(body);
                }
            }
            while let Some(event) = self.0.end.events.pop() {
                on_event(event);
            }
            if stop.is_open() {
                break;
            }
            rt::select(self.0.end.signal.wait(), stop.wait()).await;
        }
        self.0.gone.set(true);
        let orphans = self.0.waiting.take();
        drop(orphans);
    }
}

impl<C, R, E> Server<C, R, E> {
    /// The oldest command, with the number that its answer needs.
    pub fn next_command(&mut self) -> Option<(CallId, C)> {
        self.commands.pop().map(|numbered| (CallId(numbered.call), numbered.body))
    }

    /// True when a command waits.
    pub fn has_command(&self) -> bool {
        !self.commands.is_empty()
    }

    /// Queues an answer; [`Server::flush`] sends it on its way.
    #[expect(clippy::needless_pass_by_value, reason = "a call is answered once: its number is consumed")]
    pub fn answer(&mut self, call: CallId, body: R) {
        // There is a place for each command in flight, and each is answered once.
        let pushed = self.answers.push(Numbered { call: call.0, body });
        debug_assert!(pushed.is_ok());
        self.unsent = true;
    }

    /// Queues an event; [`Server::flush`] sends it on its way.
    pub fn event(&mut self, event: E) {
        if self.backlog.len() >= BACKLOG_MAX {
            self.backlog.pop_front();
            self.lost_events += 1;
        }
        self.backlog.push_back(event);
    }

    /// Ends a slot: moves events to the queue as far as there is room, and wakes the caller once if there is anything for it.
    pub fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(Full(event)) = self.events.push(event) {
                self.backlog.push_front(event);
                break;
            }
            self.unsent = true;
        }
        if std::mem::take(&mut self.unsent) {
            self.answers.wake();
        }
    }

    /// Events that were given up because the front shard did not take them.
    pub fn lost_events(&self) -> u64 {
        self.lost_events
    }

    /// Events that still wait for a place.
    pub fn backlog(&self) -> usize {
        self.backlog.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A server on its own executor that doubles numbers and reports each as an event, until it is told 0.
    fn doubler(mut server: Server<u32, u32, u32>, signal: Signal) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            rt::run(&rt::Config::default(), async move {
                loop {
                    while let Some((call, number)) = server.next_command() {
                        server.answer(call, number * 2);
                        server.event(number);
                        if number == 0 {
                            server.flush();
                            return;
                        }
                    }
                    server.flush();
                    signal.wait().await;
                }
            })
            .unwrap();
        })
    }

    #[test]
    fn commands_are_answered_and_events_follow_across_threads() {
        let (wake, signal) = rt::signal();
        let (end, server) = pair(wake);
        let thread = doubler(server, signal);
        rt::run_test(async move {
            let caller = Caller::new(end);
            let stop = Latch::new();
            let seen = Rc::new(RefCell::new(Vec::new()));
            let pump = rt::spawn_local({
                let (caller, stop, seen) = (caller.clone(), stop.clone(), Rc::clone(&seen));
                async move { caller.run(&stop, |event| seen.borrow_mut().push(event)).await }
            });
            for number in (1..=500).chain([0]) {
                assert_eq!(caller.ask(number).await, Ok(number * 2));
            }
            let asked: Vec<_> = (0..50).collect();
            assert_eq!(caller.in_flight(), 0);
            drop(asked);
            stop.open();
            pump.await;
            assert_eq!(*seen.borrow(), (1..=500).chain([0]).collect::<Vec<_>>());
            assert_eq!(caller.ask(1).await, Err(AskError::Gone));
        });
        thread.join().unwrap();
    }

    #[test]
    fn more_commands_than_the_queue_holds_come_back() {
        rt::run_test(async {
            let (wake, _signal) = rt::signal();
            let (end, mut server) = pair::<u32, u32, ()>(wake);
            let caller = Caller::new(end);
            let stop = Latch::new();
            for number in 0..CALLS_MAX as u32 {
                let caller = caller.clone();
                rt::spawn_local(async move { caller.ask(number).await });
            }
            rt::yield_now().await;
            assert_eq!(caller.in_flight(), CALLS_MAX);
            assert_eq!(caller.ask(9).await, Err(AskError::Full(9)));
            while let Some((call, number)) = server.next_command() {
                server.answer(call, number);
            }
            server.flush();
            let run = caller.run(&stop, |()| {});
            assert!(rt::timeout(Duration::from_millis(5), run).await.is_err());
            assert_eq!(caller.in_flight(), 0);
        });
    }

    #[test]
    fn events_beyond_the_queue_wait_and_the_oldest_are_given_up_last() {
        let (wake, _signal) = rt::signal();
        let (end, mut server) = pair::<(), (), usize>(wake);
        let total = EVENTS_MAX + BACKLOG_MAX + 3;
        for number in 0..total {
            server.event(number);
            if number < EVENTS_MAX {
                server.flush();
            }
        }
        assert_eq!((server.backlog(), server.lost_events()), (BACKLOG_MAX, 3));
        let mut got = Vec::new();
        while server.backlog() > 0 || !end.events.is_empty() {
            got.extend(std::iter::from_fn(|| end.events.pop()));
            server.flush();
        }
        let expected: Vec<_> = (0..EVENTS_MAX).chain(EVENTS_MAX + 3..total).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_waiter_is_released_when_the_pump_ends() {
        rt::run_test(async {
            let (wake, _signal) = rt::signal();
            let (end, _server) = pair::<u32, u32, ()>(wake);
            let caller = Caller::new(end);
            let asked = rt::spawn_local({
                let caller = caller.clone();
                async move { caller.ask(1).await }
            });
            rt::yield_now().await;
            let stop = Latch::new();
            stop.open();
            caller.run(&stop, |()| {}).await;
            assert_eq!(asked.await, Err(AskError::Gone));
        });
    }
}
