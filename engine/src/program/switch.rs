//! Puts a program together: layout, probe, shards, and what each of them serves.
//!
//! ```text
//!   Config ─▶ Layout ─▶ probe ─▶ mesh ends ─▶ shard 0: node::front      shard 1 …: node::media
//! ```
//! Shape:  [`Config`] says which of the three programs run; [`start`] gives the running [`Shards`].
//! Errors: [`Failure`] with the exit code of the cause: 2 settings, 71 system, 78 this host cannot run us.

use std::ops::RangeInclusive;

use super::Failure;
use crate::node::front::{self, FrontPlan};
use crate::ring::{Needs, ProbeError, probe};
use crate::settings::config::{ApiConfig, ControlConfig, RtpConfig, SipConfig};
use crate::settings::{Program, Settings};
use crate::shard::{self, Cores, Layout, Shards, StartError, allowed_cpus};

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
pub fn start(program: Program, config: &Config) -> Result<Shards, Failure> {
    let layout = Layout::new(program, &config.cores, &allowed_cpus()).map_err(Failure::usage)?;
    let channels = config.rtp.as_ref().map_or(0, |rtp| pairs(&rtp.ports));
    let needs = Needs { shards: layout.shards.len(), media_shards: layout.media_shards(), channels };
    probe(needs).map_err(|error| Failure { code: ProbeError::STATUS, message: error.to_string() })?;
    for plan in &layout.shards {
        tracing::info!(shard = plan.name, cpu = plan.cpu, front = plan.front, media = plan.media.is_some(), "starting");
    }
    let mut front = Some(FrontPlan { layout: layout.clone(), api: config.api.clone(), sip: config.sip.clone(), rtp: None });
    let shards = shard::start(&layout, |plan| {
        let front = front.take_if(|_| plan.front);
        Box::new(|context| {
            Box::pin(async move {
                match front {
                    Some(front) => front::run(front, context).await,
                    None => Ok(()),
                }
            })
        })
    });
    shards.map_err(|error| Failure { code: exit_code(&error), message: error.to_string() })
}

/// RTP ports go in pairs: even and odd.
fn pairs(ports: &RangeInclusive<u16>) -> u32 {
    let first = u32::from(ports.start().next_multiple_of(2));
    (u32::from(*ports.end()) + 1).saturating_sub(first) / 2
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
