//! What the script's side and the executor's side of an engine share: work that waits for a turn, requests, servers, timers.
//!
//! ```text
//!   native functions ─► request, listen, respond, timers            tasks ─► inputs ─► driver ─► turn
//! ```
//! Shape:  [`IN_FLIGHT_MAX`] requests at once, [`QUEUED_MAX`] more wait; inputs are bounded by what is outstanding: requests in
//!         (one per connection, 1024), answers (in flight), listens.
//! Units:  bytes, milliseconds where named.
//! Errors: told to the script, by number of what it waits for.
//! Not here: JavaScript.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use control_http::client::{BadUrl, Client, ClientConfig, ClientError, Outgoing, Url};
use control_http::resolve::Resolver;
use control_http::server::{Handler, ServerConfig, ServerStats, Token, serve};
use control_http::wire::{Answer, Limits, Method, Request, Response};
use rt::{JoinHandle, Latch, Notify, OneshotSender, TcpListener, oneshot};

use crate::timers::{TimerId, Timers};

/// Number under which the script waits for something, or knows a server of its own.
pub type Id = u64;

/// What the script is to be told in a turn of its own.
#[derive(Debug)]
pub enum Input {
    /// A request came to one of its servers.
    Request { id: Id, server: Id, request: Box<Request> },
    /// The answer to a request of its own.
    Reply { id: Id, status: u16, body: String },
    /// A request or listen of its own failed; `unsent`: nobody can have seen it.
    Refused { id: Id, message: String, unsent: bool },
    /// A listen (with its port) or unlisten of its own is done.
    Done { id: Id, value: u16 },
    /// The script is to be read again.
    Reload,
    /// The program ends.
    Stop,
}

/// A request of the script.
#[derive(Debug)]
pub struct Ask {
    pub id: Id,
    pub url: Result<Url, BadUrl>,
    pub method: Method,
    pub headers: Rc<[(String, String)]>,
    pub body: String,
    pub limit: Duration,
}

/// A server that the library asks again and again.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// The server, without a path.
    pub base: Url,
    /// What each request to it carries: without a body, and with one.
    pub headers: [Rc<[(String, String)]>; 2],
}

/// See the module.
#[derive(Debug)]
pub struct Shared {
    inputs: RefCell<VecDeque<Input>>,
    /// Timers of the script.
    pub timers: RefCell<Timers>,
    /// Wakes the driver.
    pub awake: Notify,
    /// Opens when the script has ended its work after [`Input::Stop`].
    pub stopped: Latch,
    client: Client,
    resolver: Rc<Resolver>,
    token: Option<Token>,
    servers: RefCell<HashMap<Id, (Latch, JoinHandle<()>)>>,
    answers: RefCell<HashMap<Id, OneshotSender<Response>>>,
    queued: RefCell<VecDeque<Ask>>,
    in_flight: Cell<usize>,
    /// Requests that waited are being sent.
    beginning: Cell<bool>,
    /// Files that the script was read from.
    pub files: RefCell<BTreeSet<String>>,
    requests: Cell<Id>,
    /// Servers of the library, by the number that the prelude knows them by.
    origins: RefCell<Vec<Rc<Origin>>>,
    /// The script has put work off.
    pub deferred: Cell<bool>,
    /// QuickJS has collected unused cycles.
    pub collected: Cell<bool>,
    /// Listens under way, and why the last one failed.
    pub listening: Cell<usize>,
    pub listen_error: RefCell<Option<String>>,
}

impl Shared {
    /// Must be made inside an executor. `ours` is asked of others, `theirs` presented to them.
    pub fn new(ours: Option<Token>, theirs: Option<Token>) -> Rc<Self> {
        let resolver = Rc::new(Resolver::default());
        let limits = Limits { body_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() };
        let config = ClientConfig {
            limits,
            idle_per_origin_max: IN_FLIGHT_MAX,
            in_flight_max: IN_FLIGHT_MAX,
            token: theirs,
            ..ClientConfig::default()
        };
        Rc::new(Self {
            inputs: RefCell::default(),
            timers: RefCell::default(),
            awake: Notify::new(),
            stopped: Latch::new(),
            client: Client::new(config, Rc::clone(&resolver)),
            resolver,
            token: ours,
            servers: RefCell::default(),
            answers: RefCell::default(),
            queued: RefCell::default(),
            in_flight: Cell::new(0),
            beginning: Cell::new(false),
            files: RefCell::default(),
            requests: Cell::new(0),
            origins: RefCell::default(),
            deferred: Cell::new(false),
            collected: Cell::new(false),
            listening: Cell::new(0),
            listen_error: RefCell::default(),
        })
    }

