//! The ports we want, and who else may have them.
//!
//! Source: the kernel's networking/ip-sysctl (`ip_local_port_range`, `ip_local_reserved_ports`), nf_conntrack-sysctl.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;

use super::super::{Finding, Host, Severity, Subject};

/// The kernel gives ports of the ephemeral range to anybody who asks for none.
pub(super) fn ephemeral(host: &Host, subject: &Subject) -> Vec<Finding> {
    let (Some(ours), Some(range)) = (&subject.rtp_ports, host.numbers("proc/sys/net/ipv4/ip_local_port_range")) else { return Vec::new() };
    let &[first, last] = range.as_slice() else { return Vec::new() };
    let shared = u64::from(*ours.start()).max(first)..=u64::from(*ours.end()).min(last);
    let reserved = host.text("proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    let free = shared.clone().filter(|port| !is_reserved(&reserved, *port)).count();
    if free == 0 {
        return vec![Finding::good("ephemeral-ports", format!("{first}-{last}, apart from RTP on {}-{}", ours.start(), ours.end()))];
    }
    vec![Finding::bad(
        "ephemeral-ports",
        Severity::Warning,
        format!("{first}-{last} overlaps RTP on {}-{}: {free} ports", ours.start(), ours.end()),
        "other programs take RTP ports now and then; they are skipped and counted, channels get fewer",
        format!("sysctl -w net.ipv4.ip_local_reserved_ports={}-{}", ours.start(), ours.end()),
    )]
}

/// Ports of SIP and HTTP, bound once and let go.
pub(super) fn in_use(host: &Host, subject: &Subject) -> Vec<Finding> {
    if !host.is_this() {
        return Vec::new();
    }
    let udp = subject.sip.iter().filter(|at| UdpSocket::bind(at).is_err()).map(|at| ("SIP", *at));
    let tcp = subject.http.iter().filter(|at| TcpListener::bind(at).is_err()).map(|at| ("HTTP", *at));
    let taken: Vec<(&str, SocketAddr)> = udp.chain(tcp).collect();
    if taken.is_empty() {
        return vec![Finding::good("listeners", "ports of SIP and HTTP are free")];
    }
    let cost = "a program that is to listen there does not start (if that is this switch, running already, all is well)";
    let one = |&(what, at): &(&str, SocketAddr)| {
        let port = at.port();
        Finding::bad(
            "listeners",
            Severity::Note,
            format!("{what} {at} is in use"),
            cost,
            format!("ss -lnp 'sport = :{port}' tells by whom"),
        )
    };
    taken.iter().map(one).collect()
}

/// A table entry for each stream, looked up for each packet.
pub(super) fn connection_tracking(host: &Host, subject: &Subject) -> Vec<Finding> {
    let (Some(ours), Some(most)) = (&subject.rtp_ports, host.number::<u64>("proc/sys/net/netfilter/nf_conntrack_max")) else {
        return vec![Finding::good("conntrack", "connection tracking is not loaded")];
    };
    let now = host.number::<u64>("proc/sys/net/netfilter/nf_conntrack_count").unwrap_or_default();
    let streams = 2 * u64::from(subject.needs.channels);
    let full = most < 2 * streams;
    vec![Finding::bad(
        "conntrack",
        if full { Severity::Warning } else { Severity::Note },
        format!("connection tracking is loaded: {now} of {most} entries, our channels may need {streams}"),
        if full { "when the table is full, packets of new calls are dropped" } else { "each packet is looked up in its table" },
        exempt(ours, full.then_some(2 * streams)),
    )]
}

fn exempt(ports: &RangeInclusive<u16>, most: Option<u64>) -> String {
    let rule = |chain| {
        format!(
            "nft add chain inet mediaswitch {chain} '{{ type filter hook {chain} priority raw; }}' && nft add rule inet mediaswitch {chain} udp {} {}-{} notrack",
            if chain == "prerouting" { "dport" } else { "sport" },
            ports.start(),
            ports.end()
        )
    };
    let rules = format!("nft add table inet mediaswitch && {} && {}", rule("prerouting"), rule("output"));
    match most {
        Some(most) => format!("{rules}; or sysctl -w net.netfilter.nf_conntrack_max={most}"),
        None => rules,
    }
}

/// A list such as `5060,10000-20000`.
fn is_reserved(list: &str, port: u64) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.trim().parse().is_ok_and(|first: u64| port >= first) && last.trim().parse().is_ok_and(|last: u64| port <= last)
    })
}
