//! Which shard runs on which CPU and what it does.
//!
//! | CPUs | shard 0 | the others |
//! |---|---|---|
//! | 1 | front and media, one executor | |
//! | 2 | front: SIP, HTTP, scripts | media |
//! | N | front | media, one shard each |
//! | `sip=A,B` | front, on A | more signalling on B, media on the rest |
//!
//! Shape:  `project-sip` and `project-control` have only a front, so one shard, unless `--cores sip=…` says otherwise.
//! Units:  CPU numbers of the kernel, out of those that this process may use (`sched_getaffinity`), not a count of cores.
//! Errors: [`LayoutError`] names the part of `--cores` that cannot be had.

use crate::settings::Program;
use std::{fmt, str::FromStr};

impl Program {
    const fn has_media(self) -> bool {
        match self {
            Self::Rtp | Self::Mediaswitch => true,
            Self::Sip | Self::Control => false,
        }
    }

    const fn has_sip(self) -> bool {
        match self {
            Self::Sip | Self::Mediaswitch => true,
            Self::Rtp | Self::Control => false,
        }
    }

    const fn front_name(self) -> &'static str {
        match self {
            Self::Sip | Self::Mediaswitch => "sip",
            Self::Rtp => "http",
            Self::Control => "ctl",
        }
    }
}

/// What `--cores` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cores {
    /// `all`: every CPU this process may use.
    #[default]
    All,
    /// A number: that many of them, lowest first.
    Count(usize),
    /// A list such as `2,3,6-9`, or `3-3` for a single one: these, in this order. A CPU listed twice carries two shards.
    List(Vec<usize>),
    /// `sip=0,1` or `sip=0,1 rtp=2-7`: a signalling shard on each of the first, media on the others.
    Roles {
        /// Signalling; the first is the front.
        sip: Vec<usize>,
        /// Media; `None` is every CPU that is left, or the last of signalling if none is.
        rtp: Option<Vec<usize>>,
    },
}

/// Why there is no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Neither `all`, a number nor a list.
    #[error("cores = `{0}`: say `all`, a number of CPUs, a list such as 2,3,6-9, or `sip=0,1 rtp=2-9`")]
    Unreadable(String),
    /// More than there are.
    #[error("cores = {wanted}: this process may use {} CPUs ({})", .allowed.len(), List(.allowed))]
    TooMany {
        /// What was asked for.
        wanted: usize,
        /// What there is.
        allowed: Vec<usize>,
    },
    /// A CPU that is not ours.
    #[error("cores: CPU {cpu} is not among those this process may use ({})", List(.allowed))]
    NotAllowed {
        /// The one.
        cpu: usize,
        /// What there is.
        allowed: Vec<usize>,
    },
    /// More signalling shards than a branch can name.
    #[error("cores: {0} CPUs for sip, and {max} are the most", max = sip::shard::SHARDS_MAX)]
    TooManySip(usize),
    /// The kernel tells no CPU.
    #[error("the kernel does not tell which CPUs this process may use")]
    NoCpu,
}

struct List<'a>(&'a [usize]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, cpu) in self.0.iter().enumerate() {
            write!(f, "{}{cpu}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Cores {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let unreadable = || LayoutError::Unreadable(text.to_owned());
        let text = text.trim();
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        if let Ok(count) = text.parse::<usize>() {
            return if count == 0 { Err(unreadable()) } else { Ok(Self::Count(count)) };
        }
        if !text.contains('=') {
            return list(text).map(Self::List).ok_or_else(unreadable);
        }
        let (mut sip, mut rtp) = (None, None);
        for part in text.split_whitespace() {
            let (role, cpus) = part.split_once('=').ok_or_else(unreadable)?;
            let place = match role {
                "sip" => &mut sip,
                "rtp" => &mut rtp,
                _ => return Err(unreadable()),
            };
            if place.replace(list(cpus).ok_or_else(unreadable)?).is_some() {
                return Err(unreadable());
            }
        }
        let sip = sip.ok_or_else(unreadable)?;
        if sip.len() > usize::from(sip::shard::SHARDS_MAX) { Err(LayoutError::TooManySip(sip.len())) } else { Ok(Self::Roles { sip, rtp }) }
    }
}

/// `2,3,6-9`; `None` if it is no list.
fn list(text: &str) -> Option<Vec<usize>> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= CPUS_MAX {
            return None;
        }
        list.extend(first..=last);
    }
    Some(list)
}

/// One shard to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPlan {
    /// Number of the shard; 0 is the front.
    pub index: usize,
    /// Where it runs.
    pub cpu: usize,
    /// Name of its thread, such as `sip-00` or `rtp-01`.
    pub name: String,
    /// It carries SIP, HTTP and scripts, as far as the program has them.
    pub front: bool,
    /// It carries signalling, as this one of the signalling shards, counted from 0, which is the front.
    pub sip: Option<u8>,
    /// It carries media, as this one of the media shards, counted from 0.
    pub media: Option<usize>,
    /// Another shard runs on the same CPU.
    pub shares_cpu: bool,
}

