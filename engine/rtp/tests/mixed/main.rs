//! A shard full of everything over bad networks, for hours of virtual time: bridges of every pair of codecs, conferences,
//! players, recorders, echoes, digits, and channels that are joined and parted without end.
//!
//! Network: 5 % lost, 2 % doubled, 2 % held back by up to 40 ms, 12 ms of jitter, clocks ±200 ppm apart.
//! Checked: what is heard is the right tone, by its level and its signal to noise; each stream is one stream; each digit comes
//!          once; the counters are the truth to the packet; when all is closed nothing is left, in memory neither.
//! Long:    `cargo test --release -p rtp --test mixed -- --ignored --nocapture`, with `SIM_CHANNELS` (1000), `SIM_MINUTES` (60)
//!          of virtual time per seed, `SIM_FIRST` and `SIM_COUNT` of seeds.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
mod house;
mod memory;
mod phone;
mod sound;
mod tally;

use house::House;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Fills a shard, lets it live, empties it; twice, and the second time takes no more memory.
fn live(channels: usize, minutes: u64, seed: u64) -> tally::Tally {
    let mut house = House::new(channels, seed);
    let ms = minutes * 60_000;
    house.run(ms / 2);
    house.empty();
    let first = memory::live_bytes() - house.tally.bytes();
    house.run(ms / 2);
    house.empty();
    let grown = memory::live_bytes() - house.tally.bytes() - first;
    assert!(grown < 64 << 10, "{grown} bytes more after the second half");
    house.tally
}

#[test]
fn a_shard_full_of_everything_stays_right() {
    sim::seeds("a_shard_full_of_everything_stays_right", 1, |seed| {
        let tally = live(50, 1, seed);
        println!("{tally}");
        tally.judge();
    });
}

#[test]
#[ignore = "hours of virtual time; see the head of the file"]
fn a_shard_full_of_everything_stays_right_for_hours() {
    let (channels, minutes) = (number("SIM_CHANNELS", 1000) as usize, number("SIM_MINUTES", 60));
    sim::seeds("a_shard_full_of_everything_stays_right_for_hours", 3, |seed| {
        println!("seed {seed}: {channels} channels, {minutes} min");
        let tally = live(channels, minutes, seed);
        println!("{tally}");
        tally.judge();
    });
}
