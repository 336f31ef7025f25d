//! The front shard: the HTTP side of every program that runs here, SIP, and the call script.
//!
//! ```text
//!   start:  project-sip, project-rtp listen ─▶ project-control runs its script ─▶ ready
//!   stop:   nothing new; calls go on for the time that `--drain` gives ─▶ SIP says good-bye to live calls, with control and media still there ─▶ channels close and tell ─▶ control ─▶ the rest
//! ```
//! Shape:  one task per server; all of them have ended when the body returns.
//! Errors: [`NodeError`] of the first service that cannot start.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use control_embed::{ControlEngine, Options, Peer, Reloader, Script};
use control_http::client::{Client, ClientConfig};
use control_http::events::{EventConfig, Events};
use control_http::resolve::Resolver;
use control_http::routes::{Program as _, RtpApi, RtpBackend, SipApi, SipBackend};
use control_http::server::{Handler, ServerConfig, ServerStats, serve};
use rt::{Latch, TcpListener};
use serde_json::json;

use super::NodeError;
use super::rtp::{MediaEnd, RtpNode};
use super::service::Service;
use super::sip::{Part, ShardEnd, SipShards, SipSockets, worker};
use crate::files::FilesEnd;
use crate::os::signals;
use crate::settings::config::{ApiConfig, ControlConfig, RtpConfig, SipConfig};
use crate::shard::{BodyError, Context, Layout};

/// What a front shard is to serve.
pub struct FrontPlan {
    /// All shards, for `/status`.
    pub layout: Layout,
    /// Guard of the HTTP listeners.
    pub api: ApiConfig,
    /// project-sip, if it runs here.
    pub sip: Option<SipPlan>,
    /// project-rtp, if it runs here, with the ends of the mesh to the media shards.
    pub rtp: Option<(RtpConfig, Vec<MediaEnd>, FilesEnd)>,
    /// project-control, if it runs here.
    pub control: Option<ControlConfig>,
    /// How long calls may go on when the process is told to end.
    pub drain: Duration,
}

/// project-sip as the front runs it.
pub struct SipPlan {
    /// Settings.
    pub config: SipConfig,
    /// This shard among those of signalling.
    pub part: Part,
    /// Ends towards the others, in their order.
    pub others: Vec<ShardEnd>,
}

/// What the services of a front shard share.
struct Common {
    layout: Layout,
    api: ApiConfig,
    resolver: Rc<Resolver>,
    client: Rc<Client>,
    /// Opens when everything but SIP may end.
    closed: Latch,
}

type Task = rt::JoinHandle<()>;

/// What the built-in script reads.
const DOMAIN: &str = "MEDIASWITCH_DOMAIN";
const USERS: &str = "MEDIASWITCH_USERS";
const DIRECT: &str = "MEDIASWITCH_DIRECT";

/// Nobody who sends a SIGHUP notices such a wait.
const HANGUP_LOOK: Duration = Duration::from_millis(200);

/// How often the calls that go on are counted; who stops a server does not notice such a wait.
const LAST_CALL_LOOK: Duration = Duration::from_millis(100);

/// How long the next of the last events may take to reach control when the process ends; all of them four times that.
pub(super) const LAST_EVENTS: Duration = Duration::from_millis(500);