impl ShardPlan {
    /// True when media has this CPU for itself, so that real-time priority starves nobody of ours.
    pub const fn media_only(&self) -> bool {
        self.media.is_some() && !self.front && !self.shares_cpu
    }
}

/// All shards of a program, front first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// At least one.
    pub shards: Vec<ShardPlan>,
}

impl Layout {
    /// Lays `program` out on what `cores` takes of the `allowed` CPUs.
    ///
    /// # Errors
    /// [`LayoutError`].
    pub fn new(program: Program, cores: &Cores, allowed: &[usize]) -> Result<Self, LayoutError> {
        let (signalling, rest) = choose(program, cores, allowed)?;
        let Some((&first, more)) = signalling.split_first() else { return Err(LayoutError::NoCpu) };
        let both = program.has_media() && rest.is_empty();
        let front = if both && program == Program::Rtp { "rtp" } else { program.front_name() };
        let sip = |number: usize| u8::try_from(number).ok().filter(|_| program.has_sip());
        let plan = |cpu, name| ShardPlan { index: 0, cpu, name, front: false, sip: None, media: None, shares_cpu: false };
        let mut shards = vec![ShardPlan { front: true, sip: sip(0), media: both.then_some(0), ..plan(first, format!("{front}-00")) }];
        if program.has_sip() {
            let number = 1..;
            shards.extend(number.zip(more).map(|(number, &cpu)| ShardPlan { sip: sip(number), ..plan(cpu, format!("sip-{number:02}")) }));
        }
        if program.has_media() {
            let numbered = rest.iter().enumerate();
            shards.extend(numbered.map(|(number, &cpu)| ShardPlan { media: Some(number), ..plan(cpu, format!("rtp-{number:02}")) }));
        }
        let cpus: Vec<usize> = shards.iter().map(|shard| shard.cpu).collect();
        for (index, shard) in shards.iter_mut().enumerate() {
            shard.index = index;
            shard.shares_cpu = cpus.iter().filter(|cpu| **cpu == shard.cpu).count() > 1;
        }
        Ok(Self { shards })
    }

    /// How many shards carry signalling.
    pub fn sip_shards(&self) -> u8 {
        let count = self.shards.iter().filter(|plan| plan.sip.is_some()).count();
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// How many shards carry media.
    pub fn media_shards(&self) -> usize {
        self.shards.iter().filter(|plan| plan.media.is_some()).count()
    }
}

/// CPUs of the front and of more signalling, and those of media.
fn choose(program: Program, cores: &Cores, allowed: &[usize]) -> Result<(Vec<usize>, Vec<usize>), LayoutError> {
    let permitted = |list: &[usize]| match list.iter().find(|cpu| !allowed.contains(cpu)) {
        Some(&cpu) => Err(LayoutError::NotAllowed { cpu, allowed: allowed.to_vec() }),
        None => Ok(list.to_vec()),
    };
    let all = match cores {
        Cores::All => allowed.to_vec(),
        Cores::Count(wanted) => match allowed.get(..*wanted) {
            Some(chosen) => chosen.to_vec(),
            None => return Err(LayoutError::TooMany { wanted: *wanted, allowed: allowed.to_vec() }),
        },
        Cores::List(list) => permitted(list)?,
        Cores::Roles { sip, rtp } => {
            let sip = permitted(sip)?;
            let rtp = match rtp {
                Some(rtp) => permitted(rtp)?,
                None => allowed.iter().copied().filter(|cpu| !sip.contains(cpu)).collect(),
            };
            // Without a CPU of their own, media share that of the last signalling shard, as threads of their own.
            let shared = || sip.last().copied().into_iter().filter(|_| sip.len() > 1 && program.has_media()).collect();
            let rtp = if rtp.is_empty() { shared() } else { rtp };
            return Ok((sip, rtp));
        }
    };
    let (front, rest) = all.split_at(all.len().min(1));
    Ok((front.to_vec(), rest.to_vec()))
}

/// CPUs that this process may use, lowest first.
pub fn allowed_cpus() -> Vec<usize> {
    let mut cpus: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    cpus.sort_unstable();
    cpus
}

/// Linux allows 8192 CPUs at most (`CONFIG_NR_CPUS`).
const CPUS_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(program: Program, cores: &Cores, allowed: &[usize]) -> Vec<(String, usize, bool, Option<usize>)> {
        let layout = Layout::new(program, cores, allowed).unwrap();
        layout.shards.into_iter().map(|plan| (plan.name, plan.cpu, plan.front, plan.media)).collect()
    }

    #[test]
    fn one_cpu_carries_everything() {
        assert_eq!(names(Program::Mediaswitch, &Cores::All, &[3]), [("sip-00".into(), 3, true, Some(0))]);
        assert_eq!(names(Program::Rtp, &Cores::Count(1), &[3, 4]), [("rtp-00".into(), 3, true, Some(0))]);
    }

    #[test]
    fn two_cpus_part_signalling_from_media() {
        let expected = [("sip-00".into(), 0, true, None), ("rtp-00".into(), 1, false, Some(0))];
        assert_eq!(names(Program::Mediaswitch, &Cores::All, &[0, 1]), expected);
    }

