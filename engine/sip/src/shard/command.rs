//! Commands of the HTTP API among several shards: who answers, and one answer out of many.
//!
//! ```text
//!   dialog/{callid} ─► its shard      invite ─► shard of the called user, or of the trunks
//!   reg, mwi of a user ─► its shard   dir ─► all, which keep the same directory      counts, lists, status ─► all, gathered
//! ```
//! Shape:  pure functions; the driver carries commands and answers.
//! Units:  none.
//! Errors: of several answers the first error counts: the shards judge alike.

use std::collections::HashMap;

use super::{ShardId, Sharding};
use crate::api::{Command, CommandError, Originate, RegisteredUser, Reply};

/// Trunks register, ask and call from here.
const TRUNKS: ShardId = ShardId(0);
/// Any shard knows it; this one is where the HTTP server is.
const FRONT: ShardId = ShardId(0);
/// Figures of which all shards keep their own copy, or which are no amounts.
const COPIES: [&str; 5] = ["domains", "users", "streams", "lagms", "draining"];

/// Who answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// One shard.
    One(ShardId),
    /// Each of them; see [`Gathered`].
    All,
}

/// Where a command goes. `by_trunk` says whether a call would go through a trunk.
pub fn destination(command: &Command, sharding: &Sharding, by_trunk: impl FnOnce(&Originate) -> bool) -> Destination {
    use Destination::{All, One};
    match command {
        Command::DirReplace { .. } | Command::DirUpdate { .. } | Command::DirUser { .. } | Command::DirDelete { .. } => All,
        Command::DirGet { .. } => One(FRONT),
        Command::RegGet { domain: Some(domain), user: Some(user) } => One(sharding.of_user(user, domain)),
        Command::RegGet { .. } => All,
        Command::MailboxSet { domain, user, .. } | Command::MailboxGet { domain, user } => One(sharding.of_user(user, domain)),
        Command::Originate(wish) if by_trunk(wish) => One(TRUNKS),
        // Where its bindings are; the call gets a Call-ID of that shard.
        Command::Originate(wish) => One(sharding.of_user(&wish.to.user, called_domain(wish))),
        Command::Act { callid, .. } | Command::DialogGet { callid: Some(callid) } => One(sharding.of_call(callid)),
        Command::DialogGet { callid: None } | Command::DialogList { .. } | Command::Status => All,
        Command::TrunkPut(_) | Command::TrunkGet { .. } | Command::TrunkDelete { .. } => One(TRUNKS),
    }
}

/// Domain of the called party, without port and parameters.
pub(crate) fn called_domain(wish: &Originate) -> &str {
    let parties = [wish.to.domain.as_ref(), wish.domain.as_ref(), wish.from.domain.as_ref()];
    let domain = parties.into_iter().flatten().find(|name| !name.is_empty()).map_or("", String::as_str);
    domain.split(';').next().unwrap_or_default()
}

/// Answers of several shards, becoming one.
#[derive(Debug, Default)]
pub struct Gathered(Option<Result<Reply, CommandError>>);

impl Gathered {
    /// Takes the next answer; the first one should be that of shard 0.
    pub fn add(&mut self, answer: Result<Reply, CommandError>) {
        self.0 = Some(match (self.0.take(), answer) {
            (None, first) => first,
            (Some(Err(error)), _) | (Some(Ok(_)), Err(error)) => Err(error),
            (Some(Ok(sum)), Ok(next)) => Ok(add(sum, next)),
        });
    }

    /// The whole; `None` if nothing was added.
    #[must_use]
    pub fn finish(self) -> Option<Result<Reply, CommandError>> {
        self.0
    }
}

