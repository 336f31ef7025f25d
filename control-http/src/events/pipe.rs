//! Connections to control servers that carry one event behind the other, without waiting for each answer.
//!
//! ```text
//!   Delivery ─► of this executor? ─► `local` ─► done
//!            └► choose ─► outbox ─► all of it in one write ─► under way, in order ─► answers, many in one read ─► done
//! ```
//! Shape:  a connection takes more while its oldest has waited less than [`SLOW`] and fewer than [`DEPTH`] are under way; else there
//!         is another one. So a server that answers at once has one connection, and a slow call of it holds up few others.
//!         There are never more than deliveries under way, and those that lie idle: at most `in_flight_max` of the queue.
//! Units:  a delivery has its own time from when it is sent, met up to 250 ms late.
//! Errors: what breaks a connection is the fault of its oldest delivery; the others are sent once more elsewhere, as all of
//!         them may be told twice. A server that closes behind an answer is not sent ahead any more.
//! Source: RFC 9112 §9.3.2 (pipelining of idempotent methods: PUT and DELETE are, RFC 9110 §9.2.2).

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rt::{AsyncRead, AsyncWriteExt, Notify, TcpStream};

use super::{Delivery, Outcome};
use crate::client::{Client, JSON, Outgoing, Url};
use crate::local::{self, Local};
use crate::watch::{Watch, Watched};
use crate::wire::{Response, ResponseReader};

/// What becomes of a delivery is told here.
pub(super) type Done = Box<dyn Fn((usize, u64), Outcome)>;

/// The connections, by origin.
pub(super) struct Pipes {
    client: Rc<Client>,
    watch: Rc<Watch>,
    open: RefCell<HashMap<String, Vec<Rc<Pipe>>>>,
    /// Origins that take one at a time.
    serial: RefCell<HashSet<String>>,
    done: Done,
}

/// One connection, or one that is being made.
struct Pipe {
    outbox: RefCell<VecDeque<Item>>,
    /// In the outbox and under way.
    load: Cell<usize>,
    /// Since when the oldest waits.
    since: Cell<Instant>,
    filled: Notify,
}

struct Item {
    delivery: Delivery,
    url: Url,
    /// It was on a connection that broke.
    again: bool,
}

/// The connection is over: by a fault of what was on it, or in good order.
enum Over {
    /// Nobody was reached, for any of them.
    Unreachable,
    /// The oldest was not answered.
    Broken,
    /// The server closed it; `answers` came before.
    Closed { answers: u64 },
    /// The server closes it behind this answer, whatever was sent ahead.
    LastAnswer,
    /// Nothing to do for long.
    Idle,
}

impl Pipes {
    /// Must be made inside an executor: it starts the task that watches deadlines.
    pub(super) fn new(client: Rc<Client>, done: Done) -> Rc<Self> {
        let watch = Rc::new(Watch::default());
        drop(rt::spawn_local(Rc::clone(&watch).tick()));
        Rc::new(Self { client, watch, open: RefCell::default(), serial: RefCell::default(), done })
    }

    /// Sends `delivery`, together with all others of this turn of the executor.
    pub(super) fn send(self: &Rc<Self>, delivery: Delivery) {
        match Url::parse(&delivery.url) {
            Ok(url) => match local::find(&url) {
                Some(server) => self.ask(server, &url, delivery),
                None => self.place(Item { delivery, url, again: false }),
            },
            // The control address was checked when it was set, so this is a prefix that only looked right.
            Err(_) => (self.done)(delivery.id, Outcome::Answered(400)),
        }
    }

    /// Tells a server of this executor.
    fn ask(self: &Rc<Self>, server: Rc<dyn Local>, url: &Url, Delivery { id, method, body, timeout, .. }: Delivery) {
        // As over a socket, where the server would say so.
        let Ok(request) = self.client.incoming(method, url, JSON, body) else { return (self.done)(id, Outcome::Answered(400)) };
        let pipes = Rc::clone(self);
        let then = move |answer: Option<Response>| {
            (pipes.done)(id, answer.map_or(Outcome::Unreachable, |answer| Outcome::Answered(answer.status)));
        };
        server.ask(request, timeout, Box::new(then));
    }

    fn place(self: &Rc<Self>, item: Item) {
        let now = Instant::now();
        let origin = item.url.authority();
        let depth = if self.serial.borrow().contains(origin) { 1 } else { DEPTH };
        let mut open = self.open.borrow_mut();
        if !open.contains_key(origin) {
            open.insert(origin.to_owned(), Vec::new());
        }
        let Some(pipes) = open.get_mut(origin) else { return };
        let takes =
            |pipe: &&Rc<Pipe>| pipe.load.get() == 0 || (pipe.load.get() < depth && now.saturating_duration_since(pipe.since.get()) < SLOW);
        let pipe = pipes.iter().find(takes).cloned().unwrap_or_else(|| {
            let pipe = Rc::new(Pipe { outbox: RefCell::default(), load: Cell::new(0), since: Cell::new(now), filled: Notify::new() });
            pipes.push(Rc::clone(&pipe));
            // Detached: it ends when it has nothing to do.
            drop(rt::spawn_local(Rc::clone(self).run(Rc::clone(&pipe), item.url.clone())));
            pipe
        });
        if pipe.load.get() == 0 {
            pipe.since.set(now);
        }
        pipe.load.set(pipe.load.get() + 1);
        pipe.outbox.borrow_mut().push_back(item);
        pipe.filled.notify();
    }

