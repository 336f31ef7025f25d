//! INVITE as a usage of a dialog: which one is open, the ACK of a 2xx, repeats of ours, and how a call ends.
//!
//! ```text
//!   ours:    Idle ──sent──► Pending ──2xx──► Answered ──our ACK──► Idle          3xx–6xx ──► Idle
//!   theirs:  ──received──► open ──2xx──► 2xx waits for its ACK, repeated until then        3xx–6xx ──► closed
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
    /// CSeq of theirs without final response.
    remote: Option<u32>,
    /// Our 2xx. It may wait beside a newer INVITE of theirs that overtook the ACK.
    unacknowledged: Option<Unacknowledged>,
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

#[derive(Debug, Clone, Copy)]
struct Unacknowledged {
    cseq: u32,
    repeat: Backoff,
    give_up: Instant,
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
        Self { local: Local::Idle, remote: Some(cseq), unacknowledged: None, acks: Vec::new() }
    }

    /// Usage of a dialog that our INVITE makes.
    #[must_use]
    pub const fn sent_first(cseq: u32) -> Self {
        Self { local: Local::Pending { cseq }, remote: None, unacknowledged: None, acks: Vec::new() }
    }

    /// Takes an INVITE of theirs whose CSeq was in order. One that overtook the ACK of our 2xx is taken too (RFC 5407
    /// §3.1.5); if that ACK owes an answer, the [`Negotiation`](super::Negotiation) refuses its offer.
    ///
    /// # Errors
    /// [`Refusal::Glare`] while ours is open, [`Refusal::Unanswered`] while their last one is (RFC 3261 §14.2).
    pub fn handle_invite(&mut self, cseq: u32) -> Result<(), Refusal> {
        if let Local::Pending { .. } = self.local {
            return Err(Refusal::Glare);
        }
        if self.remote.is_some() {
            return Err(Refusal::Unanswered);
        }
        self.remote = Some(cseq);
        Ok(())
    }

    /// Takes an ACK of theirs. True if it is the one that our 2xx waits for.
    pub fn handle_ack(&mut self, ack: u32) -> bool {
        self.unacknowledged.take_if(|wait| wait.cseq == ack).is_some()
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
        if self.unacknowledged.take_if(|wait| wait.give_up <= now).is_some() {
            AckWait::GaveUp
        } else if self.unacknowledged.as_mut().is_some_and(|wait| wait.repeat.fire(now)) {
            AckWait::Repeat
        } else {
            AckWait::Quiet
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
        if let Some(cseq) = self.remote.take()
            && status.is_success()
        {
            // In place of an older 2xx, if one still waits: who asks on has what was said before.
            let repeat = Backoff::new(now, timing.t1, timing.t2);
            self.unacknowledged = Some(Unacknowledged { cseq, repeat, give_up: now + timing.t1x64() });
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
        match self.local {
            Local::Pending { .. } | Local::Answered { .. } => Err(Refusal::Unanswered),
            Local::Idle if self.remote.is_some() || self.unacknowledged.is_some() => Err(Refusal::Glare),
            Local::Idle => Ok(()),
        }
    }

    /// Whether our 2xx waits for its ACK.
    #[must_use]
    pub const fn awaits_ack(&self) -> bool {
        self.unacknowledged.is_some()
    }

    /// Whether an INVITE of ours has no final response.
    #[must_use]
    pub const fn is_local_pending(&self) -> bool {
        matches!(self.local, Local::Pending { .. })
    }

    /// Whether an INVITE of theirs has no final response.
    #[must_use]
    pub const fn is_remote_pending(&self) -> bool {
        self.remote.is_some()
    }

    /// When [`InviteUsage::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.unacknowledged.as_ref().map(|wait| wait.repeat.at().min(wait.give_up))
    }

    /// How long to wait before a re-INVITE that met a 491 is tried again (RFC 3261 §14.1). `owner`: we chose the Call-ID.
    /// `random` is any number: the owner waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
    #[must_use]
    pub const fn glare_wait(owner: bool, random: u32) -> Duration {
        let ms = if owner { 2100 + (random % 191) * 10 } else { (random % 201) * 10 };
        Duration::from_millis(ms as u64)
    }
}
