//! The steps from a name to its targets.
//!
//! ```text
//!   port given          A, AAAA                                  transport as told, else UDP           RFC 3263 §4.2, §4.1
//!   transport given     SRV _sip._tcp ─► A, AAAA of each         none: A, AAAA, port 5060
//!   neither             NAPTR ─► SRV of each service we speak    none: SRV _sip._udp, _sip._tcp ─► …
//! ```
//! Shape:  one question at a time; the answers of the resolver are taken as they come, in any order of records.
//! Units:  priorities, orders and weights as in the records.
//! Errors: [`LocateError::NotFound`] for names that are not there, [`LocateError::Failed`] for servers that do not answer; a failed
//!         question ends the search only if no other target was found.
//! Source: RFC 3263 §4.1, §4.2; RFC 2782 (order and weight, "." is "not here").

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use rand_core::Rng;

use super::{TARGETS_MAX, Target};
use crate::flow::Transport;

/// Questions of one search: NAPTR, SRV of both transports, addresses of the servers.
const QUESTIONS_MAX: usize = 12;
/// Records of an answer that are looked at.
const RECORDS_MAX: usize = 16;
/// RFC 3261 §19.1.2.
const SIP_PORT: u16 = 5060;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Name; never an address.
    pub host: String,
    /// Port of the URI.
    pub port: Option<u16>,
    /// `transport` of the URI.
    pub transport: Option<Transport>,
}

/// A question for a name server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// NAPTR of a domain.
    Naptr(String),
    /// SRV of `_sip._udp.domain` or another such name.
    Srv(String),
    /// A and AAAA of a host.
    Addresses(String),
}

/// A NAPTR record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lowest first, whatever the preference.
    pub order: u16,
    /// Lowest first.
    pub preference: u16,
    /// `S` leads to SRV records.
    pub flags: String,
    /// `SIP+D2U` is UDP, `SIP+D2T` TCP.
    pub service: String,
    /// Name of the SRV records.
    pub replacement: String,
}

/// An SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lowest first.
    pub priority: u16,
    /// Share among those of equal priority.
    pub weight: u16,
    /// Port of the server.
    pub port: u16,
    /// Name of the server.
    pub target: String,
}

/// What a name server said. No such name, and no such record, are empty lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Question::Srv`].
    Srv(Vec<Srv>),
    /// To [`Question::Addresses`].
    Addresses(Vec<IpAddr>),
    /// No server answered, or it failed.
    Failed,
}

/// Why there is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// There is no such name, or nothing that we can speak to.
    #[error("name not found")]
    NotFound,
    /// The name servers did not answer.
    #[error("name lookup failed")]
    Failed,
}

/// What is still to be asked.
#[derive(Debug)]
enum Step {
    Naptr,
    Srv { name: String, transport: Transport },
    Host { name: String, port: u16, transport: Transport },
}

/// One search.
#[derive(Debug)]
pub struct Search {
    wish: Wish,
    /// The families that we can send to.
    families: (bool, bool),
    /// The transports that we can send over.
    tcp: bool,
    steps: VecDeque<Step>,
    asked: usize,
    found: Vec<Target>,
    failed: bool,
    /// SRV records were found: the domain's own address is not asked any more.
    served: bool,
}

impl Search {
    /// Begins. `ipv4`, `ipv6` and `tcp` say what our listeners can reach.
    #[must_use]
    pub fn new(wish: Wish, ipv4: bool, ipv6: bool, tcp: bool) -> Self {
        let mut steps = VecDeque::new();
        match (wish.port, wish.transport) {
            (Some(port), transport) => {
                let transport = transport.unwrap_or(Transport::Udp);
                steps.push_back(Step::Host { name: wish.host.clone(), port, transport });
            }
            (None, Some(transport)) => steps.push_back(Step::Srv { name: service(transport, &wish.host), transport }),
            (None, None) => steps.push_back(Step::Naptr),
        }
        Self { wish, families: (ipv4, ipv6), tcp, steps, asked: 0, found: Vec::new(), failed: false, served: false }
    }

