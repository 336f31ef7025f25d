//! All signalling shards as the HTTP server of the front sees them: one backend.
//!
//! ```text
//!   command ─► destination ─► this shard's node, or Ask::Command to another ─► reply
//!                        └─► all: this one, then the others ─► Gathered ─► reply
//! ```
//! Shape:  with one shard every command is a function call.
//! Units:  256 commands in flight to each other shard.
//! Errors: [`CommandError`]; a shard with too many in flight answers 503. What all shards have to keep alike waits for a place
//!         and is not given up half done.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use control_http::events::Events;
use control_http::routes::SipBackend;
use rt::Latch;
use serde_json::{Map, Value, json};
use sip::api::{Action, Command, CommandError, Reply};
use sip::shard::{Destination, Gathered, ShardId, Sharding, destination};

use super::{Answer, Ask, NodeError, SipNode, SipSockets, worker};
use crate::mesh::{AskError, CALLS_MAX, Caller, CallerEnd};

/// End of the front towards another signalling shard.
pub type ShardEnd = CallerEnd<Ask, Answer, ()>;

/// Before a full queue is tried again: commands take some 10 µs each.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// The signalling of this process.
pub struct SipShards {
    sharding: Sharding,
    node: Rc<SipNode>,
    events: Rc<Events>,
    others: Vec<Caller<Ask, Answer, ()>>,
    /// What each shard said of itself when `/status` was asked for last.
    reports: RefCell<Vec<Value>>,
}

impl SipShards {
    /// `node` is shard 0, `ends` lead to the others in their order.
    pub fn new(sharding: Sharding, node: Rc<SipNode>, events: Rc<Events>, ends: Vec<ShardEnd>) -> Self {
        let others = ends.into_iter().map(Caller::new).collect();
        Self { sharding, node, events, others, reports: RefCell::default() }
    }

    /// Hands answers out until `stop` opens: one task for each other shard.
    pub fn listen(&self, stop: &Latch) -> Vec<rt::JoinHandle<()>> {
        let listen = |caller: &Caller<Ask, Answer, ()>| {
            let (caller, stop) = (caller.clone(), stop.clone());
            rt::spawn_local(async move { caller.run(&stop, |()| {}).await })
        };
        self.others.iter().map(listen).collect()
    }

    /// Has the other shards serve.
    ///
    /// # Errors
    /// One of them cannot.
    pub async fn start(&self, sockets: Vec<SipSockets>) -> Result<(), NodeError> {
        for (caller, sockets) in self.others.iter().zip(sockets) {
            match caller.ask(Ask::Serve(sockets)).await {
                Ok(Answer::Done) => {}
                Ok(Answer::Failed(why)) => return Err(NodeError::Shard(why)),
                Ok(_) | Err(_) => return Err(NodeError::Shard("it does not answer".into())),
            }
        }
        Ok(())
    }

    /// No new calls from now on.
    pub fn start_draining(&self) {
        self.node.start_draining();
        for caller in &self.others {
            let caller = caller.clone();
            drop(rt::spawn_local(async move { drop(caller.ask(Ask::Drain).await) }));
        }
    }

    /// Live calls of all shards.
    pub async fn calls(&self) -> u64 {
        let status = if self.others.is_empty() { self.node.command(Command::Status) } else { self.all(Command::Status).await };
        match status {
            Ok(Reply::Status(figures)) => figures.iter().find(|(name, _)| *name == "calls").map_or(0, |(_, calls)| *calls),
            Ok(_) | Err(_) => 0,
        }
    }

    /// Ends the live calls of all shards.
    pub async fn farewell(&self) {
        let others: Vec<_> = self
            .others
            .iter()
            .map(|caller| {
                let caller = caller.clone();
                rt::spawn_local(async move { drop(caller.ask(Ask::Farewell).await) })
            })
            .collect();
        self.node.farewell().await;
        for other in others {
            other.await;
        }
    }

