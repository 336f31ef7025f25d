//! The domains we serve, their users and their control servers. In memory only, pushed over HTTP.
//!
//! ```text
//!   "example.com" ──► control URL, policy, { "1000" ──► secret, "1001" ──► HA1 }
//! ```
//! Shape:  at most `domains_max` domains and `users_max` users in all; a command is taken whole or not at all.
//!         Names are at most 253 bytes (RFC 1035 §2.3.4), user names 128, secrets 256: 200 000 users × 0.5 KiB = 100 MiB at worst.
//! Case:   domains are folded to lower case, user names are not (RFC 3261 §19.1.4). A port behind a domain is cut off,
//!         because some phones write it into the realm.
//! Hashes: a domain offers those of its policy that all its users can do, for one who knows none of those offered could
//!         never register, and a challenge made to measure would tell who exists.
//! Errors: [`DirectoryError`].
//! Not here: registrations (`registrar`), the check of passwords (`auth`).

mod name;
#[cfg(test)]
mod tests;

pub use name::domain_name;

use std::collections::BTreeMap;

use crate::api::{CommandError, ControlUrl, DomainView, Secret, UserEntry};
use crate::auth::{Algorithm, Authentication, NETWORKS_MAX, Offer, Policy};

/// Longest user name.
const USERNAME_LEN_MAX: usize = 128;
/// Longest clear secret.
const SECRET_LEN_MAX: usize = 256;

/// How much the directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryConfig {
    /// Domains.
    pub domains_max: usize,
    /// Users of all domains.
    pub users_max: usize,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self { domains_max: 10_000, users_max: 200_000 }
    }
}

/// Why the directory refused a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No such domain.
    #[error("domain {0} is not known here")]
    UnknownDomain(String),
    /// No such user in the domain.
    #[error("user {0} is not known here")]
    UnknownUser(String),
    /// Not a host name or IP literal.
    #[error("{0:?} is not a domain name")]
    BadDomain(String),
    /// Empty, too long, or with control characters.
    #[error("{0:?} is not a user name")]
    BadUser(String),
    /// An HA1 of the wrong length, or a secret that is too long.
    #[error("the secret of user {0} cannot be used")]
    BadSecret(String),
    /// A policy without a hash or quality, with one twice, or with too many networks.
    #[error("the policy of domain {0} cannot be used")]
    BadPolicy(String),
    /// With these users no hash of the policy could be offered to all.
    #[error("no algorithm of domain {0} can be done by all its users")]
    NoAlgorithm(String),
    /// No more room.
    #[error("{what} is full: {max} in use")]
    Full {
        /// `domains` or `users`.
        what: &'static str,
        /// Its size.
        max: usize,
    },
}

impl From<DirectoryError> for CommandError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::UnknownDomain(name) | DirectoryError::UnknownUser(name) => Self::NotFound(name),
            DirectoryError::BadDomain(_)
            | DirectoryError::BadUser(_)
            | DirectoryError::BadSecret(_)
            | DirectoryError::BadPolicy(_)
            | DirectoryError::NoAlgorithm(_) => Self::Bad(error.to_string()),
            DirectoryError::Full { what, max } => Self::Full { what, max },
        }
    }
}

/// One domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domain {
    control: Option<ControlUrl>,
    users: BTreeMap<Box<str>, Secret>,
    policy: Policy,
    /// Hashes of the policy that all users can do.
    offered: Vec<Algorithm>,
    /// How many users cannot do a hash, by its index.
    unable: [usize; Algorithm::ALL.len()],
}

impl Domain {
    fn new(control: Option<ControlUrl>, users: BTreeMap<Box<str>, Secret>, policy: Policy) -> Self {
        let mut domain = Self { control, policy, ..Self::default() };
        users.values().for_each(|secret| domain.count(secret, true));
        domain.users = users;
        domain.offer_what_all_can();
        domain
    }

    /// Whom it asks for passwords, and how.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What a challenge of this domain says; `realm` is its name.
    pub fn offer<'a>(&'a self, realm: &'a str) -> Offer<'a> {
        Offer { realm, algorithms: &self.offered, qualities: &self.policy.qualities }
    }

    /// Its control server.
    pub fn control(&self) -> Option<&ControlUrl> {
        self.control.as_ref()
    }

    /// Credential of a user.
    pub fn secret(&self, user: &str) -> Option<&Secret> {
        self.users.get(user)
    }

    /// Names of all users, in order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(AsRef::as_ref)
    }

    /// Number of users.
    pub fn users_len(&self) -> usize {
        self.users.len()
    }

    /// Counts what a user cannot do, or takes the count back.
    fn count(&mut self, secret: &Secret, added: bool) {
        let Secret::Ha1(stored) = secret else { return };
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| stored.iter().all(|(known, _)| known != algorithm)) {
            if let Some(unable) = self.unable.get_mut(algorithm.index()) {
                *unable = if added { *unable + 1 } else { unable.saturating_sub(1) };
            }
        }
    }

    fn offer_what_all_can(&mut self) {
        let unable = self.unable;
        let all_can = |algorithm: &Algorithm| unable.get(algorithm.index()) == Some(&0);
        self.offered = self.policy.algorithms.iter().copied().filter(all_can).collect();
    }
}