    /// The next question; `None`: the search is over, see [`Search::finish`].
    pub fn question(&mut self) -> Option<Question> {
        loop {
            if self.steps.is_empty() && self.found.is_empty() && !self.served && self.asked > 0 {
                // RFC 3263 §4.2: no SRV at all, so the domain is a host.
                self.served = true;
                if self.wish.port.is_none() {
                    let transport = self.wish.transport.unwrap_or(Transport::Udp);
                    self.steps.push_back(Step::Host { name: self.wish.host.clone(), port: SIP_PORT, transport });
                }
            }
            if self.found.len() >= TARGETS_MAX || self.asked >= QUESTIONS_MAX {
                return None;
            }
            match self.steps.front()? {
                Step::Srv { transport: Transport::Tcp, .. } | Step::Host { transport: Transport::Tcp, .. } if !self.tcp => {
                    self.steps.pop_front();
                }
                Step::Naptr => return Some(Question::Naptr(self.wish.host.clone())),
                Step::Srv { name, .. } => return Some(Question::Srv(name.clone())),
                Step::Host { name, .. } => return Some(Question::Addresses(name.clone())),
            }
        }
    }

    /// The answer to the last question.
    pub fn handle_answer(&mut self, answer: Answer, rng: &mut impl Rng) {
        self.asked += 1;
        let Some(step) = self.steps.pop_front() else { return };
        self.failed |= answer == Answer::Failed;
        match (step, answer) {
            (Step::Naptr, answer) => self.naptr(answer),
            (Step::Srv { transport, .. }, Answer::Srv(mut records)) => {
                records.truncate(RECORDS_MAX);
                self.served |= !records.is_empty();
                // RFC 2782: a target of "." says that the service is decidedly not there.
                records.retain(|record| !record.target.trim_end_matches('.').is_empty());
                weigh(&mut records, rng);
                for record in records.into_iter().rev() {
                    self.steps.push_front(Step::Host { name: record.target, port: record.port, transport });
                }
            }
            (Step::Host { port, transport, .. }, Answer::Addresses(ips)) => {
                let (ipv4, ipv6) = self.families;
                let reachable = ips.into_iter().filter(|ip| if ip.is_ipv4() { ipv4 } else { ipv6 });
                for ip in reachable.take(RECORDS_MAX) {
                    let target = Target { peer: SocketAddr::new(ip, port), transport };
                    if self.found.len() < TARGETS_MAX && !self.found.contains(&target) {
                        self.found.push(target);
                    }
                }
            }
            (Step::Srv { .. } | Step::Host { .. }, _) => {}
        }
    }

    /// The targets in order, never empty.
    ///
    /// # Errors
    /// [`LocateError`].
    pub fn finish(self) -> Result<Vec<Target>, LocateError> {
        match (self.found.is_empty(), self.failed) {
            (false, _) => Ok(self.found),
            (true, true) => Err(LocateError::Failed),
            (true, false) => Err(LocateError::NotFound),
        }
    }

    /// RFC 3263 §4.1: what we speak, in the order that the domain prefers. Without records both SRV names are tried.
    fn naptr(&mut self, answer: Answer) {
        let mut records = match answer {
            Answer::Naptr(records) => records,
            Answer::Srv(_) | Answer::Addresses(_) | Answer::Failed => Vec::new(),
        };
        records.truncate(RECORDS_MAX);
        records.sort_by_key(|record| (record.order, record.preference));
        for record in records {
            let transport = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                _ => continue,
            };
            if record.flags.eq_ignore_ascii_case("s") {
                self.steps.push_back(Step::Srv { name: record.replacement, transport });
            }
        }
        if self.steps.is_empty() {
            for transport in [Transport::Udp, Transport::Tcp] {
                self.steps.push_back(Step::Srv { name: service(transport, &self.wish.host), transport });
            }
        }
    }
}

fn service(transport: Transport, host: &str) -> String {
    format!("_sip._{}.{host}", transport.word())
}

/// Puts records in the order of RFC 2782: by priority, and within one by lot, a record's share being its weight.
fn weigh(records: &mut [Srv], rng: &mut impl Rng) {
    // Weight 0 first, so that the lot falls on it only if it falls on the very first point.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut from = 0;
    while let Some(first) = records.get(from) {
        let priority = first.priority;
        let equals = records.iter().skip(from).take_while(|record| record.priority == priority);
        let sum: u64 = equals.map(|record| u64::from(record.weight)).sum();
        let lot = rng.next_u64() % (sum + 1);
        let mut running = 0;
        let chosen = records.iter().enumerate().skip(from).find(|(_, record)| {
            running += u64::from(record.weight);
            running >= lot
        });
        if let Some((chosen, _)) = chosen
            && let Some(rest) = records.get_mut(from..=chosen)
        {
            rest.rotate_right(1);
        }
        from += 1;
    }
}
