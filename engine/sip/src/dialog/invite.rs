//! INVITE as a usage of a dialog: which one is open, the ACK of a 2xx, repeats of ours, and how a call ends.
//!
//! ```text
//!   ours:    Idle ──sent──► Pending ──2xx──► Answered ──our ACK──► Idle          3xx–6xx ──► Idle
//!   theirs:  Idle ──received──► Pending ──2xx──► Unacknowledged ──ACK──► Idle     3xx–6xx ──► Idle
//! ```
//! Shape:  one INVITE of each side at most; the last [`ACKS_KEPT`] ACKs, for repeats of the 2xx they answered.
//! Units:  `Instant`; the 2xx goes again at T1, doubling to T2, for 64 × T1.
//! Errors: [`Refusal`] for an INVITE that may not come or go now.
//! Driving: [`InviteUsage::deadline`] says when to call [`InviteUsage::handle_timeout`].
//! Source: RFC 3261 §13.2.2.4, §13.3.1.4, §14.1, §14.2, §15, §9.1.

use std::time::{Duration, Instant};

use super::error::Refusal;
use crate::message::StatusCode;
use crate::transaction::{Backoff, Timing};

/// ACKs kept. A 2xx comes again for 64 × T1 = 32 s, and its repeats may arrive when we have sent other INVITEs: one that
/// found its ACK lost must still get it, or its sender ends the call. Four sessions in 32 s are more than a call has.
const ACKS_KEPT: usize = 4;

/// The open INVITEs of one dialog.
#[derive(Debug, Clone, Default)]
pub struct InviteUsage {
    local: Local,
    remote: Remote,
    /// CSeq and bytes, oldest first.
    acks: Vec<(u32, Box<[u8]>)>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Local {
    #[default]
    Idle,
    Pending {
        cseq: u32,
    },
    /// A 2xx came, and was not acknowledged yet.
    Answered {
        cseq: u32,
    },
}

#[derive(Debug, Clone, Default)]
enum Remote {
    #[default]
    Idle,
    Pending {
        cseq: u32,
    },
    Unacknowledged {
        cseq: u32,
        repeat: Backoff,
        give_up: Instant,
    },
}

/// What the time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckWait {
    /// Nothing.
    Quiet,
    /// Send the 2xx once more, over any transport (RFC 3261 §13.3.1.4).
    Repeat,
    /// No ACK within 64 × T1: the dialog stands, its session does not; send BYE.
    GaveUp,
}

/// How a call is ended from here (RFC 3261 §9.1, §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    /// Our INVITE has no final response: CANCEL it.
    Cancel,
    /// Their INVITE has no final response: answer it with a failure.
    Respond,
    /// BYE now.
    Bye,
    /// BYE once the ACK of our 2xx has come, or its wait has ended: the callee must not before (RFC 3261 §15).
    ByeAfterAck,
    /// It is over.
    Nothing,
}

impl InviteUsage {
    /// Usage of a dialog that their INVITE makes.
    #[must_use]
    pub const fn received_first(cseq: u32) -> Self {
        Self { local: Local::Idle, remote: Remote::Pending { cseq }, acks: Vec::new() }
    }

    /// Usage of a dialog that our INVITE makes.
    #[must_use]
    pub const fn sent_first(cseq: u32) -> Self {
        Self { local: Local::Pending { cseq }, remote: Remote::Idle, acks: Vec::new() }
    }

    /// Takes an INVITE of theirs whose CSeq was in order.
    ///
    /// # Errors
    /// [`Refusal::Glare`] while ours is open, [`Refusal::Unanswered`] while their last one is (RFC 3261 §14.2).
    pub fn handle_invite(&mut self, cseq: u32) -> Result<(), Refusal> {
        if let Local::Pending { .. } = self.local {
            return Err(Refusal::Glare);
        }
        if let Remote::Pending { .. } = self.remote {
            return Err(Refusal::Unanswered);
        }
        // A new INVITE of theirs while our 2xx waits for its ACK: they have the 2xx, or they could not ask on.
        self.remote = Remote::Pending { cseq };
        Ok(())
    }

    /// Takes an ACK of theirs. True if it is the one that our 2xx waits for.
    pub fn handle_ack(&mut self, ack: u32) -> bool {
        let awaited = matches!(self.remote, Remote::Unacknowledged { cseq, .. } if cseq == ack);
        if awaited {
            self.remote = Remote::Idle;
        }
        awaited
    }

