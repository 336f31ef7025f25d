//! The ACK of a 2xx to an INVITE of ours: the core's work, not the transaction's.
//!
//! ```text
//!   2xx ─► ACK at once, or when control has answered a late offer ─► the same bytes again for each repeat of the 2xx
//! ```
//! Shape:  the dialog keeps the bytes; the credentials of the INVITE go along.
//! Errors: an ACK that cannot be written is counted; the far end then ends the call by itself.
//! Source: RFC 3261 §13.2.2.4, §17.1.1.3, §22.1.

use std::fmt::Display;
use std::time::Instant;

use super::call::{Call, Ending, Phase};
use super::calls::CallKey;
use super::reply::{SDP_TYPE, with};
use super::{Endpoint, Owner};
use crate::dialog::{Dialog, Hop};
use crate::flow::Flow;
use crate::message::{HeaderName, Method};
use crate::sdp::Sdp;
use crate::token::Branch;

impl Endpoint {
    /// ACK of a 2xx to an INVITE of ours, with our answer where it had an offer.
    pub(super) fn acknowledge(&mut self, key: CallKey, number: u32, sdp: Option<&Sdp>) {
        let Some(call) = self.calls.get(key) else { return };
        let (Phase::Talking(talking) | Phase::Ending(Ending::Bye(talking))) = &call.phase else { return };
        let flow = self.flow_of(call, &talking.dialog);
        let branch = self.layer.branch();
        let Some(bytes) = self.ack(&talking.dialog, flow, &branch, number, sdp, &talking.proofs) else {
            self.stats.unwritable += 1;
            return;
        };
        if let Some(dialog) = self.calls.get_mut(key).and_then(Call::dialog_mut) {
            dialog.invite.acknowledged(&bytes);
            if sdp.is_some() {
                dialog.negotiation.answer_sent(true);
            }
        }
        self.transmit(flow, Some(bytes));
    }

    fn ack(
        &self,
        dialog: &Dialog,
        flow: Flow,
        branch: &Branch,
        number: u32,
        sdp: Option<&Sdp>,
        proofs: &[(&'static str, String)],
    ) -> Option<Vec<u8>> {
        let hop = Hop { transport: flow.transport, sent_by: self.advertised(flow)?, branch };
        let proofs: Vec<(&str, &dyn Display)> = proofs.iter().map(|(name, value)| (*name, value as &dyn Display)).collect();
        let mut out = Vec::with_capacity(1024);
        let writer = with(dialog.ack(&mut out, number, &hop), &proofs).header(HeaderName::UserAgent, &self.config.agent);
        let written = match sdp {
            Some(sdp) => writer.body(SDP_TYPE, sdp.to_string().as_bytes()),
            None => writer.end(),
        };
        written.is_ok().then_some(out)
    }

    /// A further phone behind a forking proxy answered too: acknowledge it and end it (RFC 3261 §13.2.2.4).
    pub(super) fn end_fork(&mut self, key: CallKey, mut dialog: Dialog, number: u32, now: Instant) {
        let Some(call) = self.calls.get(key) else { return };
        let flow = self.flow_along(call.flow, dialog.next_hop());
        let branch = self.layer.branch();
        let ack = self.ack(&dialog, flow, &branch, number, None, &[]);
        self.transmit(flow, ack);
        let branch = self.layer.branch();
        let Some(sent_by) = self.advertised(flow) else { return };
        let hop = Hop { transport: flow.transport, sent_by, branch: &branch };
        let mut out = Vec::with_capacity(512);
        if dialog.request(&mut out, Method::Bye, &hop).header(HeaderName::UserAgent, &self.config.agent).end().is_ok() {
            let _started = self.layer.request(Method::Bye, &branch, out, flow, Owner::Nobody, now);
        }
    }
}