/// Serves until the process is told to stop.
///
/// # Errors
/// A service cannot start.
pub async fn run(plan: FrontPlan, context: Context) -> Result<(), BodyError> {
    let resolver = Rc::new(Resolver::default());
    let client = ClientConfig { token: plan.api.policy.token.clone(), ..ClientConfig::default() };
    let client = Rc::new(Client::new(client, Rc::clone(&resolver)));
    let common = Common { layout: plan.layout, api: plan.api, resolver, client, closed: Latch::new() };
    let mut tasks = Vec::new();
    let (mut media, mut service) = (None, None);
    if let Some((config, ends, files)) = plan.rtp {
        let node = media.insert(RtpNode::new(ends, files));
        let (of_rtp, others) = start_rtp(&common, &config, Rc::clone(node)).await?;
        service = Some(of_rtp);
        tasks.extend(others);
    }
    let mut shards = None;
    if let Some(plan) = plan.sip {
        let (serving, of_sip, others) = start_sip(&common, plan).await?;
        shards = Some(serving);
        // The calls that go on may still want channels, so media beside SIP stays open to them.
        service = Some(of_sip);
        tasks.extend(others);
    }
    let control = match plan.control {
        Some(config) => Some(start_control(&common, config).await?),
        None => None,
    };
    context.ready();
    context.stop.wait().await;
    if let Some(service) = service.filter(|_| !plan.drain.is_zero()) {
        service.drain();
        rt::select(last_call(shards.as_deref(), media.as_deref()), rt::sleep(plan.drain)).await;
    }
    if let Some(shards) = shards {
        shards.farewell().await;
    }
    if let Some(media) = media {
        media.farewell().await;
    }
    if let Some(control) = control {
        control.stop().await;
    }
    common.closed.open();
    for task in tasks {
        task.await;
    }
    Ok(())
}

/// Returns when neither a call nor a channel is left.
async fn last_call(shards: Option<&SipShards>, media: Option<&RtpNode>) {
    loop {
        let calls = match shards {
            Some(shards) => shards.calls().await,
            None => 0,
        };
        if calls == 0 && media.is_none_or(|media| media.channels().active == 0) {
            break;
        }
        rt::sleep(LAST_CALL_LOOK).await;
    }
}

/// All signalling shards, what is said of them, and the tasks of this one: sockets, events, HTTP server, ears for the others.
async fn start_sip(common: &Common, plan: SipPlan) -> Result<(Rc<SipShards>, Service, Vec<Task>), NodeError> {
    let SipPlan { config, part, others } = plan;
    let sharding = part.sharding;
    let mut sockets = SipSockets::bind(&config, usize::from(sharding.count())).await?;
    let (node, events) = worker::serve(&config, part, sockets.remove(0), Rc::clone(&common.client))?;
    let addresses: Vec<String> = node.addresses().map(|address| address.to_string()).collect();
    let shards = Rc::new(SipShards::new(sharding, Rc::clone(&node), Rc::clone(&events), others));
    let mut tasks = shards.listen(&common.closed);
    shards.start(sockets).await?;
    tracing::info!(sip = addresses.join(" "), transport = "udp tcp", shards = sharding.count(), "project-sip listens");
    let (draining, report) = (Rc::clone(&shards), Rc::clone(&shards));
    let service = Service::new(
        "project-sip",
        &common.layout,
        move || draining.start_draining(),
        move |status| {
            status.insert("listeners".into(), json!(addresses));
            report.report(status);
        },
        || Ok(()),
    );
    let (backend, program) = (SipHttp(Rc::clone(&shards)), service.clone());
    tasks.push(listen(common, "project-sip", config.http, |stats| SipApi { backend, program, server: stats }).await?);
    let (ended, closed) = (common.closed.clone(), common.closed.clone());
    tasks.push(rt::spawn_local(async move { node.run(&ended).await }));
    tasks.push(rt::spawn_local(events.run(closed, LAST_EVENTS)));
    Ok((shards, service, tasks))
}