/// Users that a command removed, by domain: their registrations end.
pub type Removed = Vec<(String, Vec<String>)>;

/// All domains.
#[derive(Debug, Default)]
pub struct Directory {
    config: DirectoryConfig,
    domains: BTreeMap<Box<str>, Domain>,
    users_len: usize,
}

impl Directory {
    /// An empty directory.
    pub fn new(config: DirectoryConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Replaces a domain, or makes it; gives the users that are no more.
    ///
    /// # Errors
    /// `BadDomain`, `BadUser`, `BadSecret`, `BadPolicy`, `NoAlgorithm`, `Full`; nothing has changed then.
    pub fn replace(
        &mut self,
        domain: &str,
        control: Option<ControlUrl>,
        users: Vec<UserEntry>,
        policy: Option<Policy>,
    ) -> Result<Removed, DirectoryError> {
        let name = checked_domain(domain)?;
        let users = checked_users(users)?;
        let policy = checked_policy(&name, policy.unwrap_or_default())?;
        let old_len = self.domains.get(name.as_str()).map_or(0, Domain::users_len);
        if !self.domains.contains_key(name.as_str()) && self.domains.len() >= self.config.domains_max {
            return Err(DirectoryError::Full { what: "domains", max: self.config.domains_max });
        }
        let users_len = self.users_len - old_len + users.len();
        if users_len > self.config.users_max {
            return Err(DirectoryError::Full { what: "users", max: self.config.users_max });
        }
        let new = Domain::new(control, users, policy);
        if new.offered.is_empty() {
            return Err(DirectoryError::NoAlgorithm(name));
        }
        self.users_len = users_len;
        let old = self.domains.insert(name.as_str().into(), new);
        let kept = self.domains.get(name.as_str()).map(|domain| &domain.users);
        let gone = old
            .map(|old| old.users.into_keys().filter(|user| kept.is_none_or(|kept| !kept.contains_key(user))).map(String::from).collect());
        Ok(gone.map(|gone| vec![(name, gone)]).unwrap_or_default())
    }

    /// Changes control server and policy where given, adds or replaces the users named, keeps the others.
    ///
    /// # Errors
    /// `UnknownDomain`, `BadUser`, `BadSecret`, `BadPolicy`, `NoAlgorithm`, `Full`; nothing has changed then.
    pub fn update(
        &mut self,
        domain: &str,
        control: Option<ControlUrl>,
        users: Vec<UserEntry>,
        policy: Option<Policy>,
    ) -> Result<(), DirectoryError> {
        let users = checked_users(users)?;
        let policy = policy.map(|policy| checked_policy(domain, policy)).transpose()?;
        let max = self.config.users_max;
        let entry = lookup_mut(&mut self.domains, domain)?;
        let added = users.keys().filter(|user| !entry.users.contains_key(*user)).count();
        if self.users_len + added > max {
            return Err(DirectoryError::Full { what: "users", max });
        }
        let (unable, before) = (entry.unable, policy.as_ref().map(|_| entry.policy.clone()));
        for (name, secret) in &users {
            if let Some(old) = entry.users.get(name).cloned() {
                entry.count(&old, false);
            }
            entry.count(secret, true);
        }
        if let Some(policy) = policy {
            entry.policy = policy;
        }
        entry.offer_what_all_can();
        if entry.offered.is_empty() {
            entry.unable = unable;
            entry.policy = before.unwrap_or_else(|| std::mem::take(&mut entry.policy));
            entry.offer_what_all_can();
            return Err(DirectoryError::NoAlgorithm(domain.to_owned()));
        }
        self.users_len += added;
        entry.users.extend(users);
        if control.is_some() {
            entry.control = control;
        }
        Ok(())
    }

    /// Adds or replaces one user; `true` if it is new.
    ///
    /// # Errors
    /// As [`Directory::update`].
    pub fn set_user(&mut self, domain: &str, user: UserEntry) -> Result<bool, DirectoryError> {
        let before = self.users_len;
        self.update(domain, None, vec![user], None)?;
        Ok(self.users_len > before)
    }

    /// Removes a domain and all below it; gives their users.
    ///
    /// # Errors
    /// `UnknownDomain`.
    pub fn remove_domain(&mut self, domain: &str) -> Result<Removed, DirectoryError> {
        let name = domain_name(domain);
        if !self.domains.contains_key(name.as_ref()) {
            return Err(DirectoryError::UnknownDomain(domain.to_owned()));
        }
        let names: Vec<Box<str>> =
            self.domains.keys().filter(|other| other.as_ref() == name.as_ref() || is_below(other, &name)).cloned().collect();
        let mut removed = Vec::with_capacity(names.len());
        for name in names {
            let Some(entry) = self.domains.remove(&name) else { continue };
            self.users_len -= entry.users_len();
            removed.push((String::from(name), entry.users.into_keys().map(String::from).collect()));
        }
        Ok(removed)
    }

    /// Removes one user.
    ///
    /// # Errors
    /// `UnknownDomain`, `UnknownUser`.
    pub fn remove_user(&mut self, domain: &str, user: &str) -> Result<(), DirectoryError> {
        let entry = lookup_mut(&mut self.domains, domain)?;
        let secret = entry.users.remove(user).ok_or_else(|| DirectoryError::UnknownUser(user.to_owned()))?;
        entry.count(&secret, false);
        entry.offer_what_all_can();
        self.users_len -= 1;
        Ok(())
    }

    /// A domain as it is named in a message: any case, port or none.
    pub fn domain(&self, domain: &str) -> Option<&Domain> {
        self.domains.get(domain_name(domain).as_ref())
    }

    /// Whether control hears of the texts of a domain.
    pub fn takes_messages(&self, domain: &str) -> bool {
        self.domain(domain).is_some_and(|domain| domain.policy().messages)
    }

    /// Names of all domains, in order.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.keys().map(AsRef::as_ref)
    }