    /// Hands the script something.
    pub fn push(&self, input: Input) {
        self.inputs.borrow_mut().push_back(input);
        self.awake.notify();
    }

    /// The next thing for the script.
    pub fn poll_input(&self) -> Option<Input> {
        self.inputs.borrow_mut().pop_front()
    }

    /// Is there anything for the script?
    pub fn has_input(&self) -> bool {
        !self.inputs.borrow().is_empty()
    }

    /// The number of a server, `None` when too many are known.
    pub fn origin(&self, origin: Origin) -> Option<usize> {
        let mut origins = self.origins.borrow_mut();
        let known = origins.iter().position(|known| **known == origin);
        if known.is_none() && origins.len() < ORIGINS_MAX {
            origins.push(Rc::new(origin));
            return Some(origins.len() - 1);
        }
        known
    }

    /// The server of a number that [`Self::origin`] gave.
    pub fn origin_of(&self, number: usize) -> Option<Rc<Origin>> {
        self.origins.borrow().get(number).cloned()
    }

    /// The next timer that is due.
    pub fn poll_timer(&self) -> Option<TimerId> {
        self.timers.borrow_mut().poll_due(Instant::now())
    }

    /// Sends a request of the script, or lets it wait for one before it to end.
    pub fn ask(self: &Rc<Self>, ask: Ask) {
        if self.in_flight.get() < IN_FLIGHT_MAX {
            self.begin(ask);
        } else if self.queued.borrow().len() < QUEUED_MAX {
            self.queued.borrow_mut().push_back(ask);
        } else {
            let message = format!("{QUEUED_MAX} requests are waiting already");
            self.push(Input::Refused { id: ask.id, message, unsent: true });
        }
    }

    fn begin(self: &Rc<Self>, ask: Ask) {
        self.in_flight.set(self.in_flight.get() + 1);
        let Ask { id, url, method, headers, body, limit } = ask;
        let url = match url {
            Ok(url) => url,
            Err(error) => return self.ended(Input::Refused { id, message: error.to_string(), unsent: true }),
        };
        let shared = Rc::clone(self);
        let then = move |result: Result<Answer, ClientError>| {
            shared.ended(match result {
                Ok(answer) => Input::Reply { id, status: answer.status, body: text(answer.body) },
                Err(error) => Input::Refused { id, unsent: unsent(&error), message: error.to_string() },
            });
        };
        let named: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let outgoing = Outgoing { method, url: &url, headers: &named, body: &[], timeout: Some(limit) };
        let Err((body, then)) = self.client.ask_here(&outgoing, body.into_bytes(), then) else { return };
        drop(named);
        let shared = Rc::clone(self);
        // It ends by itself, at the latest when the time of the request is over.
        rt::spawn_detached(async move {
            let named: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let outgoing = Outgoing { method, url: &url, headers: &named, body: &body, timeout: Some(limit) };
            then(shared.client.request(&outgoing).await);
        });
    }

    /// A request is over: the script is told, and those that wait have their turn.
    fn ended(self: &Rc<Self>, input: Input) {
        self.push(input);
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        // One that is answered at once comes back here: it must not begin the next, or each would stand on the one before.
        if self.beginning.replace(true) {
            return;
        }
        while self.in_flight.get() < IN_FLIGHT_MAX {
            let next = self.queued.borrow_mut().pop_front();
            let Some(ask) = next else { break };
            self.begin(ask);
        }
        self.beginning.set(false);
    }

