//! DNS messages: the few that SIP needs, written and read by the `domain` crate.
//!
//! Shape:  one question out; of an answer the records of its kind, at most `RECORDS_MAX`.
//! Units:  TTL as `Duration`, the shortest of the records, or the SOA's of an answer without any.
//! Errors: `Ok(None)` for what is no answer to the question, `Err(())` for a server that fails or refuses.
//! Source: RFC 1035 §4.1, RFC 2782 (SRV), RFC 3403 §4 (NAPTR), RFC 2308 §5, RFC 6891 §6.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, RecordSection};
use domain::rdata::{A, Aaaa, Naptr, Soa, Srv};

const RECORDS_MAX: usize = 16;
/// What travels in one datagram without being cut on the way.
const UDP_BYTES_MAX: u16 = 1232;
/// For an answer without records and without SOA.
const NEGATIVE_TTL: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Services of a domain.
    Naptr,
    /// Servers of a service.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Not all of it fitted.
    pub truncated: bool,
    /// NAPTR records.
    pub naptr: Vec<sip::locate::Naptr>,
    /// SRV records.
    pub srv: Vec<sip::locate::Srv>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// How long it is good.
    pub ttl: Duration,
}

/// A question; `None` if the name is none.
pub(super) fn write(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let name = Name::<Vec<u8>>::from_str(name).ok()?;
    let rtype = match kind {
        Kind::Naptr => Rtype::NAPTR,
        Kind::Srv => Rtype::SRV,
        Kind::A => Rtype::A,
        Kind::Aaaa => Rtype::AAAA,
    };
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push((name, rtype)).ok()?;
    let mut additional = question.additional();
    additional
        .opt(|opt| {
            opt.set_udp_payload_size(UDP_BYTES_MAX);
            Ok(())
        })
        .ok()?;
    Some(additional.finish())
}

/// Reads what a server sent.
pub(super) fn parse(bytes: &[u8], query: &[u8], kind: Kind) -> Result<Option<Parsed>, ()> {
    let (Ok(message), Ok(query)) = (Message::from_octets(bytes), Message::from_octets(query)) else { return Ok(None) };
    if !message.is_answer(&query) {
        return Ok(None);
    }
    let mut parsed = Parsed { truncated: message.header().tc(), ..Parsed::default() };
    match message.header().rcode() {
        Rcode::NOERROR | Rcode::NXDOMAIN => {}
        _ => return Err(()),
    }
    let answer = message.answer().map_err(drop)?;
    let ttl = match kind {
        Kind::Naptr => naptr(answer, &mut parsed),
        Kind::Srv => srv(answer, &mut parsed),
        Kind::A => each(answer.limit_to_in::<A>(), |record| parsed.ips.push(record.data().addr().into()), |record| record.ttl().as_secs()),
        Kind::Aaaa => {
            each(answer.limit_to_in::<Aaaa>(), |record| parsed.ips.push(record.data().addr().into()), |record| record.ttl().as_secs())
        }
    };
    parsed.ttl = match ttl {
        Some(seconds) => Duration::from_secs(seconds.into()),
        None => negative_ttl(&message),
    };
    Ok(Some(parsed))
}

fn naptr(answer: RecordSection<'_, &[u8]>, parsed: &mut Parsed) -> Option<u32> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    each(
        answer.limit_to_in::<Naptr<_, _>>(),
        |record| {
            let data: &Naptr<_, _> = record.data();
            parsed.naptr.push(sip::locate::Naptr {
                order: data.order(),
                preference: data.preference(),
                flags: text(data.flags().as_slice()),
                service: text(data.services().as_slice()),
                replacement: dotless(&data.replacement().to_string()),
            });
        },
        |record| record.ttl().as_secs(),
    )
}

fn srv(answer: RecordSection<'_, &[u8]>, parsed: &mut Parsed) -> Option<u32> {
    each(
        answer.limit_to_in::<Srv<_>>(),
        |record| {
            let data: &Srv<_> = record.data();
            parsed.srv.push(sip::locate::Srv {
                priority: data.priority(),
                weight: data.weight(),
                port: data.port(),
                target: dotless(&data.target().to_string()),
            });
        },
        |record| record.ttl().as_secs(),
    )
}

/// Takes the records of an answer, those excepted that cannot be read. Gives the shortest TTL.
fn each<R, E>(records: impl Iterator<Item = Result<R, E>>, mut take: impl FnMut(&R), ttl: impl Fn(&R) -> u32) -> Option<u32> {
    let mut shortest = None;
    for record in records.filter_map(Result::ok).take(RECORDS_MAX) {
        take(&record);
        let seconds = ttl(&record);
        shortest = Some(shortest.map_or(seconds, |known: u32| known.min(seconds)));
    }
    shortest
}

fn negative_ttl(message: &Message<&[u8]>) -> Duration {
    let Ok(authority) = message.authority() else { return NEGATIVE_TTL };
    let soa = authority.limit_to_in::<Soa<_>>().find_map(Result::ok);
    soa.map_or(NEGATIVE_TTL, |record| Duration::from_secs(record.ttl().as_secs().min(record.data().minimum().as_secs()).into()))
}

/// A name as we keep it; the root is empty.
fn dotless(name: &str) -> String {
    name.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_is_read_back_only_by_its_own_answer() {
        let query = write(7, "example.test", Kind::A).unwrap();
        assert_eq!(parse(&query, &query, Kind::A), Ok(None), "a question is no answer");
        let mut answer = query.clone();
        answer[2] |= 0x80;
        let empty = parse(&answer, &query, Kind::A).unwrap().unwrap();
        assert_eq!((empty.ips.len(), empty.ttl), (0, NEGATIVE_TTL));
        answer[1] ^= 1;
        assert_eq!(parse(&answer, &query, Kind::A), Ok(None), "another number");
        answer[1] ^= 1;
        answer[3] |= 2;
        assert_eq!(parse(&answer, &query, Kind::A), Err(()), "SERVFAIL");
        assert_eq!(write(7, &"x".repeat(70), Kind::A), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let query = write(7, "example.test", Kind::Srv).unwrap();
            let mut answer = query.clone();
            answer[2] |= 0x80;
            answer[7] = 9;
            answer.extend(bytes);
            for kind in [Kind::Naptr, Kind::Srv, Kind::A, Kind::Aaaa] {
                let _ = parse(&answer, &query, kind);
            }
        }
    }
}