    #[test]
    fn more_cpus_are_media_shards() {
        let layout = Layout::new(Program::Rtp, &Cores::List(vec![6, 2, 4]), &[0, 2, 4, 6]).unwrap();
        assert_eq!(layout.media_shards(), 2);
        assert_eq!(layout.shards.iter().map(|plan| plan.cpu).collect::<Vec<_>>(), [6, 2, 4]);
        assert_eq!(layout.shards.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>(), ["http-00", "rtp-00", "rtp-01"]);
        assert!(layout.shards[1].media_only() && !layout.shards[0].media_only());
    }

    #[test]
    fn a_cpu_listed_twice_carries_two_shards_and_neither_has_it_alone() {
        let layout = Layout::new(Program::Rtp, &Cores::List(vec![0, 1, 1]), &[0, 1]).unwrap();
        assert_eq!(layout.shards.iter().map(|plan| (plan.cpu, plan.media)).collect::<Vec<_>>(), [(0, None), (1, Some(0)), (1, Some(1))]);
        assert!(layout.shards.iter().all(|plan| !plan.media_only()));
    }

    #[test]
    fn programs_without_media_have_one_shard() {
        for program in [Program::Sip, Program::Control] {
            assert_eq!(names(program, &Cores::All, &[0, 1, 2]).len(), 1);
        }
    }

    #[test]
    fn signalling_takes_the_cpus_that_it_is_given() {
        let roles: Cores = "sip=0,1".parse().unwrap();
        let layout = Layout::new(Program::Mediaswitch, &roles, &[0, 1, 2, 3]).unwrap();
        let shown: Vec<_> = layout.shards.iter().map(|plan| (plan.name.as_str(), plan.index, plan.cpu, plan.sip, plan.media)).collect();
        let expected = [
            ("sip-00", 0, 0, Some(0), None),
            ("sip-01", 1, 1, Some(1), None),
            ("rtp-00", 2, 2, None, Some(0)),
            ("rtp-01", 3, 3, None, Some(1)),
        ];
        assert_eq!(shown, expected);
        assert_eq!((layout.sip_shards(), layout.media_shards()), (2, 2));
        assert_eq!(Layout::new(Program::Sip, &roles, &[0, 1, 2]).unwrap().shards.len(), 2);
        assert_eq!(Layout::new(Program::Sip, &Cores::All, &[0, 1, 2]).unwrap().sip_shards(), 1);
        assert_eq!(Layout::new(Program::Rtp, &roles, &[0, 1, 2]).unwrap().sip_shards(), 0);
    }

    #[test]
    fn media_without_a_cpu_of_their_own_share_one_and_take_no_priority() {
        let layout = Layout::new(Program::Mediaswitch, &"sip=0,1".parse().unwrap(), &[0, 1]).unwrap();
        let media = layout.shards.last().unwrap();
        assert_eq!((media.name.as_str(), media.cpu, media.shares_cpu, media.media_only()), ("rtp-00", 1, true, false));
        let told = Layout::new(Program::Mediaswitch, &"sip=0 rtp=1".parse().unwrap(), &[0, 1]).unwrap();
        assert!(told.shards[1].media_only());
    }

    #[test]
    fn cores_reads_all_counts_and_lists() {
        assert_eq!("all".parse(), Ok(Cores::All));
        assert_eq!("4".parse(), Ok(Cores::Count(4)));
        assert_eq!("2,3,6-9".parse(), Ok(Cores::List(vec![2, 3, 6, 7, 8, 9])));
        assert_eq!("3-3".parse(), Ok(Cores::List(vec![3])));
        assert_eq!("sip=0,1 rtp=2-3".parse(), Ok(Cores::Roles { sip: vec![0, 1], rtp: Some(vec![2, 3]) }));
        for bad in ["rtp=1", "sip=", "sip=1 sip=2", "sip=0;rtp=1", "http=0", "sip=0 1"] {
            assert!(matches!(bad.parse::<Cores>(), Err(LayoutError::Unreadable(_))), "{bad}");
        }
        assert_eq!("sip=0-32".parse::<Cores>(), Err(LayoutError::TooManySip(33)));
        for bad in ["", "0", "a", "1-", "3-1", "1,,2", "0-99999999999", "0-9999999"] {
            assert!(matches!(bad.parse::<Cores>(), Err(LayoutError::Unreadable(_))), "{bad}");
        }
        assert_eq!("1,0-2".parse(), Ok(Cores::List(vec![1, 0, 1, 2])));
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let text = Layout::new(Program::Mediaswitch, &Cores::Count(3), &[0, 1]).unwrap_err().to_string();
        assert_eq!(text, "cores = 3: this process may use 2 CPUs (0,1)");
        let text = Layout::new(Program::Mediaswitch, &Cores::List(vec![0, 7]), &[0, 1]).unwrap_err().to_string();
        assert_eq!(text, "cores: CPU 7 is not among those this process may use (0,1)");
        assert_eq!(Layout::new(Program::Mediaswitch, &Cores::All, &[]), Err(LayoutError::NoCpu));
    }
}