    /// Finds the addresses of a name for the script, with blanks between them.
    pub async fn look_up(self: Rc<Self>, id: Id, name: String) {
        match self.resolver.lookup_anew(&name).await {
            Ok(found) => {
                let addresses: Vec<String> = found.iter().map(ToString::to_string).collect();
                self.push(Input::Reply { id, status: 200, body: addresses.join(" ") });
            }
            Err(error) => self.push(Input::Refused { id, message: format!("{name}: {error}"), unsent: true }),
        }
    }

    /// Listens for the script; it is told the port, or why not.
    pub async fn listen(self: Rc<Self>, id: Id, server: Id, host: String, port: u16) {
        self.listening.set(self.listening.get() + 1);
        match self.bind(server, &host, port).await {
            Ok(port) => self.push(Input::Done { id, value: port }),
            Err(message) => {
                self.listen_error.replace(Some(message.clone()));
                self.push(Input::Refused { id, message, unsent: true });
            }
        }
        self.listening.set(self.listening.get().saturating_sub(1));
    }

    async fn bind(self: &Rc<Self>, server: Id, host: &str, port: u16) -> Result<u16, String> {
        let found = self.resolver.lookup(host, port).await.map_err(|error| format!("{host}: {error}"))?;
        let address = *found.first().ok_or_else(|| format!("{host} has no address"))?;
        let listener = TcpListener::bind(address).await.map_err(|error| error.to_string())?;
        let bound = listener.local_addr().port();
        let door = Rc::new(Door { server, shared: Rc::clone(self) });
        let config = ServerConfig { token: self.token.clone(), ..ServerConfig::default() };
        let stop = Latch::new();
        let task = rt::spawn_local(serve(listener, door, config, Rc::new(ServerStats::default()), stop.clone()));
        self.servers.borrow_mut().insert(server, (stop, task));
        Ok(bound)
    }

    /// Ends a server of the script, which is told when it has ended.
    pub async fn unlisten(self: Rc<Self>, id: Id, server: Id) {
        let entry = self.servers.borrow_mut().remove(&server);
        if let Some((stop, task)) = entry {
            stop.open();
            task.await;
        }
        self.push(Input::Done { id, value: 0 });
    }

    /// Ends all servers.
    pub async fn close(&self) {
        let servers = self.servers.take();
        for (stop, _) in servers.values() {
            stop.open();
        }
        // Whoever still waits for an answer of the script is told that there will be none.
        self.answers.take();
        for (_, task) in servers.into_values() {
            task.await;
        }
    }

    /// The script's answer to a request.
    pub fn respond(&self, id: Id, response: Response) {
        if let Some(waiting) = self.answers.borrow_mut().remove(&id) {
            // The client may have gone meanwhile; then nobody minds.
            let _ = waiting.send(response);
        }
    }
}

/// Puts requests to one server of the script before it.
#[derive(Debug)]
struct Door {
    server: Id,
    shared: Rc<Shared>,
}

impl Handler for Door {
    async fn handle(&self, request: Request) -> Response {
        let id = self.shared.requests.get() + 1;
        self.shared.requests.set(id);
        let (sender, receiver) = oneshot();
        self.shared.answers.borrow_mut().insert(id, sender);
        self.shared.push(Input::Request { id, server: self.server, request: Box::new(request) });
        let gone = || Response::with_body(503, "application/json", r#"{"error":"stopping","detail":"the call script is ending"}"#);
        receiver.await.unwrap_or_else(|_| gone())
    }
}

/// A body as text, moved where it is UTF-8 as nearly all are.
fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Can nobody have seen the request?
const fn unsent(error: &ClientError) -> bool {
    match error {
        ClientError::Url(_) | ClientError::Resolve(_) | ClientError::Connect(_) | ClientError::Busy(_) => true,
        ClientError::Broken(_) | ClientError::Answer(_) | ClientError::Timeout => false,
    }
}

/// As many as the connections kept to one origin, so that none is opened for a single request.
const IN_FLIGHT_MAX: usize = 128;
/// 20 000 calls that end at once: 2 requests each, to the SIP server and the RTP server, and room for as many retries.
const QUEUED_MAX: usize = 80_000;
/// 2 kinds of servers, each by 16 addresses, and as many changes of a name or a token as a script may see in months.
const ORIGINS_MAX: usize = 1024;
/// `GET /reg/{domain}` of a large domain: 50 000 users × 300 bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
