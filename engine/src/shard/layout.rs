//! Which shard runs on which CPU and what it does.
//!
//! | CPUs | shard 0 | the others |
//! |---|---|---|
//! | 1 | front and media, one executor | |
//! | 2 | front: SIP, HTTP, scripts | media |
//! | N | front | media, one shard each |
//!
//! Shape:  `project-sip` and `project-control` have only a front, so one shard, whatever `--cores` allows.
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
}

/// Why there is no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Neither `all`, a number nor a list.
    #[error("cores = `{0}`: say `all`, a number of CPUs, or a list such as 2,3,6-9")]
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
        let mut list = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: usize = first.trim().parse().map_err(|_| unreadable())?;
            let last: usize = last.trim().parse().map_err(|_| unreadable())?;
            if first > last || last >= CPUS_MAX {
                return Err(unreadable());
            }
            for cpu in first..=last {
                list.push(cpu);
            }
        }
        Ok(Self::List(list))
    }
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
        let cpus = choose(cores, allowed)?;
        let Some((&first, rest)) = cpus.split_first() else { return Err(LayoutError::NoCpu) };
        let alone = program.has_media() && rest.is_empty();
        let front = if alone && program == Program::Rtp { "rtp" } else { program.front_name() };
        let mut shards = vec![ShardPlan {
            index: 0,
            cpu: first,
            name: format!("{front}-00"),
            front: true,
            media: alone.then_some(0),
            shares_cpu: false,
        }];
        if program.has_media() {
            shards.extend(rest.iter().enumerate().map(|(number, &cpu)| ShardPlan {
                index: number + 1,
                cpu,
                name: format!("rtp-{number:02}"),
                front: false,
                media: Some(number),
                shares_cpu: false,
            }));
        }
        let used: Vec<usize> = shards.iter().map(|plan| plan.cpu).collect();
        for plan in &mut shards {
            plan.shares_cpu = used.iter().filter(|cpu| **cpu == plan.cpu).count() > 1;
        }
        Ok(Self { shards })
    }

    /// How many shards carry media.
    pub fn media_shards(&self) -> usize {
        self.shards.iter().filter(|plan| plan.media.is_some()).count()
    }
}

fn choose(cores: &Cores, allowed: &[usize]) -> Result<Vec<usize>, LayoutError> {
    match cores {
        Cores::All => Ok(allowed.to_vec()),
        Cores::Count(wanted) => match allowed.get(..*wanted) {
            Some(chosen) => Ok(chosen.to_vec()),
            None => Err(LayoutError::TooMany { wanted: *wanted, allowed: allowed.to_vec() }),
        },
        Cores::List(list) => match list.iter().find(|cpu| !allowed.contains(cpu)) {
            Some(&cpu) => Err(LayoutError::NotAllowed { cpu, allowed: allowed.to_vec() }),
            None => Ok(list.clone()),
        },
    }
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
    fn cores_reads_all_counts_and_lists() {
        assert_eq!("all".parse(), Ok(Cores::All));
        assert_eq!("4".parse(), Ok(Cores::Count(4)));
        assert_eq!("2,3,6-9".parse(), Ok(Cores::List(vec![2, 3, 6, 7, 8, 9])));
        assert_eq!("3-3".parse(), Ok(Cores::List(vec![3])));
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
