//! The document of the `message-summary` package: what waits in the mailbox of a user.
//!
//! ```text
//!   Messages-Waiting: yes
//!   Message-Account: sip:1000@example.com
//!   Voice-Message: 2/8 (0/2)
//! ```
//! Shape:  lines as in a SIP header; the last two where they are known.
//! Errors: none.
//! Source: RFC 3842 §5.2.

/// Messages of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not listened to.
    pub new: u32,
    /// Listened to.
    pub old: u32,
    /// Urgent among the new.
    pub urgent_new: u32,
    /// Urgent among the old.
    pub urgent_old: u32,
}

/// The mailbox of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The lamp is on.
    pub waiting: bool,
    /// Voice messages.
    pub voice: Counts,
}

/// Mailbox of `user@domain`; `None` is one that nobody said anything of.
pub fn message_summary(resource: &str, mailbox: Option<&Mailbox>) -> String {
    let Some(Mailbox { waiting, voice }) = mailbox else {
        return "Messages-Waiting: no\r\n".to_owned();
    };
    let lamp = if *waiting { "yes" } else { "no" };
    let Counts { new, old, urgent_new, urgent_old } = voice;
    format!("Messages-Waiting: {lamp}\r\nMessage-Account: sip:{resource}\r\nVoice-Message: {new}/{old} ({urgent_new}/{urgent_old})\r\n")
}
