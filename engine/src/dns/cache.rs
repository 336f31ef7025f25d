//! What name servers said, for as long as they said.
//! Shape:  at most `QUESTIONS_MAX` questions with at most 16 records: 4096 × 2 KiB = 8 MiB at worst.
//! Units:  TTL as `Duration`: 1 s to 1 h for what is there, 5 s to 5 min for what is not, 2 s for silence.
//! Errors: none; a full table forgets what has run out, else everything.
//! Source: RFC 2308 §5 (negative answers are kept by the SOA's minimum).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sip::locate::{Answer, Question};

pub(super) const QUESTIONS_MAX: usize = 4096;
const FAILURE_KEPT: Duration = Duration::from_secs(2);
/// The system's resolver tells no TTL.
pub(super) const SYSTEM_TTL: Duration = Duration::from_secs(30);

/// Answers by question.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<Question, (Answer, Instant)>);

impl Cache {
    /// Questions whose answer is kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The answer, if it is known and still good.
    pub fn find(&self, question: &Question, now: Instant) -> Option<Answer> {
        self.0.get(&folded(question)).filter(|(_, until)| *until > now).map(|(answer, _)| answer.clone())
    }

    /// Keeps an answer; `ttl` as the servers said.
    pub fn insert(&mut self, question: &Question, answer: Answer, ttl: Duration, now: Instant) {
        if self.0.len() >= QUESTIONS_MAX {
            self.0.retain(|_, (_, until)| *until > now);
            if self.0.len() >= QUESTIONS_MAX {
                self.0.clear();
            }
        }
        let empty = match &answer {
            Answer::Naptr(records) => records.is_empty(),
            Answer::Srv(records) => records.is_empty(),
            Answer::Addresses(ips) => ips.is_empty(),
            Answer::Failed => false,
        };
        let (least, most) = if empty { (5, 300) } else { (1, 3600) };
        let kept = if answer == Answer::Failed { FAILURE_KEPT } else { ttl.clamp(Duration::from_secs(least), Duration::from_secs(most)) };
        self.0.insert(folded(question), (answer, now + kept));
    }
}

/// Names compare without case (RFC 1035 §2.3.3).
fn folded(question: &Question) -> Question {
    match question {
        Question::Naptr(name) => Question::Naptr(name.to_ascii_lowercase()),
        Question::Srv(name) => Question::Srv(name.to_ascii_lowercase()),
        Question::Addresses(name) => Question::Addresses(name.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_for_their_time_and_the_table_stays_bounded() {
        let mut cache = Cache::default();
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let name = |n: &str| Question::Addresses(n.into());
        cache.insert(&name("A.test"), Answer::Addresses(vec!["192.0.2.1".parse().unwrap()]), Duration::from_secs(10), start);
        assert!(cache.find(&name("a.TEST"), at(9)).is_some() && cache.find(&name("a.test"), at(10)).is_none());
        cache.insert(&name("none"), Answer::Addresses(vec![]), Duration::from_secs(86_400), start);
        assert!(cache.find(&name("none"), at(299)).is_some() && cache.find(&name("none"), at(300)).is_none());
        cache.insert(&name("dead"), Answer::Failed, Duration::from_secs(86_400), start);
        assert!(cache.find(&name("dead"), at(1)).is_some() && cache.find(&name("dead"), at(2)).is_none());
        for n in 0..3 * QUESTIONS_MAX {
            cache.insert(&name(&n.to_string()), Answer::Failed, Duration::ZERO, start);
            assert!(cache.0.len() <= QUESTIONS_MAX);
        }
    }
}
