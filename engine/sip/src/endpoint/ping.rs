//! OPTIONS to registered phones: is somebody there, and is the way through the NAT still open?
//!
//! ```text
//!   registrar Ping ─► OPTIONS, branch z9hG4bK[mark]ping.<slot>.<stamp> ─► any response with that branch ─► handle_pong
//! ```
//! Shape:  no transaction: the branch says whose answer it is, and carries the random stamp of the binding.
//! Units:  slot and stamp in hex.
//! Errors: none; a lost OPTIONS counts as lost, seven in a row end the binding (`registrar`).
//! Departs from RFC 3261 §17.1.2: sent once and not repeated. The next one comes after 30 s; repeating would cost eleven
//!         datagrams for every phone that is gone, and a transaction for every one that is there.

use super::Endpoint;
use super::originate::without_headers;
use crate::message::{HeaderName, MAGIC_COOKIE, Method, Writer};
use crate::registrar::{BindingId, Ping};

const BRANCH_WORD: &str = "ping.";

impl Endpoint {
    pub(super) fn send_ping(&mut self, ping: &Ping) {
        let Some(host) = self.advertised(ping.flow) else { return };
        let (tag, call_id) = (self.tokens.tag(), self.tokens.text(20));
        let contact = without_headers(&ping.contact);
        let mut out = Vec::with_capacity(512);
        // With several shards the first letter says whose it is.
        let mark = self.config.shard.mark().map(char::from).map(String::from).unwrap_or_default();
        let branch = format_args!("{MAGIC_COOKIE}{mark}{BRANCH_WORD}{:x}.{:x}", ping.id.slot, ping.id.stamp);
        let via = format_args!("SIP/2.0/{} {host};rport;branch={branch}", ping.flow.transport.via());
        let mut writer = Writer::request(&mut out, Method::Options, contact).header(HeaderName::Via, via);
        if let Some(path) = &ping.path {
            writer = writer.header(HeaderName::Route, path);
        }
        let written = writer
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<sip:ping@{host}>;tag={tag}"))
            .header(HeaderName::To, format_args!("<{contact}>"))
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "1 OPTIONS")
            .header(HeaderName::Contact, format_args!("<sip:{host}>"))
            .header(HeaderName::UserAgent, &self.config.agent)
            .end();
        let bytes = written.is_ok().then_some(out);
        self.stats.unwritable += u64::from(bytes.is_none());
        self.transmit(ping.flow, bytes);
    }
}

/// Whose OPTIONS a response belongs to, if its branch is one of those.
pub(super) fn pinged(branch: &str, mark: Option<u8>) -> Option<BindingId> {
    let random = branch.strip_prefix(MAGIC_COOKIE)?;
    let random = mark.map_or(Some(random), |mark| random.strip_prefix(char::from(mark)))?;
    let (slot, stamp) = random.strip_prefix(BRANCH_WORD)?.split_once('.')?;
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    Some(BindingId { slot: number(slot)?, stamp: number(stamp)? })
}