    /// Adds to `/status` what the shards said when they were asked for it.
    pub fn report(&self, status: &mut Map<String, Value>) {
        let reports = self.reports.borrow();
        let mut sums = Map::new();
        for report in reports.iter().filter_map(Value::as_object) {
            for key in ["tcp", "dns", "events"] {
                let sum = sums.entry(key).or_insert_with(|| json!({}));
                add(sum, report.get(key));
            }
        }
        status.extend(sums);
        if reports.len() > 1 {
            status.insert("shards".into(), reports.iter().filter_map(|report| report.get("shard").cloned()).collect());
        }
    }

    /// Asks all shards for what they say of themselves.
    async fn look(&self) {
        let mut reports = vec![worker::report(&self.node, &self.events)];
        for caller in &self.others {
            if let Ok(Answer::Report(report)) = caller.ask(Ask::Report).await {
                reports.push(report);
            }
        }
        *self.reports.borrow_mut() = reports;
    }

    async fn one(&self, shard: ShardId, command: Command) -> Result<Reply, CommandError> {
        match usize::from(shard.0).checked_sub(1).and_then(|at| self.others.get(at)) {
            None => self.node.command(command),
            Some(caller) => reply(caller.ask(Ask::Command(Box::new(command))).await),
        }
    }

    async fn all(&self, command: Command) -> Result<Reply, CommandError> {
        let mut gathered = Gathered::default();
        gathered.add(self.node.command(command.clone()));
        for caller in &self.others {
            let mut ask = Ask::Command(Box::new(command.clone()));
            let answer = loop {
                match caller.ask(ask).await {
                    Err(AskError::Full(same)) => ask = same,
                    answer => break answer,
                }
                rt::sleep(FULL_PAUSE).await;
            };
            gathered.add(reply(answer));
        }
        gathered.finish().unwrap_or(Err(CommandError::Draining))
    }

    /// A transfer to a call of another shard: that shard knows its tags.
    async fn with_tags(&self, command: Command) -> Result<Command, CommandError> {
        let Command::Act { callid, mut action } = command else { return Ok(command) };
        if let Action::Refer { replaces: Some(replaces), .. } = &mut *action {
            let (here, there) = (self.sharding.of_call(&callid), self.sharding.of_call(replaces));
            if here != there {
                let value = match usize::from(there.0).checked_sub(1).and_then(|at| self.others.get(at)) {
                    None => self.node.replaces_value(replaces),
                    Some(caller) => match caller.ask(Ask::ReplacesValue(replaces.clone())).await {
                        Ok(Answer::ReplacesValue(value)) => value,
                        Ok(_) | Err(AskError::Gone) => None,
                        Err(AskError::Full(_)) => return Err(FULL),
                    },
                };
                *replaces = value.ok_or_else(|| CommandError::NotFound(replaces.clone()))?;
            }
        }
        Ok(Command::Act { callid, action })
    }
}

impl SipBackend for SipShards {
    async fn call(&self, command: Command) -> Result<Reply, CommandError> {
        if command == Command::Status {
            self.look().await;
        }
        if self.others.is_empty() {
            return self.node.command(command);
        }
        let command = self.with_tags(command).await?;
        match destination(&command, &self.sharding, |wish| self.node.goes_by_trunk(wish)) {
            Destination::One(shard) => self.one(shard, command).await,
            Destination::All => self.all(command).await,
        }
    }
}

const FULL: CommandError = CommandError::Full { what: "commands of a shard", max: CALLS_MAX };

fn reply(answer: Result<Answer, AskError<Ask>>) -> Result<Reply, CommandError> {
    match answer {
        Ok(Answer::Reply(reply)) => reply,
        Err(AskError::Full(_)) => Err(FULL),
        // It ends, and so do we.
        Ok(_) | Err(AskError::Gone) => Err(CommandError::Draining),
    }
}

/// Adds the numbers of one object to those of another.
fn add(sum: &mut Value, next: Option<&Value>) {
    let (Some(sum), Some(next)) = (sum.as_object_mut(), next.and_then(Value::as_object)) else { return };
    for (key, value) in next {
        let total = value.as_u64().unwrap_or_default() + sum.get(key).and_then(Value::as_u64).unwrap_or_default();
        sum.insert(key.clone(), total.into());
    }
}