fn add(sum: Reply, next: Reply) -> Reply {
    match (sum, next) {
        (Reply::RegCount(a), Reply::RegCount(b)) => Reply::RegCount(a + b),
        (Reply::DialogCount { count, counter }, Reply::DialogCount { count: more, counter: made }) => {
            Reply::DialogCount { count: count + more, counter: counter + made }
        }
        (Reply::Dialogs { count, counter, mut callids }, Reply::Dialogs { count: more, counter: made, callids: others }) => {
            callids.extend(others);
            Reply::Dialogs { count: count + more, counter: counter + made, callids }
        }
        (Reply::Registrations(mut sum), Reply::Registrations(next)) => {
            // A user has its bindings on one shard; on the others it is only known.
            let mut found: HashMap<String, RegisteredUser> =
                next.users.into_iter().filter(|user| !user.contacts.is_empty()).map(|user| (user.username.clone(), user)).collect();
            for user in &mut sum.users {
                if let Some(registered) = found.remove(&user.username) {
                    *user = registered;
                }
            }
            sum.registered += next.registered;
            Reply::Registrations(sum)
        }
        (Reply::Status(mut sum), Reply::Status(next)) => {
            for ((name, value), (_, more)) in sum.iter_mut().zip(next) {
                *value = if COPIES.contains(name) { (*value).max(more) } else { *value + more };
            }
            Reply::Status(sum)
        }
        // Answers that say nothing of their own, alike everywhere.
        (sum, _) => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{BindingView, Party, RegistrationsView};

    fn two() -> Sharding {
        Sharding::new(ShardId(0), 2, [1, 2])
    }

    fn gather(answers: impl IntoIterator<Item = Result<Reply, CommandError>>) -> Result<Reply, CommandError> {
        let mut gathered = Gathered::default();
        answers.into_iter().for_each(|answer| gathered.add(answer));
        gathered.finish().unwrap()
    }

    #[test]
    fn a_call_goes_where_the_called_user_is_and_through_trunks_where_they_are() {
        let to = |user: &str, domain: &str| Party { user: user.into(), domain: Some(domain.into()), ..Party::default() };
        for user in ["1000", "1001", "1002", "1003"] {
            let wish = Originate {
                from: to("1", "example.com"),
                to: to(user, "Example.com:5060;transport=udp"),
                domain: None,
                callerid: None,
                maxforwards: 70,
                control: None,
                sdp: None,
                headers: Vec::new(),
                autoanswer: false,
                idempotency: None,
                trunks: Vec::new(),
                follow: false,
            };
            let command = Command::Originate(Box::new(wish));
            assert_eq!(destination(&command, &two(), |_| false), Destination::One(two().of_user(user, "example.com")));
            assert_eq!(destination(&command, &two(), |_| true), Destination::One(TRUNKS));
        }
    }

    #[test]
    fn answers_are_gathered() {
        assert_eq!(gather([Ok(Reply::RegCount(2)), Ok(Reply::RegCount(3))]), Ok(Reply::RegCount(5)));
        let dialogs = |n: u64| Ok(Reply::Dialogs { count: n, counter: 10 * n, callids: vec![n.to_string()] });
        assert_eq!(gather([dialogs(1), dialogs(2)]), Ok(Reply::Dialogs { count: 3, counter: 30, callids: vec!["1".into(), "2".into()] }));
        let status = |users, calls| Ok(Reply::Status(vec![("users", users), ("calls", calls)]));
        assert_eq!(gather([status(7, 1), status(7, 2)]), status(7, 3));
        let lost = || Err(CommandError::NotFound("x".into()));
        assert_eq!(gather([Ok(Reply::Done), lost()]), lost());
        assert_eq!(gather([lost(), Ok(Reply::Done)]), lost());
    }

    #[test]
    fn registrations_of_a_domain_come_from_the_shard_of_each_user() {
        let binding = |contact: &str| BindingView {
            contact: contact.into(),
            q: 1000,
            path: None,
            remote: "192.0.2.1:5060".parse().unwrap(),
            agent: None,
            transport: "udp",
            expires: 60,
            expiresin: 50,
            outstandingping: 0,
            registered: 1,
        };
        let view = |here: &str| {
            let user = |name: &str| RegisteredUser {
                username: name.into(),
                contacts: if name == here { vec![binding(name)] } else { Vec::new() },
            };
            let users = vec![user("a"), user("b"), user("c")];
            Ok(Reply::Registrations(RegistrationsView { domain: "d".into(), count: 3, registered: 1, users }))
        };
        let Ok(Reply::Registrations(sum)) = gather([view("b"), view("a")]) else { panic!() };
        assert_eq!((sum.count, sum.registered), (3, 2));
        let contacts: Vec<usize> = sum.users.iter().map(|user| user.contacts.len()).collect();
        assert_eq!(contacts, [1, 1, 0]);
    }
}
