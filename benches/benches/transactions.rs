//! The transaction table of a shard and its timer wheel, with tens of thousands alive.
//!
//! `serve` takes a new request, accepts it, answers 200 and lets one that is 32 s old end: a steady 65 000 alive.
//! `absorb` meets a repeat of one of them. `wheel` sets and takes back a deadline among 100 000.
//! Times are of the CPU, not of the wall. Run: `cargo bench -p benches --bench transactions`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::cpu_of;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::flow::{Flow, ListenerId, Transport};
use sip::message::{Host, Method, StatusCode};
use sip::timer::Wheel;
use sip::transaction::{Incoming, Layer, LayerOutput, Limits, RequestHead, Timing};

const LIVE: u64 = 65_000;

fn head<'a>(branch: &'a str, call_id: &'a str) -> RequestHead<'a> {
    RequestHead {
        method: Method::Options,
        uri: "sip:example.com",
        host: Host::Ip([192, 0, 2, 9].into()),
        port: Some(5060),
        branch: Some(branch),
        from_tag: Some("1"),
        to_tag: None,
        call_id,
        cseq: 1,
    }
}

fn serve(layer: &mut Layer<u64>, number: u64, now: Instant) -> usize {
    let branch = format!("z9hG4bK{number:020}");
    let flow = Flow { listener: ListenerId(0), peer: ([192, 0, 2, 9], 5060).into(), transport: Transport::Udp };
    layer.handle_timeout(now);
    if let Incoming::New { request, .. } = layer.handle_request(&head(&branch, "call"), now)
        && let Ok(id) = layer.accept(request, flow, number)
    {
        layer.respond(id, StatusCode::OK, vec![0; 400], now);
    }
    drain(layer)
}

fn drain(layer: &mut Layer<u64>) -> usize {
    let mut sent = 0;
    loop {
        match layer.poll_output() {
            LayerOutput::Transmit { bytes, .. } => sent += bytes.len(),
            LayerOutput::Event { .. } => {}
            LayerOutput::Wait(_) => return sent,
        }
    }
}

fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transactions");
    group.throughput(Throughput::Elements(1));
    let start = Instant::now();
    let gap = Duration::from_secs(32) / LIVE as u32;
    let mut layer = Layer::new(Limits::default(), Timing::default(), [1; 32], start);
    let mut number = 0;
    while number < 2 * LIVE {
        number += 1;
        serve(&mut layer, number, start + gap * number as u32);
    }
    assert!(layer.len() as u64 > LIVE - 100);
    group.bench_function("serve", |bencher| {
        bencher.iter_custom(|rounds| {
            cpu_of(|| {
                for _ in 0..rounds {
                    number += 1;
                    black_box(serve(&mut layer, number, start + Duration::from_secs(32).mul_f64(number as f64 / LIVE as f64)));
                }
            })
        });
    });
    let (branch, now) = (format!("z9hG4bK{number:020}"), start + Duration::from_secs(32).mul_f64(number as f64 / LIVE as f64));
    group.bench_function("absorb", |bencher| {
        bencher.iter_custom(|rounds| {
            cpu_of(|| {
                for _ in 0..rounds {
                    assert_eq!(layer.handle_request(&head(black_box(&branch), "call"), now), Incoming::Repeat);
                    black_box(drain(&mut layer));
                }
            })
        });
    });
    group.finish();
}

fn wheel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wheel");
    group.throughput(Throughput::Elements(1));
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    for number in 0..100_000u64 {
        wheel.set(start + Duration::from_millis(number % 32_000), number);
    }
    let mut number = 0;
    group.bench_function("set and cancel", |bencher| {
        bencher.iter_custom(|rounds| {
            cpu_of(|| {
                for _ in 0..rounds {
                    number += 1;
                    let id = wheel.set(start + Duration::from_millis(number * 7919 % 32_000), number);
                    black_box(wheel.cancel(id));
                }
            })
        });
    });
    group.finish();
}

criterion_group!(benches, transactions, wheel);
criterion_main!(benches);
