//! A signalling shard beside the front: its endpoint, its sockets, its events; commands come over the mesh.
//!
//! ```text
//!   front: Ask::Serve(sockets) ─► SipNode, Events ─► ready      Ask::Command ─► SipNode::command ─► Answer::Reply
//!   stop:  Ask::Farewell ─► live calls end ─► Answer::Done ─► the stop latch ─► closed
//! ```
//! Shape:  [`WorkerPlan`] crosses to the shard's thread, which makes the rest there. Events go to control from here, by HTTP.
//! Errors: [`Answer::Failed`] to the front, which does not start then.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};

use control_http::client::{Client, ClientConfig};
use control_http::events::{EventConfig, Events, Trouble};
use control_http::resolve::Resolver;
use rt::{Latch, Signal};
use serde_json::{Value, json};
use sip::api::{Command, CommandError, Reply};
use sip::shard::Sharding;

use super::{Part, SipNode, SipSockets, Word};
use crate::mesh::{PeerEnds, Server};
use crate::node::front::LAST_EVENTS;
use crate::settings::config::{ApiConfig, SipConfig};
use crate::shard::{BodyError, Context};

/// What the front asks of another signalling shard.
#[derive(Debug)]
pub enum Ask {
    /// Begin, with these sockets.
    Serve(SipSockets),
    /// A command of the HTTP API.
    Command(Box<Command>),
    /// Value of a Replaces for a call of yours.
    ReplacesValue(String),
    /// `/status` beside the endpoint's figures.
    Report,
    /// No new calls from now on.
    Drain,
    /// End the live calls.
    Farewell,
}

/// What it answers.
#[derive(Debug)]
pub enum Answer {
    /// Done.
    Done,
    /// It cannot serve.
    Failed(String),
    /// To a command.
    Reply(Result<Reply, CommandError>),
    /// To `ReplacesValue`; `None` if there is no such call, or it has no dialog.
    ReplacesValue(Option<String>),
    /// To `Report`.
    Report(Value),
}

/// A signalling shard to be.
pub struct WorkerPlan {
    /// Settings of project-sip.
    pub config: SipConfig,
    /// What our requests carry.
    pub api: ApiConfig,
    /// Which of the shards it is.
    pub sharding: Sharding,
    /// Its ends towards the other signalling shards.
    pub peers: PeerEnds<Word>,
    /// Its end towards the front.
    pub server: Server<Ask, Answer, ()>,
    /// Fires when the front asks.
    pub asks: Signal,
}

/// One that serves.
struct Worker {
    node: Rc<SipNode>,
    events: Rc<Events>,
    serving: rt::JoinHandle<()>,
    sending: rt::JoinHandle<()>,
}

/// Serves until the process is told to stop.
///
/// # Errors
/// None of its own: that it cannot start is told to the front.
pub async fn run(plan: WorkerPlan, context: Context) -> Result<(), BodyError> {
    let WorkerPlan { config, api, sharding, peers, server, asks } = plan;
    let server = Rc::new(RefCell::new(server));
    let closed = Latch::new();
    let mut peers = Some(peers);
    let mut worker: Option<Worker> = None;
    while !context.stop.is_open() {
        loop {
            let next = server.borrow_mut().next_command();
            let Some((call, ask)) = next else { break };
            let answer = match (ask, &worker) {
                (Ask::Serve(sockets), None) => match peers.take().map(|peers| Part { sharding, peers: Some(peers) }) {
                    Some(part) => match start(&config, &api, part, sockets, &closed) {
                        Ok(started) => {
                            worker = Some(started);
                            context.ready();
                            Answer::Done
                        }
                        Err(error) => Answer::Failed(error.to_string()),
                    },
                    None => Answer::Failed("asked twice".into()),
                },
                (Ask::Farewell, Some(worker)) => {
                    let (node, server) = (Rc::clone(&worker.node), Rc::clone(&server));
                    // Control still has its say while the calls end, so the loop goes on.
                    drop(rt::spawn_local(async move {
                        node.farewell().await;
                        let mut server = server.borrow_mut();
                        server.answer(call, Answer::Done);
                        server.flush();
                    }));
                    continue;
                }
                (ask, Some(worker)) => worker.answer(ask),
                (_, None) => Answer::Failed("not serving".into()),
            };
            server.borrow_mut().answer(call, answer);
        }
        server.borrow_mut().flush();
        rt::select(asks.wait(), context.stop.wait()).await;
    }
    closed.open();
    if let Some(worker) = worker {
        worker.serving.await;
        worker.sending.await;
    }
    Ok(())
}

fn start(config: &SipConfig, api: &ApiConfig, part: Part, sockets: SipSockets, closed: &Latch) -> Result<Worker, super::NodeError> {
    let client = ClientConfig { token: api.policy.token.clone(), ..ClientConfig::default() };
    let client = Rc::new(Client::new(client, Rc::new(Resolver::default())));
    let (node, events) = serve(config, part, sockets, client)?;
    let (serving, sending) = (Rc::clone(&node), Rc::clone(&events));
    let (ended, told) = (closed.clone(), closed.clone());
    let serving = rt::spawn_local(async move { serving.run(&ended).await });
    Ok(Worker { node, events, serving, sending: rt::spawn_local(sending.run(told, LAST_EVENTS)) })
}

/// A node and the events that it sends to control.
///
/// # Errors
/// The system has no random numbers.
pub fn serve(
    config: &SipConfig,
    part: Part,
    sockets: SipSockets,
    client: Rc<Client>,
) -> Result<(Rc<SipNode>, Rc<Events>), super::NodeError> {
    let events_to: Rc<OnceCell<Weak<SipNode>>> = Rc::default();
    let events = Events::new(EventConfig::default(), client, {
        let node = Rc::clone(&events_to);
        move |trouble: Trouble<'_>| {
            if let Some(node) = node.get().and_then(Weak::upgrade) {
                node.control_trouble(trouble);
            }
        }
    });
    let sink = Rc::clone(&events);
    let node = SipNode::new(config, part, sockets, Box::new(move |event| sink.push(event)))?;
    events_to.get_or_init(|| Rc::downgrade(&node));
    Ok((node, events))
}

impl Worker {
    fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Command(command) => Answer::Reply(self.node.command(*command)),
            Ask::ReplacesValue(callid) => Answer::ReplacesValue(self.node.replaces_value(&callid)),
            Ask::Report => Answer::Report(report(&self.node, &self.events)),
            Ask::Drain => {
                self.node.start_draining();
                Answer::Done
            }
            Ask::Serve(_) | Ask::Farewell => Answer::Failed("it serves already".into()),
        }
    }
}

/// Part of `/status` beside the endpoint's figures.
pub fn report(node: &SipNode, events: &Events) -> Value {
    json!({"tcp": node.tcp_status(), "dns": node.dns_status(), "events": events.report(), "shard": node.shard_status()})
}
