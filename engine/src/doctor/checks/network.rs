//! Buffers and queues between the wire and our sockets.
//!
//! Units:  bytes, packets since the system started.
//! Source: socket(7) `SO_RCVBUF`; proc(5) `/proc/net/snmp`; the kernel's networking/scaling.

use super::super::{Finding, Host, Severity, Subject};

/// What a SIP socket wants to hold while its core is busy: 4 MiB are 2700 full datagrams, 100 ms of 27 000 a second.
const RECEIVE_BUFFER: u64 = 4 << 20;

/// The kernel cuts what we ask for to its limit.
pub(super) fn receive_buffers(host: &Host, _subject: &Subject) -> Vec<Finding> {
    let Some(most) = host.number::<u64>("proc/sys/net/core/rmem_max") else { return Vec::new() };
    if most >= RECEIVE_BUFFER {
        return vec![Finding::good("receive-buffer", format!("up to {most} bytes a socket"))];
    }
    vec![Finding::bad(
        "receive-buffer",
        Severity::Warning,
        format!("at most {most} bytes a socket"),
        "a registration storm is lost in the kernel before it is seen; phones send it again, and the storm lasts longer",
        format!("sysctl -w net.core.rmem_max={RECEIVE_BUFFER} net.core.wmem_max={RECEIVE_BUFFER}"),
    )]
}

/// What was lost already.
pub(super) fn losses(host: &Host, _subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(errors) = udp_counter(host, "RcvbufErrors") {
        findings.push(if errors == 0 {
            Finding::good("udp-losses", "no datagram lost to a full socket since the system started")
        } else {
            let cost = "voice with gaps, SIP sent again; which program it was, `ss -uanm` tells (column d)";
            Finding::bad(
                "udp-losses",
                Severity::Note,
                format!("{errors} datagrams lost to full sockets since the system started"),
                cost,
                "",
            )
        });
    }
    let dropped: u64 = backlog_drops(host);
    if dropped > 0 {
        findings.push(Finding::bad(
            "backlog-losses",
            Severity::Warning,
            format!("{dropped} packets lost between driver and sockets since the system started"),
            "one core takes in more than it can hand on",
            "sysctl -w net.core.netdev_max_backlog=16384; spread the queues of the network card (below)",
        ));
    }
    findings
}

/// One queue means one core for all that comes in.
pub(super) fn queues(host: &Host, subject: &Subject) -> Vec<Finding> {
    let cards = host.names("sys/class/net").into_iter().filter(|card| host.has(&format!("sys/class/net/{card}/device")));
    let media = subject.needs.media_shards;
    cards
        .map(|card| {
            let names = host.names(&format!("sys/class/net/{card}/queues"));
            let queues = names.iter().filter(|name| name.starts_with("rx-")).count();
            let steered = names.iter().filter(|name| name.starts_with("rx-")).any(|name| {
                let mask = host.text(&format!("sys/class/net/{card}/queues/{name}/rps_cpus")).unwrap_or_default();
                mask.chars().any(|c| !matches!(c, '0' | ','))
            });
            let found = format!(
                "{card}: {queues} receive queue{}{}",
                if queues == 1 { "" } else { "s" },
                if steered { ", steered by RPS" } else { "" }
            );
            if queues >= media || steered {
                return Finding::good("receive-queues", found);
            }
            Finding::bad(
                "receive-queues",
                Severity::Warning,
                format!("{found}, {media} media shards"),
                "the cores of those queues do the kernel's part for all channels, and are full first",
                format!("ethtool -L {card} combined {media}, or RPS: echo MASK > /sys/class/net/{card}/queues/rx-0/rps_cpus"),
            )
        })
        .collect()
}

/// A counter of the `Udp:` lines: one names them, the next has the numbers.
fn udp_counter(host: &Host, name: &str) -> Option<u64> {
    let text = host.text("proc/net/snmp")?;
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let place = names.split_whitespace().position(|found| found == name)?;
    numbers.split_whitespace().nth(place)?.parse().ok()
}

/// Second column, hexadecimal, of every CPU's line.
fn backlog_drops(host: &Host) -> u64 {
    let text = host.text("proc/net/softnet_stat").unwrap_or_default();
    text.lines().filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok()).sum()
}
