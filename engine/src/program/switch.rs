//! Puts a program together: layout, probe, shards, and what each of them serves.
//!
//! ```text
//!   Config ─▶ Layout ─▶ probe ─▶ mesh ends ─▶ shard 0: node::front      the others: node::sip::worker, node::media
//! ```
//! Shape:  [`Config`] says which of the three programs run; [`start`] gives what then runs, a [`Running`].
//! Errors: [`Failure`] with the exit code of the cause: 2 settings, 71 system, 78 this host cannot run us.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use rt::Latch;
use sip::shard::{ShardId, Sharding};

use super::Failure;
use crate::files;
use crate::mesh;
use crate::node::front::{self, FrontPlan, SipPlan};
use crate::node::media::{self, MediaPlan};
use crate::node::sip::{Part, WorkerPlan, worker};
use crate::ring::{Needs, ProbeError, probe};
use crate::settings::config::{ApiConfig, ControlConfig, RtpConfig, SipConfig};
use crate::settings::{Program, Settings};
use crate::shard::{self, BodyError, Context, Cores, Layout, Shards, StartError, allowed_cpus};

/// What is to run.
pub struct Config {
    /// Guard of the HTTP listeners.
    pub api: ApiConfig,
    /// CPUs.
    pub cores: Cores,
    /// project-sip.
    pub sip: Option<SipConfig>,
    /// project-rtp.
    pub rtp: Option<RtpConfig>,
    /// project-control.
    pub control: Option<ControlConfig>,
    /// How long calls may go on when the process is told to end.
    pub drain: Duration,
}

impl Config {
    /// What the settings of a program say.
    ///
    /// # Errors
    /// Wrong settings.
    pub fn read(settings: &Settings) -> Result<Self, Failure> {
        let has = |program| settings.program == program || settings.program == Program::Mediaswitch;
        let read = || {
            Ok(Self {
                api: ApiConfig::read(settings)?,
                cores: settings.require("cores")?,
                sip: has(Program::Sip).then(|| SipConfig::read(settings)).transpose()?,
                rtp: has(Program::Rtp).then(|| RtpConfig::read(settings)).transpose()?,
                control: has(Program::Control).then(|| ControlConfig::read(settings)).transpose()?,
                drain: Duration::from_secs(settings.get::<u32>("drain")?.unwrap_or_default().into()),
            })
        };
        read().map_err(|error: crate::settings::SettingsError| Failure::usage(error))
    }
}

/// CPUs to use.
///
/// # Errors
/// `--cores` cannot be read.
pub fn cores(settings: &Settings) -> Result<Cores, Failure> {
    settings.require("cores").map_err(Failure::usage)
}

/// Starts everything that `config` names. Call [`shard::begin`] first, as the first thing of the process.
///
/// # Errors
/// The host cannot run us, the layout cannot be had, or a shard cannot start.
pub fn start(program: Program, config: &Config) -> Result<Running, Failure> {
    let layout = Layout::new(program, &config.cores, &allowed_cpus()).map_err(Failure::usage)?;
    let channels = config.rtp.as_ref().map_or(0, media::channels);
    let needs = Needs { shards: layout.shards.len(), media_shards: layout.media_shards(), channels };
    probe(needs).map_err(|error| Failure { code: ProbeError::STATUS, message: error.to_string() })?;
    for plan in &layout.shards {
        tracing::info!(shard = plan.name, cpu = plan.cpu, front = plan.front, media = plan.media.is_some(), "starting");
    }
    let (mut ends, mut media) = (Vec::new(), VecDeque::new());
    let (mut files, mut threads) = (None, files::Threads::default());
    if let Some(config) = &config.rtp {
        let limits = files::Limits { sounds_bytes: config.sounds_bytes, ..files::Limits::default() };
        let (end, started) = files::start(config.media.as_deref(), limits).map_err(|error| {
            let directory = config.media.as_deref().unwrap_or_else(|| Path::new("")).display();
            Failure::usage(format_args!("media = `{directory}`: the directory of sound files cannot be used: {error}"))
        })?;
        (files, threads) = (Some(end), started);
        let (shards, start) = (layout.media_shards(), MediaPlan::clocks());
        for number in 0..shards {
            let (wake, commands) = rt::signal();
            let (end, server) = mesh::pair(wake);
            ends.push(end);
            media.push_back(MediaPlan { config: config.clone(), number, shards, start, server, commands });
        }
    }
    let (sip, mut workers) = signalling(config, layout.sip_shards())?;
    let mut front = Some(FrontPlan {
        layout: layout.clone(),
        api: config.api.clone(),
        sip,
        rtp: config.rtp.clone().zip(files).map(|(rtp, files)| (rtp, ends, files)),
        control: config.control.clone(),
        drain: config.drain,
    });
    let shards = shard::start(&layout, |plan| {
        let front = front.take_if(|_| plan.front);
        // Shards come in the order of their numbers.
        let media = plan.media.and_then(|_| media.pop_front());
        let worker = plan.sip.filter(|number| *number > 0).and_then(|_| workers.pop_front());
        Box::new(move |context| match worker {
            Some(worker) => Box::pin(worker::run(worker, context)),
            None => Box::pin(serve(context, front, media)),
        })
    });
    let shards = shards.map_err(|error| Failure { code: exit_code(&error), message: error.to_string() })?;
    Ok(Running { shards, files: threads })
}