    async fn run(self: Rc<Self>, pipe: Rc<Pipe>, url: Url) {
        let mut under_way = VecDeque::new();
        let over = match self.client.connect(&url).await {
            Ok(stream) => self.converse(&pipe, stream, &mut under_way).await,
            Err(error) => {
                tracing::debug!(url = url.authority(), %error, "control server not reached");
                Over::Unreachable
            }
        };
        // From here on it is not chosen any more.
        self.forget(&url, &pipe);
        if matches!(over, Over::LastAnswer) && !under_way.is_empty() {
            let mut serial = self.serial.borrow_mut();
            if serial.len() >= SERIAL_MAX {
                serial.clear();
            }
            serial.insert(url.authority().to_owned());
        }
        under_way.extend(pipe.outbox.borrow_mut().drain(..));
        for (place, item) in under_way.into_iter().enumerate() {
            let guilty = match over {
                Over::Unreachable => true,
                Over::Broken => place == 0,
                // After answers it may have been closed while it lay idle (RFC 9112 §9.3.1).
                Over::Closed { answers } => answers == 0 && place == 0,
                Over::LastAnswer | Over::Idle => false,
            };
            if guilty || item.again {
                (self.done)(item.delivery.id, Outcome::Unreachable);
            } else {
                self.place(Item { again: true, ..item });
            }
        }
    }

    fn forget(&self, url: &Url, pipe: &Rc<Pipe>) {
        let mut open = self.open.borrow_mut();
        if let Some(pipes) = open.get_mut(url.authority()) {
            pipes.retain(|one| !Rc::ptr_eq(one, pipe));
            if pipes.is_empty() {
                open.remove(url.authority());
            }
        }
    }

    /// Everything between connect and close. What is left in `under_way` was not answered.
    async fn converse(&self, pipe: &Pipe, mut stream: TcpStream, under_way: &mut VecDeque<Item>) -> Over {
        let watched = self.watch.enter();
        let mut reader = None::<ResponseReader>;
        let mut input = vec![0; READ_BYTES];
        let mut out = Vec::new();
        let mut answers = 0;
        loop {
            for item in pipe.outbox.borrow_mut().drain(..) {
                let request = Outgoing::json(item.delivery.method, &item.url, &item.delivery.body);
                self.client.write(&request, &mut out);
                under_way.push_back(item);
            }
            watched.set(Instant::now() + under_way.front().map_or(IDLE, |oldest| oldest.delivery.timeout));
            // A server may answer before it has read all, and close: a failed write does not mean that nothing came.
            if !out.is_empty() {
                match watched.race(false, stream.write_all(&out)).await {
                    Ok(_) => out.clear(),
                    Err(_) => return Over::Broken,
                }
            }
            let count = match self.wait(pipe, &watched, &mut stream, &mut input).await {
                Wait::Filled => continue,
                Wait::End if under_way.is_empty() => return Over::Idle,
                Wait::End => return Over::Broken,
                Wait::Read(Ok(0) | Err(_)) => return Over::Closed { answers },
                Wait::Read(Ok(count)) => count,
            };
            let bytes = input.get(..count).unwrap_or_default();
            let Some(oldest) = under_way.front() else { return Over::Idle };
            let reading = reader.get_or_insert_with(|| ResponseReader::new(oldest.delivery.method, self.client.limits()));
            reading.handle_bytes(bytes);
            loop {
                let answer = match reading.poll_answer() {
                    Ok(Some(answer)) => answer,
                    Ok(None) => break,
                    Err(_) => return Over::Broken,
                };
                answers += 1;
                let Some(item) = under_way.pop_front() else { return Over::Idle };
                pipe.load.set(pipe.load.get().saturating_sub(1));
                pipe.since.set(Instant::now());
                (self.done)(item.delivery.id, Outcome::Answered(answer.status));
                if !answer.keep_alive {
                    return Over::LastAnswer;
                }
                match under_way.front() {
                    Some(next) => reading.next(next.delivery.method),
                    // Bytes past the end belong to no request of ours: the connection is not to be trusted further.
                    None if reading.has_rest() => return Over::Closed { answers },
                    None => {
                        reader = None;
                        break;
                    }
                }
            }
        }
    }

    async fn wait(&self, pipe: &Pipe, watched: &Watched, stream: &mut TcpStream, input: &mut [u8]) -> Wait {
        let read = std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, input));
        match watched.race(false, rt::select(read, pipe.filled.notified())).await {
            Ok(rt::Either::First(result)) => Wait::Read(result),
            Ok(rt::Either::Second(())) => Wait::Filled,
            Err(_) => Wait::End,
        }
    }
}

enum Wait {
    Read(std::io::Result<usize>),
    Filled,
    End,
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.watch.kill();
    }
}

/// Under way on one connection; all that one control server gets at once (`in_flight_per_control`) fits.
const DEPTH: usize = 32;
/// Origins remembered as serial; with more, all are tried again.
const SERIAL_MAX: usize = 1024;
/// Longer than a server needs that only takes note, shorter than people notice.
const SLOW: Duration = Duration::from_millis(20);
/// How long a connection is kept unused; less than servers keep theirs (ours 75 s).
const IDLE: Duration = Duration::from_secs(50);
const READ_BYTES: usize = 8 << 10;