async fn start_rtp(common: &Common, config: &RtpConfig, node: Rc<RtpNode>) -> Result<(Service, [Task; 3]), NodeError> {
    let events = Events::new(EventConfig::default(), Rc::clone(&common.client), |_| {});
    let (first, last) = (config.ports.start(), config.ports.end());
    for interface in &config.interfaces {
        let (rtp, public) = (interface.bind, interface.advertised);
        tracing::info!(%rtp, %public, ports = format!("{first}-{last}"), "project-rtp opens channels");
    }
    let (draining, loaded, accepting, report) = (Rc::clone(&node), Rc::clone(&node), Rc::clone(&node), Rc::clone(&events));
    let service = Service::new(
        "project-rtp",
        &common.layout,
        move || draining.start_draining(),
        move |status| {
            let channels = loaded.channels();
            status.insert("channels".into(), json!({"active": channels.active, "available": channels.available}));
            status.insert("load".into(), control_http::json::load(&loaded.load()));
            status.insert("events".into(), report.report().into());
        },
        move || if accepting.load().accepting { Ok(()) } else { Err("no media shard has room".into()) },
    );
    let (backend, resolver) = (RtpHttp(Rc::clone(&node)), Rc::clone(&common.resolver));
    let program = service.clone();
    let server = listen(common, "project-rtp", config.http, |stats| RtpApi { backend, program, server: stats, resolver }).await?;
    let sink: super::rtp::EventSink = {
        let events = Rc::clone(&events);
        Rc::new(move |event| events.push(event))
    };
    let (closed, told) = (common.closed.clone(), common.closed.clone());
    let tasks = [server, rt::spawn_local(async move { node.run(&sink, &closed).await }), rt::spawn_local(events.run(told, LAST_EVENTS))];
    Ok((service, tasks))
}

/// Runs the call script; its HTTP is its own.
async fn start_control(common: &Common, config: ControlConfig) -> Result<ControlEngine, NodeError> {
    let peer = |(host, port): (String, u16)| Peer { host, port };
    let script = config.script.map_or(Script::Extensions, Script::File);
    let users: Vec<String> = config.users.iter().map(|(name, secret)| format!("{name}:{secret}")).collect();
    let mut environment: Vec<(String, String)> = std::env::vars().collect();
    environment.retain(|(name, _)| ![DOMAIN, USERS, DIRECT].contains(&name.as_str()));
    environment.push((DOMAIN.to_owned(), config.domain));
    environment.push((USERS.to_owned(), users.join(",")));
    environment.extend(config.direct.then(|| (DIRECT.to_owned(), "yes".to_owned())));
    let options = Options {
        listen: Some(config.http.ip().to_string()),
        us: peer(config.us),
        sip: config.sip.into_iter().map(peer).collect(),
        rtp: config.rtp.into_iter().map(peer).collect(),
        policy: common.api.policy.clone(),
        token: common.api.policy.token.clone(),
        environment,
        watch: config.watch,
        ..Options::new(script)
    };
    let engine = ControlEngine::start(options).await?;
    // Detached: without the engine it has no effect, and it ends with the executor.
    drop(rt::spawn_local(heed_hangups(engine.reloader())));
    tracing::info!(http = %config.http, "project-control runs its script");
    Ok(engine)
}

/// Has the call script read again at each SIGHUP.
async fn heed_hangups(reloader: Reloader) {
    let mut seen = signals::hangups();
    loop {
        rt::sleep(HANGUP_LOOK).await;
        if seen != signals::hangups() {
            seen = signals::hangups();
            reloader.reload();
        }
    }
}

async fn listen<H: Handler + 'static>(
    common: &Common,
    program: &'static str,
    address: SocketAddr,
    handler: impl FnOnce(Rc<ServerStats>) -> H,
) -> Result<Task, NodeError> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(http = %listener.local_addr(), "{program} listens");
    let stats = Rc::new(ServerStats::default());
    let config = ServerConfig { token: common.api.policy.token.clone(), ..ServerConfig::default() };
    let handler = Rc::new(handler(Rc::clone(&stats)));
    let closed = common.closed.clone();
    Ok(rt::spawn_local(serve(listener, handler, config, stats, closed)))
}

/// The SIP shards as the routes see them.
struct SipHttp(Rc<SipShards>);

impl SipBackend for SipHttp {
    async fn call(&self, command: sip::api::Command) -> Result<sip::api::Reply, sip::api::CommandError> {
        self.0.call(command).await
    }
}

/// The media node as the routes see it.
struct RtpHttp(Rc<RtpNode>);

impl RtpBackend for RtpHttp {
    async fn call(&self, command: rtp::api::Command) -> Result<rtp::api::Reply, rtp::api::CommandError> {
        self.0.command(command).await
    }
}