    /// Takes a final response to our INVITE. A 2xx now waits for [`InviteUsage::acknowledged`].
    pub fn handle_final(&mut self, number: u32, status: StatusCode) {
        if let Local::Pending { cseq } = self.local
            && cseq == number
        {
            self.local = if status.is_success() { Local::Answered { cseq } } else { Local::Idle };
        }
    }

    /// Takes the time that was asked for.
    pub fn handle_timeout(&mut self, now: Instant) -> AckWait {
        match &mut self.remote {
            Remote::Unacknowledged { give_up, .. } if *give_up <= now => {
                self.remote = Remote::Idle;
                AckWait::GaveUp
            }
            Remote::Unacknowledged { repeat, .. } => {
                if repeat.fire(now) {
                    AckWait::Repeat
                } else {
                    AckWait::Quiet
                }
            }
            Remote::Idle | Remote::Pending { .. } => AckWait::Quiet,
        }
    }

    /// We send an INVITE.
    ///
    /// # Errors
    /// As [`InviteUsage::may_invite`].
    pub fn sent(&mut self, cseq: u32) -> Result<(), Refusal> {
        self.may_invite()?;
        self.local = Local::Pending { cseq };
        Ok(())
    }

    /// We answer their INVITE finally.
    pub fn answered(&mut self, status: StatusCode, timing: &Timing, now: Instant) {
        if let Remote::Pending { cseq } = self.remote {
            self.remote = if status.is_success() {
                Remote::Unacknowledged { cseq, repeat: Backoff::new(now, timing.t1, timing.t2), give_up: now + timing.t1x64() }
            } else {
                Remote::Idle
            };
        }
    }

    /// We acknowledge their 2xx with these bytes; they go again for every repeat of it (RFC 3261 §13.2.2.4).
    pub fn acknowledged(&mut self, bytes: &[u8]) {
        if let Local::Answered { cseq } = self.local {
            self.local = Local::Idle;
            if self.acks.len() == ACKS_KEPT {
                self.acks.remove(0);
            }
            self.acks.push((cseq, bytes.into()));
        }
    }

    /// The ACK to send for one more 2xx of our INVITE with this CSeq; `None` if it had none yet, or long ago.
    #[must_use]
    pub fn ack_again(&self, number: u32) -> Option<&[u8]> {
        self.acks.iter().find(|(cseq, _)| *cseq == number).map(|(_, ack)| &**ack)
    }

    /// CSeq of our INVITE whose 2xx is not acknowledged yet: late offer, before control answered.
    #[must_use]
    pub const fn ack_owed(&self) -> Option<u32> {
        match self.local {
            Local::Answered { cseq } => Some(cseq),
            Local::Pending { .. } | Local::Idle => None,
        }
    }

    /// Whether we may send an INVITE now (RFC 3261 §14.1: none is under way in either direction).
    ///
    /// # Errors
    /// [`Refusal::Unanswered`] while ours is open, [`Refusal::Glare`] while theirs is.
    pub const fn may_invite(&self) -> Result<(), Refusal> {
        match (&self.local, &self.remote) {
            (Local::Pending { .. } | Local::Answered { .. }, _) => Err(Refusal::Unanswered),
            (_, Remote::Pending { .. } | Remote::Unacknowledged { .. }) => Err(Refusal::Glare),
            (Local::Idle, Remote::Idle) => Ok(()),
        }
    }

    /// Whether our 2xx waits for its ACK.
    #[must_use]
    pub const fn awaits_ack(&self) -> bool {
        matches!(self.remote, Remote::Unacknowledged { .. })
    }

    /// Whether an INVITE of ours has no final response.
    #[must_use]
    pub const fn is_local_pending(&self) -> bool {
        matches!(self.local, Local::Pending { .. })
    }

    /// Whether an INVITE of theirs has no final response.
    #[must_use]
    pub const fn is_remote_pending(&self) -> bool {
        matches!(self.remote, Remote::Pending { .. })
    }

    /// When [`InviteUsage::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.remote {
            Remote::Unacknowledged { repeat, give_up, .. } => Some(repeat.at().min(*give_up)),
            Remote::Idle | Remote::Pending { .. } => None,
        }
    }

    /// How long to wait before a re-INVITE that met a 491 is tried again (RFC 3261 §14.1). `owner`: we chose the Call-ID.
    /// `random` is any number: the owner waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
    #[must_use]
    pub const fn glare_wait(owner: bool, random: u32) -> Duration {
        let ms = if owner { 2100 + (random % 191) * 10 } else { (random % 201) * 10 };
        Duration::from_millis(ms as u64)
    }
}
