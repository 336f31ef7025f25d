//! Commands on directory, registrations and counters.
//!
//! Shape:  answers at once from memory; nothing here goes to the network.
//! Errors: [`CommandError`] as docs/openapi.yaml says: 404 unknown, 400 unusable, 503 full.

use super::Endpoint;
use crate::api::{Command, CommandError, Mailbox, Reply};
use crate::directory::{Removed, domain_name};
use crate::package::Package;

impl Endpoint {
    pub(super) fn directory_command(&mut self, command: Command) -> Result<Reply, CommandError> {
        match command {
            Command::DirReplace { domain, control, users, policy } => {
                let removed = self.directory.replace(&domain, control, users, policy)?;
                self.end_registrations(&removed);
                Ok(Reply::Created)
            }
            Command::DirUpdate { domain, control, users, policy } => {
                self.directory.update(&domain, control, users, policy)?;
                Ok(Reply::Done)
            }
            Command::DirUser { domain, user } => {
                let new = self.directory.set_user(&domain, user)?;
                Ok(if new { Reply::Created } else { Reply::Done })
            }
            Command::DirGet { domain: None, .. } => Ok(Reply::Domains(self.directory.domains().map(str::to_owned).collect())),
            Command::DirGet { domain: Some(domain), user: None } => Ok(Reply::Domain(self.directory.view(&domain)?)),
            Command::DirGet { domain: Some(domain), user: Some(user) } => {
                let known = self.directory.domain(&domain).ok_or_else(|| CommandError::NotFound(domain.clone()))?;
                known.secret(&user).ok_or_else(|| CommandError::NotFound(user.clone()))?;
                Ok(Reply::User { domain: domain_name(&domain).into_owned(), username: user })
            }
            Command::DirDelete { domain, user: None } => {
                let removed = self.directory.remove_domain(&domain)?;
                self.end_registrations(&removed);
                Ok(Reply::Done)
            }
            Command::DirDelete { domain, user: Some(user) } => {
                self.directory.remove_user(&domain, &user)?;
                self.registrar.remove_user(&user, &domain_name(&domain));
                self.end_watching(&user, &domain);
                Ok(Reply::Done)
            }
            Command::RegGet { .. }
            | Command::MailboxSet { .. }
            | Command::MailboxGet { .. }
            | Command::Originate(_)
            | Command::Act { .. }
            | Command::DialogGet { .. }
            | Command::TrunkPut(_)
            | Command::TrunkGet { .. }
            | Command::TrunkDelete { .. }
            | Command::DialogList { .. }
            | Command::Status => Err(CommandError::Bad("not a command of the directory".into())),
        }
    }

    /// `PUT /mwi/{domain}/{user}`: those who watch the mailbox are told.
    pub(super) fn set_mailbox(&mut self, domain: &str, user: &str, mailbox: Mailbox) -> Result<Reply, CommandError> {
        let resource = self.known_user(domain, user)?;
        if self.mailboxes.insert(resource.as_str().into(), mailbox) != Some(mailbox) {
            self.watchers.changed(Package::MessageSummary, &resource);
        }
        Ok(Reply::Done)
    }

    /// `GET /mwi/{domain}/{user}`; a mailbox that nobody spoke of is empty.
    pub(super) fn mailbox(&self, domain: &str, user: &str) -> Result<Reply, CommandError> {
        let resource = self.known_user(domain, user)?;
        Ok(Reply::Mailbox(self.mailboxes.get(resource.as_str()).copied().unwrap_or_default()))
    }

    /// `user@domain` of a user of the directory.
    fn known_user(&self, domain: &str, user: &str) -> Result<String, CommandError> {
        let known = self.directory.domain(domain).ok_or_else(|| CommandError::NotFound(domain.to_owned()))?;
        known.secret(user).ok_or_else(|| CommandError::NotFound(user.to_owned()))?;
        Ok(format!("{user}@{}", domain_name(domain)))
    }

    /// Users that are no more are registered no more, and nobody is told: control did it itself.
    fn end_registrations(&mut self, removed: &Removed) {
        for (domain, users) in removed {
            for user in users {
                self.registrar.remove_user(user, domain);
                self.end_watching(user, domain);
            }
        }
    }
}
