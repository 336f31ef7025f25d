//! Reading the usual INVITE and REGISTER, and answering them; rsip 0.4 beside us on the same bytes.
//!
//! `parse` gives a message whose five headers of every request are checked; `parse+typed` looks too at what a UAS needs:
//! Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, of a REGISTER also Expires and the digest.
//! Run: `cargo bench -p benches --bench message`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HeadersExt;
use sip::message::{self, Contact, HeaderName, Message, Request, StatusCode, Writer};

const INVITE: &[u8] = include_bytes!("../../testfiles/messages/invite.sip");
const REGISTER: &[u8] = include_bytes!("../../testfiles/messages/register.sip");

fn parsed(bytes: &[u8]) -> Request<'_> {
    match message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// What was read, looked at where it stands, as the switch does: moving it out would be a copy of 1.8 KiB.
fn read_in_place<T>(bytes: &[u8], look: impl FnOnce(&Request<'_>) -> T) -> T {
    match message::Place::new().parse(bytes) {
        Ok(Message::Request(request)) => look(request),
        other => panic!("{other:?}"),
    }
}

/// What a UAS looks at before it does anything.
fn typed(request: &Request<'_>) -> usize {
    let headers = request.headers();
    let branch = request.via().branch.map_or(0, str::len);
    let tags = request.from().tag.map_or(0, str::len) + request.to().tag.map_or(0, str::len);
    let contact = match headers.contacts().next() {
        Some(Ok(Contact::Address(contact))) => contact.address.uri.as_str().len(),
        _ => 0,
    };
    let hops = headers.max_forwards().ok().flatten().map_or(0, usize::from);
    branch + tags + request.call_id().len() + request.cseq().number as usize + contact + hops
}

/// The same and what a registrar looks at.
fn registrar(request: &Request<'_>) -> usize {
    let headers = request.headers();
    let digest = headers.credentials(HeaderName::Authorization).next().and_then(Result::ok).and_then(|found| found.digest());
    let response = digest.and_then(|digest| digest.response).map_or(0, |response| response.len());
    typed(request) + headers.expires().map_or(0, |expires| expires as usize) + response
}

fn rsip_typed(request: &rsip::Request) -> usize {
    let via = request.via_header().and_then(rsip::headers::ToTypedHeader::typed).expect("Via");
    let from = request.from_header().and_then(rsip::headers::ToTypedHeader::typed).expect("From");
    let to = request.to_header().and_then(rsip::headers::ToTypedHeader::typed).expect("To");
    let contact = request.contact_header().and_then(rsip::headers::ToTypedHeader::typed).expect("Contact");
    let cseq = request.cseq_header().and_then(rsip::headers::ToTypedHeader::typed).expect("CSeq");
    let hops = request.max_forwards_header().and_then(rsip::headers::MaxForwards::num).expect("Max-Forwards");
    let call_id = request.call_id_header().expect("Call-ID").value().len();
    via.params.len() + from.params.len() + to.params.len() + contact.params.len() + call_id + cseq.seq as usize + hops as usize
}

fn rsip_registrar(request: &rsip::Request) -> usize {
    let digest = request.authorization_header().expect("Authorization").typed().expect("digest");
    let expires = request.expires_header().and_then(|expires| expires.seconds().ok()).expect("Expires");
    rsip_typed(request) + digest.response.len() + expires as usize
}

fn rsip_parsed(bytes: &[u8]) -> rsip::Request {
    rsip::Request::try_from(bytes).expect("rsip takes it")
}

fn read(criterion: &mut Criterion) {
    for (name, bytes) in [("INVITE", INVITE), ("REGISTER", REGISTER)] {
        let mut group = criterion.benchmark_group(format!("read {name}, {} bytes", bytes.len()));
        group.throughput(Throughput::Elements(1));
        let (ours, theirs) = if name == "INVITE" {
            (typed as fn(&Request<'_>) -> usize, rsip_typed as fn(&rsip::Request) -> usize)
        } else {
            (registrar as fn(&Request<'_>) -> usize, rsip_registrar as fn(&rsip::Request) -> usize)
        };
        group.bench_function("ours: parse", |bencher| bencher.iter(|| read_in_place(black_box(bytes), |request| request.body().len())));
        group.bench_function("ours: parse+typed", |bencher| bencher.iter(|| read_in_place(black_box(bytes), ours)));
        group.bench_function("rsip: parse", |bencher| bencher.iter(|| rsip_parsed(black_box(bytes)).body.len()));
        group.bench_function("rsip: parse+typed", |bencher| bencher.iter(|| theirs(&rsip_parsed(black_box(bytes)))));
        group.finish();
    }
}

fn write(criterion: &mut Criterion) {
    let request = parsed(INVITE);
    let source = "198.51.100.7:40123".parse().expect("an address");
    let mut out = Vec::with_capacity(2048);
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(1));
    group.bench_function("100 to an INVITE", |bencher| {
        bencher.iter(|| {
            out.clear();
            let trying = StatusCode::TRYING;
            Writer::response(&mut out, trying, trying.phrase()).answer(request.headers(), Some(source), None).end()
        });
    });
    group.bench_function("200 with a body to an INVITE", |bencher| {
        bencher.iter(|| {
            out.clear();
            Writer::response(&mut out, StatusCode::OK, "OK")
                .answer(request.headers(), Some(source), Some("4a7e1b09"))
                .header(HeaderName::Contact, format_args!("<sip:{}>", "192.0.2.1:5060"))
                .body("application/sdp", request.body())
        });
    });
    group.finish();
}

criterion_group!(benches, read, write);
criterion_main!(benches);