    /// What `GET /dir/{domain}` shows.
    ///
    /// # Errors
    /// `UnknownDomain`.
    pub fn view(&self, domain: &str) -> Result<DomainView, DirectoryError> {
        let name = domain_name(domain);
        let entry = self.domains.get(name.as_ref()).ok_or_else(|| DirectoryError::UnknownDomain(domain.to_owned()))?;
        Ok(DomainView {
            control: entry.control.clone(),
            users: entry.users().map(str::to_owned).collect(),
            domains: self.domains().filter(|other| is_below(other, &name)).map(str::to_owned).collect(),
            policy: entry.policy.clone(),
            domain: name.into_owned(),
        })
    }

    /// Domains and users held now.
    pub fn len(&self) -> (usize, usize) {
        (self.domains.len(), self.users_len)
    }

    /// No domain at all.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }
}

fn lookup_mut<'a>(domains: &'a mut BTreeMap<Box<str>, Domain>, domain: &str) -> Result<&'a mut Domain, DirectoryError> {
    domains.get_mut(domain_name(domain).as_ref()).ok_or_else(|| DirectoryError::UnknownDomain(domain.to_owned()))
}

/// `bling.example.com` is below `example.com`.
fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|head| head.ends_with('.'))
}

fn checked_domain(domain: &str) -> Result<String, DirectoryError> {
    let name = domain_name(domain);
    if name::is_domain(&name) { Ok(name.into_owned()) } else { Err(DirectoryError::BadDomain(domain.to_owned())) }
}

fn checked_users(users: Vec<UserEntry>) -> Result<BTreeMap<Box<str>, Secret>, DirectoryError> {
    let mut checked = BTreeMap::new();
    for UserEntry { username, secret } in users {
        if username.is_empty() || username.len() > USERNAME_LEN_MAX || username.chars().any(char::is_control) {
            return Err(DirectoryError::BadUser(username));
        }
        let usable = match &secret {
            Secret::Clear(secret) => secret.len() <= SECRET_LEN_MAX,
            Secret::Ha1(stored) => is_ha1(stored),
        };
        if !usable {
            return Err(DirectoryError::BadSecret(username));
        }
        checked.insert(username.into_boxed_str(), secret);
    }
    Ok(checked)
}

/// Hashes of the right length, each algorithm once.
fn is_ha1(stored: &[(Algorithm, String)]) -> bool {
    let right = |(algorithm, hash): &(Algorithm, String)| hash.len() == algorithm.hex_len() && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let algorithms: Vec<Algorithm> = stored.iter().map(|(algorithm, _)| *algorithm).collect();
    !stored.is_empty() && stored.iter().all(right) && all_differ(&algorithms)
}

fn checked_policy(domain: &str, policy: Policy) -> Result<Policy, DirectoryError> {
    let networks = match &policy.authentication {
        Authentication::Challenge | Authentication::None => 0,
        Authentication::Trusted(networks) => networks.len(),
    };
    let offers = !policy.algorithms.is_empty() && !policy.qualities.is_empty();
    let usable = offers && networks <= NETWORKS_MAX && all_differ(&policy.algorithms) && all_differ(&policy.qualities);
    if usable { Ok(policy) } else { Err(DirectoryError::BadPolicy(domain.to_owned())) }
}

/// For lists of a few.
fn all_differ<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(at, item)| items.iter().skip(at + 1).all(|other| other != item))
}