/// The front's part of signalling, and the shards beside it.
fn signalling(config: &Config, shards: u8) -> Result<(Option<SipPlan>, VecDeque<WorkerPlan>), Failure> {
    let Some(config_of_sip) = &config.sip else { return Ok((None, VecDeque::new())) };
    let seed = crate::node::seed().map_err(|error| Failure { code: 71, message: error.to_string() })?;
    let (words, _) = seed.as_chunks::<8>();
    let word = |at: usize| words.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let key = [word(0), word(1)];
    let shards = shards.max(1);
    let mut peers = VecDeque::from(if shards > 1 { mesh::peers(usize::from(shards)) } else { Vec::new() });
    let part = Part { sharding: Sharding::new(ShardId(0), shards, key), peers: peers.pop_front() };
    let (mut others, mut workers) = (Vec::new(), VecDeque::new());
    for (number, peers) in (1..shards).zip(peers) {
        let (wake, asks) = rt::signal();
        let (end, server) = mesh::pair(wake);
        others.push(end);
        workers.push_back(WorkerPlan {
            config: config_of_sip.clone(),
            api: config.api.clone(),
            sharding: Sharding::new(ShardId(number), shards, key),
            peers,
            server,
            asks,
        });
    }
    Ok((Some(SipPlan { config: config_of_sip.clone(), part, others }), workers))
}

/// A program that serves.
pub struct Running {
    /// Its shards.
    pub shards: Shards,
    /// Threads that write what the shards recorded until their end.
    pub files: files::Threads,
}

/// Time for recordings to become whole once everything else has ended.
pub const LAST_WRITES: Duration = Duration::from_secs(3);

/// One shard: the front, media, or with a single CPU both.
async fn serve(context: Context, front: Option<FrontPlan>, media: Option<MediaPlan>) -> Result<(), BodyError> {
    // Beside a front, media serve until it has said good-bye; on a shard of their own, until they are told.
    let stop = if front.is_some() { Latch::new() } else { context.stop.clone() };
    let media = match media {
        Some(plan) => {
            let (shard, stop) = (plan.start(&context.plan)?, stop.clone());
            Some(rt::spawn_local_in(media::queue(), async move { shard.run(&stop).await }))
        }
        None => None,
    };
    let result = match front {
        Some(plan) => {
            let serving = front::run(plan, context);
            let result = if media.is_some() { rt::spawn_local_in(media::queue_beside(), serving).await } else { serving.await };
            stop.open();
            result
        }
        None => {
            context.ready();
            stop.wait().await;
            Ok(())
        }
    };
    if let Some(media) = media {
        media.await;
    }
    result
}

const fn exit_code(error: &StartError) -> u8 {
    match error {
        StartError::Thread { .. } | StartError::Shard { .. } => 71,
        StartError::NotReady { .. } => 70,
    }
}

/// A password for a user that was given none: 20 letters of 5 bits, none of which looks like another.
///
/// # Errors
/// The system has no random numbers.
pub fn new_secret() -> Result<String, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let seed = crate::node::seed().map_err(|error| Failure { code: 71, message: error.to_string() })?;
    let letters = seed.iter().take(20).filter_map(|byte| LETTERS.get(usize::from(byte & 31)));
    Ok(letters.map(|letter| char::from(*letter)).collect())
}
