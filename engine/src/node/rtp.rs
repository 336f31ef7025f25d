//! project-rtp on the front shard: commands to the media shard that owns the channel, answers and events back.
//!
//! ```text
//!   HTTP ─▶ RtpNode::command ─▶ mesh ─▶ media shard        events of all shards ─▶ control
//!             which shard? near's │ the one with most headroom │ the channel's
//! ```
//! Shape:  one [`Caller`] per media shard; where each channel lives is known here, learned from the answers.
//! Units:  those of `rtp::api`.
//! Errors: a full queue or a shard that is gone is `Unavailable` (503), at once; the end of a channel waits for a place.
//! Limits: one map entry per open channel, so at most the port pairs of all addresses.
//! Not here: opening (`open`), mixing channels of different shards (`moves`), files (`sounds`).

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rt::Latch;
use rtp::api::{ChannelCounts, ChannelId, ChannelView, Command, CommandError, Event, Load, Opened, Reply};

use super::held::Held;
use crate::files::{Files, FilesEnd};
use crate::media::{self, Request, Served};
use crate::mesh::{AskError, Caller, CallerEnd};

/// Answer to the HTTP API.
pub type Answer = Result<Reply, CommandError>;
/// The front shard's end of the mesh to one media shard, before it is on its thread.
pub type MediaEnd = CallerEnd<Request, media::Answer, News>;

/// What a media shard tells without being asked.
#[derive(Debug)]
pub enum News {
    /// Something happened to a channel; for its control server.
    Event(Event),
    /// A channel is gone, whoever ended it.
    Closed(ChannelId),
    /// How the shard is doing; once a second while it has channels.
    Load {
        /// Its own load.
        load: Load,
        /// Its own pool.
        channels: ChannelCounts,
    },
}

type MediaCaller = Caller<Request, media::Answer, News>;
/// Where events of channels go.
pub type EventSink = Rc<dyn Fn(Event)>;

pub(super) const BUSY: CommandError = CommandError::Unavailable("the media shard has too many commands in flight; try again");
/// How long channels may take to say good-bye when the process ends: the next of them, and all; and how often they are looked at.
const LAST_CHANNELS: Duration = Duration::from_millis(500);
const LAST_CHANNELS_MAX: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_millis(5);
/// Between two looks at events that wait for a disk.
const HELD_LOOK: Duration = Duration::from_secs(1);
pub(super) const GONE: CommandError = CommandError::Unavailable("the media shard is stopping");

/// The media server of this process.
pub struct RtpNode {
    shards: Vec<MediaCaller>,
    pub(super) files: Rc<Files>,
    state: RefCell<State>,
    held: RefCell<Held>,
    /// Channels that are on the way from one shard to another, or wait for one that is; the latch opens when they are there.
    pub(super) held_channels: RefCell<HashMap<ChannelId, Latch>>,
}

/// What the answers said last.
struct State {
    homes: HashMap<ChannelId, usize>,
    /// Requests to play or to stop, by channel; the last one wins.
    turns: HashMap<ChannelId, u64>,
    channels: Vec<ChannelCounts>,
    loads: Vec<Load>,
    draining: bool,
    /// Channels that were brought to another shard.
    moved: u64,
}

impl RtpNode {
    /// Takes the ends of the mesh, in the order of the media shards. Their pools are known with their first news.
    pub fn new(ends: Vec<MediaEnd>, files: FilesEnd) -> Rc<Self> {
        let count = ends.len();
        let idle = Load { headroom: 1.0, accepting: true, ..Load::default() };
        Rc::new(Self {
            shards: ends.into_iter().map(Caller::new).collect(),
            files: Files::new(files),
            held: RefCell::default(),
            held_channels: RefCell::default(),
            state: RefCell::new(State {
                homes: HashMap::new(),
                turns: HashMap::new(),
                channels: vec![ChannelCounts::default(); count],
                loads: vec![idle; count],
                draining: false,
                moved: 0,
            }),
        })
    }

