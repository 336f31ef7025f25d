//! Offer and answer of a dialog: whose turn it is.
//!
//! ```text
//!            offer sent ──► Sent ──answer received──► Stable         (heard early in an 18x: still Sent until the 2xx)
//!   Stable ──┤
//!            offer received ──► Received ──answer sent──► Stable     (told early in an 18x: still Received until the 2xx)
//!   rejected (3xx–6xx, 491, time-out): back to Stable, the session before it stands
//! ```
//! Shape:  two bytes of state; the descriptions themselves are the caller's.
//! Units:  none.
//! Errors: [`Refusal::Glare`] and [`Refusal::Unanswered`] for an offer that comes while another is open.
//! Source: RFC 3264 §4, RFC 3261 §13.2.1 and §14, RFC 3311 §5.1 and §5.2, RFC 6337 §2.

use super::error::Refusal;

/// Offer/answer state of one dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Negotiation {
    state: State,
    /// One offer at least was answered reliably.
    agreed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Stable,
    /// Our offer is out; `heard`: an unreliable 18x showed their answer already.
    Sent { heard: bool },
    /// Their offer waits; `told`: we showed our answer in an unreliable 18x.
    Received { told: bool },
}

/// What a description of theirs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The answer to our offer.
    New,
    /// The answer again, in the 2xx after an 18x: RFC 3261 §13.2.1 has it ignored, for it must be the same.
    Repeated,
    /// Nobody asked: an offer, or nothing.
    NotAnAnswer,
}

/// What a message of ours has to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Must {
    /// The answer to their offer.
    Answer,
    /// An offer: their INVITE had none (late offer).
    Offer,
    /// No description.
    Nothing,
}

impl Negotiation {
    /// Nothing offered yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Stable, agreed: false }
    }

    /// Whether an offer may be sent now (RFC 3264 §4: not while one is open in either direction).
    #[must_use]
    pub const fn may_offer(self) -> bool {
        matches!(self.state, State::Stable)
    }

    /// Whether their offer waits for our answer.
    #[must_use]
    pub const fn owes_answer(self) -> bool {
        matches!(self.state, State::Received { .. })
    }

    /// Whether our offer waits for their answer.
    #[must_use]
    pub const fn awaits_answer(self) -> bool {
        matches!(self.state, State::Sent { .. })
    }

    /// There is a session: an offer was answered reliably. The 2xx to the first INVITE then needs no description any more,
    /// and one that it has is no offer (RFC 3262 §5, RFC 6337 §2.3).
    #[must_use]
    pub const fn is_agreed(self) -> bool {
        self.agreed
    }

    /// What the 2xx to their INVITE has to carry (RFC 3261 §13.3.1, §14.2).
    #[must_use]
    pub const fn must_2xx_carry(self) -> Must {
        match self.state {
            State::Received { .. } => Must::Answer,
            State::Stable => Must::Offer,
            State::Sent { .. } => Must::Nothing,
        }
    }

    /// What the ACK of their 2xx has to carry (RFC 3261 §13.2.2.4).
    #[must_use]
    pub const fn must_ack_carry(self) -> Must {
        match self.state {
            State::Received { .. } => Must::Answer,
            State::Stable | State::Sent { .. } => Must::Nothing,
        }
    }

    /// We send an offer: in INVITE, UPDATE, or the 2xx to an INVITE without one.
    ///
    /// # Errors
    /// [`Refusal`] if one is open: [`Negotiation::may_offer`] said no.
    pub fn offer_sent(&mut self) -> Result<(), Refusal> {
        self.open()?;
        self.state = State::Sent { heard: false };
        Ok(())
    }

    /// They sent an offer: in INVITE, UPDATE, or the 2xx to our INVITE without one.
    ///
    /// # Errors
    /// [`Refusal`]: the request is to be answered with its status (RFC 3261 §14.2, RFC 3311 §5.2).
    pub fn offer_received(&mut self) -> Result<(), Refusal> {
        self.open()?;
        self.state = State::Received { told: false };
        Ok(())
    }

    /// They ask for an offer by an INVITE without one: our 2xx will carry it (RFC 3261 §14.2).
    ///
    /// # Errors
    /// [`Refusal`]: the request is to be answered with its status.
    pub const fn offer_asked(self) -> Result<(), Refusal> {
        self.open()
    }

    /// They sent a description in a response or in the ACK. `reliable`: not an 18x without RFC 3262.
    pub fn description_received(&mut self, reliable: bool) -> Answer {
        match self.state {
            State::Sent { heard } => {
                self.state = if reliable { State::Stable } else { State::Sent { heard: true } };
                self.agreed |= reliable;
                if heard { Answer::Repeated } else { Answer::New }
            }
            State::Stable | State::Received { .. } => Answer::NotAnAnswer,
        }
    }

    /// A reliable message that should have carried their answer did not. True if their earlier 18x had shown it, and the
    /// session stands; false if there is no answer at all, so the call cannot be.
    pub fn answer_missing(&mut self) -> bool {
        let heard = matches!(self.state, State::Sent { heard: true } | State::Stable);
        self.agreed |= heard;
        self.state = State::Stable;
        heard
    }

    /// We send our answer. `reliable`: in a 2xx or ACK; in an 18x it is only shown, and the 2xx must repeat it.
    pub fn answer_sent(&mut self, reliable: bool) {
        if let State::Received { .. } = self.state {
            self.state = if reliable { State::Stable } else { State::Received { told: true } };
            self.agreed |= reliable;
        }
    }

    /// Whether our 18x showed an answer, which the 2xx must repeat unchanged (RFC 3261 §13.3.1.1).
    #[must_use]
    pub const fn answer_was_shown(self) -> bool {
        matches!(self.state, State::Received { told: true })
    }

    /// The request that carried the open offer was refused: the session before it stands (RFC 3261 §14.1, RFC 3311 §5.1).
    pub fn rejected(&mut self) {
        self.state = State::Stable;
    }

    const fn open(self) -> Result<(), Refusal> {
        match self.state {
            State::Stable => Ok(()),
            State::Sent { .. } => Err(Refusal::Glare),
            State::Received { .. } => Err(Refusal::Unanswered),
        }
    }
}