    /// Carries answers and events until `stop` opens.
    pub async fn run(self: Rc<Self>, events: &EventSink, stop: &Latch) {
        let mut tasks = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (node, shard, events, stop, number) = (Rc::clone(&self), shard.clone(), Rc::clone(events), stop.clone(), tasks.len());
            tasks.push(rt::spawn_local(async move {
                shard
                    .run(&stop, |news| match news {
                        News::Event(event) => {
                            // Told outside the borrow: the sink may come back here.
                            let now = node.held.borrow_mut().event(event, Instant::now());
                            now.into_iter().for_each(&*events);
                        }
                        News::Closed(channel) => node.forget(channel),
                        News::Load { load, channels } => node.learn(number, Some(load), channels),
                    })
                    .await;
            }));
        }
        let files = rt::spawn_local({
            let (node, events, stop) = (Rc::clone(&self), Rc::clone(events), stop.clone());
            let files = Rc::clone(&self.files);
            async move {
                let told = |ticket, outcome| {
                    let now = node.held.borrow_mut().ended(ticket, outcome);
                    now.into_iter().for_each(&*events);
                };
                files.run(told, &stop).await;
            }
        });
        while !stop.is_open() {
            rt::select(rt::sleep(HELD_LOOK), stop.wait()).await;
            let now = self.held.borrow_mut().overdue((!stop.is_open()).then(Instant::now));
            now.into_iter().for_each(&**events);
        }
        for task in tasks {
            task.await;
        }
        files.await;
    }

    /// No new channels from now on.
    pub fn start_draining(&self) {
        self.state.borrow_mut().draining = true;
    }

    pub(super) fn is_draining(&self) -> bool {
        self.state.borrow().draining
    }

    /// Closes all channels, as long as the events of it still find their way; waits until they are gone. A shard that closes none for
    /// `LAST_CHANNELS` is not waited for, nor is any for longer than `LAST_CHANNELS_MAX`.
    pub async fn farewell(&self) {
        self.start_draining();
        let end = Instant::now() + LAST_CHANNELS_MAX;
        let mut patience = Instant::now() + LAST_CHANNELS;
        for shard in &self.shards {
            // A shard that is gone has no channels, and one that does not answer is told all the same.
            rt::select(shard.ask(Request::Farewell), rt::sleep(patience.saturating_duration_since(Instant::now()))).await;
        }
        let mut left = usize::MAX;
        loop {
            let open = self.state.borrow().homes.len();
            let now = Instant::now();
            if open < left {
                (left, patience) = (open, now + LAST_CHANNELS);
            }
            if open == 0 || now >= patience.min(end) {
                break;
            }
            rt::sleep(LAST_LOOK).await;
        }
        if left > 0 {
            tracing::warn!("{left} channels did not end in time");
        }
    }

    /// Does what the HTTP API asks.
    ///
    /// # Errors
    /// The media machine's, and `Unavailable`.
    pub async fn command(self: &Rc<Self>, command: Command) -> Answer {
        match &command {
            Command::Open(_) => self.open(command).await,
            Command::List => {
                let on_the_way = self.held_now();
                let mut channels = Vec::new();
                for shard in 0..self.shards.len() {
                    if let Reply::Channels(of_shard) = self.ask(shard, command.clone()).await? {
                        channels.extend(of_shard);
                    }
                }
                self.settle(&mut channels, on_the_way).await;
                Ok(Reply::Channels(channels))
            }
            Command::Status => self.status().await,
            Command::Mix { a, b } => self.mix(*a, *b).await,
            Command::Play { channel, .. } | Command::Record { channel, .. } => {
                let channel = *channel;
                self.home(channel).await?;
                match command {
                    Command::Play { soup, .. } => self.play(channel, soup).await,
                    Command::Record { record, .. } => self.record(channel, record).await,
                    other => self.ask_channel(channel, other).await,
                }
            }
            Command::StopPlay { channel } => {
                let channel = *channel;
                self.home(channel).await?;
                self.take_turn(channel);
                self.ask_channel(channel, command).await
            }
            Command::Target { channel, .. }
            | Command::Unmix { channel }
            | Command::Echo { channel }
            | Command::Direction { channel, .. }
            | Command::Level { channel, .. }
            | Command::Speakers { channel, .. }
            | Command::StopRecord { channel, .. }
            | Command::Dtmf { channel, .. }
            | Command::Close { channel }
            | Command::Get { channel } => self.ask_channel(*channel, command).await,
        }
    }

    /// Load of the process: every core, and the best headroom.
    pub fn load(&self) -> Load {
        let state = self.state.borrow();
        let mut whole = Load { accepting: !state.draining && state.loads.iter().any(|load| load.accepting), ..Load::default() };
        for load in &state.loads {
            whole.cores.extend_from_slice(&load.cores);
            whole.headroom = whole.headroom.max(load.headroom);
            whole.transcodes += load.transcodes;
            whole.transcodes_max = whole.transcodes_max.into_iter().chain(load.transcodes_max).reduce(|a, b| a + b);
        }
        whole
    }

    /// The pool of the process.
    pub fn channels(&self) -> ChannelCounts {
        let state = self.state.borrow();
        state.channels.iter().fold(ChannelCounts::default(), |sum, of_shard| ChannelCounts {
            active: sum.active + of_shard.active,
            available: sum.available + of_shard.available,
        })
    }

    async fn status(&self) -> Answer {
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for shard in 0..self.shards.len() {
            let Reply::Status(of_shard) = self.ask(shard, Command::Status).await? else { continue };
            for (name, value) in of_shard {
                match sums.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += value,
                    None => sums.push((name, value)),
                }
            }
        }
        sums.push(("channels_moved", self.state.borrow().moved));
        sums.extend(self.files.figures());
        Ok(Reply::Status(sums))
    }

    /// Numbers a request to play or to stop.
    pub(super) fn take_turn(&self, channel: ChannelId) -> u64 {
        let mut state = self.state.borrow_mut();
        let turn = state.turns.entry(channel).or_default();
        *turn += 1;
        *turn
    }

    /// No later request came.
    pub(super) fn has_turn(&self, channel: ChannelId, turn: u64) -> bool {
        self.state.borrow().turns.get(&channel) == Some(&turn)
    }

    /// Asks the shard of a channel, once it is on one.
    pub(super) async fn ask_channel(&self, channel: ChannelId, command: Command) -> Answer {
        let home = self.home(channel).await?;
        self.ask(home, command).await
    }

    pub(super) async fn ask(&self, shard: usize, command: Command) -> Answer {
        let served = match command {
            // Who is refused it leaves the channel behind.
            Command::Close { .. } => self.serve(shard, Request::Command(command)).await?,
            command => {
                let caller = self.shards.get(shard).ok_or(GONE)?;
                caller.ask(Request::Command(command)).await.map_err(|error| match error {
                    AskError::Full(_) => BUSY,
                    AskError::Gone => GONE,
                })??
            }
        };
        let Served::Reply(answer) = served else { return Err(GONE) };
        Ok(match answer {
            Reply::Opened(opened) => {
                self.state.borrow_mut().homes.insert(opened.channel, shard);
                self.learn(shard, Some(opened.load.clone()), opened.channels);
                Reply::Opened(Box::new(Opened { channels: self.channels(), load: self.load(), ..*opened }))
            }
            Reply::Closed { stats, channels } => {
                self.learn(shard, None, channels);
                Reply::Closed { stats, channels: self.channels() }
            }
            Reply::Done | Reply::Playing { .. } | Reply::Channels(_) | Reply::Channel(_) | Reply::Status(_) => answer,
        })
    }

    fn learn(&self, shard: usize, load: Option<Load>, channels: ChannelCounts) {
        let mut state = self.state.borrow_mut();
        if let (Some(known), Some(load)) = (state.loads.get_mut(shard), load) {
            *known = load;
        }
        if let Some(known) = state.channels.get_mut(shard) {
            *known = channels;
        }
    }

    pub(super) fn forget(&self, channel: ChannelId) {
        let mut state = self.state.borrow_mut();
        state.homes.remove(&channel);
        state.turns.remove(&channel);
    }

    /// Shard of a channel. One that is moving is waited for.
    pub(super) async fn home(&self, channel: ChannelId) -> Result<usize, CommandError> {
        self.until_free(channel).await;
        self.state.borrow().homes.get(&channel).copied().ok_or(CommandError::NotFound(channel))
    }

    pub(super) fn set_home(&self, channel: ChannelId, shard: usize) {
        self.state.borrow_mut().homes.insert(channel, shard);
    }

    pub(super) fn count_move(&self) {
        self.state.borrow_mut().moved += 1;
    }

    pub(super) fn caller(&self, shard: usize) -> Option<&Caller<Request, media::Answer, News>> {
        self.shards.get(shard)
    }

    /// Whether a shard has clearly more headroom than another.
    pub(super) fn is_roomier(&self, shard: usize, than: usize) -> bool {
        let state = self.state.borrow();
        let headroom = |shard: usize| state.loads.get(shard).map_or(0.0, |load| load.headroom);
        headroom(shard) > headroom(than) + 0.02
    }

    /// A channel that moved while the shards were listed is in the list once.
    async fn settle(&self, channels: &mut Vec<ChannelView>, on_the_way: Vec<ChannelId>) {
        if on_the_way.is_empty() && self.held_channels.borrow().is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        channels.retain(|view| seen.insert(view.channel));
        for channel in on_the_way.into_iter().filter(|channel| !seen.contains(channel)) {
            if let Ok(Reply::Channel(view)) = self.ask_channel(channel, Command::Get { channel }).await {
                channels.push(*view);
            }
        }
    }

    /// Those that take new channels first, and of them most headroom; among equals the fewest channels.
    pub(super) fn by_room(&self) -> Vec<usize> {
        let state = self.state.borrow();
        let taken = |shard: &usize| {
            let (headroom, accepting) = state.loads.get(*shard).map_or((0.0, false), |load| (load.headroom, load.accepting));
            let active = state.channels.get(*shard).map_or(u64::MAX, |channels| channels.active);
            // Headroom in hundredths, so that noise does not decide.
            (!accepting, std::cmp::Reverse((headroom * 100.0) as i64), active)
        };
        let mut shards: Vec<usize> = (0..self.shards.len()).collect();
        shards.sort_by_key(taken);
        shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{self, Limits};
    use crate::mesh::{CALLS_MAX, pair};

    #[test]
    fn a_channel_is_closed_though_its_shard_takes_no_more_commands_now() {
        rt::run_test(async {
            let (wake, _signal) = rt::signal();
            let (end, mut shard) = pair(wake);
            let (files, _threads) = files::start(None, Limits::default()).unwrap();
            let (node, stop) = (RtpNode::new(vec![end], files), Latch::new());
            let running = rt::spawn_local({
                let (node, stop) = (Rc::clone(&node), stop.clone());
                async move {
                    let nobody: EventSink = Rc::new(|_| {});
                    node.run(&nobody, &stop).await;
                }
            });
            let channel = ChannelId::from_random(7);
            node.set_home(channel, 0);
            let ask = |command: Command| {
                let node = Rc::clone(&node);
                rt::spawn_local(async move { node.command(command).await })
            };
            let asked: Vec<_> = (0..CALLS_MAX).map(|_| ask(Command::Get { channel })).collect();
            while node.caller(0).unwrap().in_flight() < CALLS_MAX {
                rt::yield_now().await;
            }
            assert!(matches!(ask(Command::Get { channel }).await, Err(CommandError::Unavailable(_))));
            let closing = ask(Command::Close { channel });
            rt::sleep(3 * LAST_LOOK).await;
            assert!(!closing.is_finished(), "it waits for a place");
            while !closing.is_finished() {
                while let Some((call, request)) = shard.next_command() {
                    let answer = match request {
                        Request::Command(Command::Close { .. }) => {
                            Ok(Served::Reply(Reply::Closed { stats: Box::default(), channels: ChannelCounts::default() }))
                        }
                        _ => Err(CommandError::NotFound(channel)),
                    };
                    shard.answer(call, answer);
                }
                shard.flush();
                rt::sleep(LAST_LOOK).await;
            }
            assert!(matches!(closing.await, Ok(Reply::Closed { .. })));
            for answer in asked {
                assert_eq!(answer.await.err(), Some(CommandError::NotFound(channel)));
            }
            stop.open();
            running.await;
        });
    }
}
