//! The buffer driven tick by tick, with packets whose octets say which they are.

use proptest::prelude::*;

use super::*;

/// What a run gave, ms of each kind, and the packets heard in order.
#[derive(Debug, Default)]
struct Played {
    heard: Vec<u32>,
    sound: u32,
    lost: u32,
    dry: u32,
    quiet: u32,
    noise: u32,
    splices: u32,
}

/// A sender of G.711 and the buffer that hears it.
struct Bed {
    buffer: JitterBuffer,
    played: Played,
    ms: u64,
    epoch: u32,
    base: u32,
}

impl Bed {
    fn new() -> Self {
        Self { buffer: JitterBuffer::new(Bounds::default()), played: Played::default(), ms: 0, epoch: 1, base: u32::MAX - 4000 }
    }

    /// Packet `n` of `ptime` ms comes now; each octet says its number.
    fn packet(&mut self, n: u32, ptime: u32) {
        let payload = vec![n as u8; 8 * ptime as usize];
        let arrived = Arrived {
            sequence: ExtendedSequence(70_000 + u64::from(n)),
            timestamp: self.base.wrapping_add(8 * ptime * n),
            ticks: 8 * ptime,
            content: Content::Audio(Codec::Pcmu),
            payload: &payload,
        };
        self.buffer.push(&arrived, self.epoch, 8000, self.ms);
    }

    /// One tick of 20 ms: whatever waits, it yields 20 ms.
    fn tick(&mut self) {
        let (mut need, mut octets) = (160, [0; 1500]);
        self.buffer.begin(160);
        for _ in 0..64 {
            if need == 0 {
                break;
            }
            let ticks = match self.buffer.next(need, self.ms, &mut octets) {
                Next::Sound { octets: len, ticks, splice, .. } => {
                    assert_eq!(len as u32, ticks);
                    assert!(octets[..len].iter().all(|o| *o == octets[0]), "one packet at a time");
                    if self.played.heard.last() != Some(&u32::from(octets[0])) {
                        self.played.heard.push(octets[0].into());
                    }
                    self.played.sound += ticks;
                    self.played.splices += u32::from(splice);
                    ticks
                }
                Next::LeftOut { octets: len, .. } => {
                    assert!(len > 0);
                    0
                }
                Next::Lost(ticks) => {
                    self.played.lost += ticks;
                    ticks
                }
                Next::Dry(ticks) => {
                    self.played.dry += ticks;
                    ticks
                }
                Next::Quiet(ticks) => {
                    self.played.quiet += ticks;
                    ticks
                }
                Next::Noise(_) => {
                    self.played.noise += 1;
                    0
                }
            };
            assert!(ticks <= need, "{ticks} of {need}");
            need -= ticks;
        }
        assert_eq!(need, 0, "a tick is filled");
    }

    /// Time passes; packets come at the times that `arrivals` has for them.
    fn run(&mut self, until_ms: u64, ptime: u32, mut arrivals: impl FnMut(u64) -> Vec<u32>) {
        while self.ms < until_ms {
            for n in arrivals(self.ms) {
                self.packet(n, ptime);
            }
            if self.ms % 20 == 13 {
                self.tick();
            }
            self.ms += 1;
        }
    }

    /// A sender without fault from now on.
    fn steady(&mut self, until_ms: u64, ptime: u32) {
        self.run(until_ms, ptime, |ms| if ms.is_multiple_of(ptime.into()) { vec![(ms / u64::from(ptime)) as u32] } else { vec![] });
    }
}

#[test]
fn a_steady_stream_of_any_packet_time_is_heard_whole_and_soon() {
    for ptime in [10, 20, 30, 40, 60] {
        let mut bed = Bed::new();
        bed.steady(2000, ptime);
        let p = &bed.played;
        assert!(p.heard.windows(2).all(|w| w[1] == (w[0] + 1) % 256), "{ptime}: {:?}", p.heard);
        // Packets longer than a tick need the delay that they bring; they are made up for once.
        assert!(p.lost == 0 && p.splices == 0 && p.dry <= 8 * ptime, "{ptime}: {p:?}");
        assert!(bed.buffer.waiting_ms() < 2.0 * f64::from(ptime.max(20)) + 20.0, "{ptime}: {}", bed.buffer.waiting_ms());
        assert_eq!(bed.buffer.counts(), JitterCounts::default());
    }
}

#[test]
fn a_lost_packet_is_made_up_for_and_time_goes_on() {
    let mut bed = Bed::new();
    bed.run(2000, 20, |ms| if ms % 20 == 0 && ms % 200 != 0 { vec![(ms / 20) as u32] } else { vec![] });
    let p = &bed.played;
    assert!((1300..=1600).contains(&(p.lost + p.dry)), "ten of them: {p:?}");
    assert!(bed.buffer.waiting_ms() < 45.0, "loss is no reason to wait: {}", bed.buffer.waiting_ms());
    assert!(p.heard.windows(2).all(|w| w[1] > w[0]));
}

#[test]
fn late_packets_make_the_delay_grow_until_they_are_heard() {
    let mut bed = Bed::new();
    // Every tenth comes 45 ms late.
    bed.run(12_000, 20, |ms| {
        let mut now = vec![];
        if ms % 20 == 0 && ms % 200 != 0 {
            now.push((ms / 20) as u32);
        }
        if ms >= 45 && (ms - 45) % 200 == 0 {
            now.push(((ms - 45) / 20) as u32);
        }
        now
    });
    let before = (bed.played.lost + bed.played.dry, bed.buffer.counts().late);
    let from = bed.ms;
    bed.run(from + 8000, 20, |ms| {
        let mut now = vec![];
        if ms % 20 == 0 && ms % 200 != 0 {
            now.push((ms / 20) as u32);
        }
        if (ms - 45) % 200 == 0 {
            now.push(((ms - 45) / 20) as u32);
        }
        now
    });
    assert_eq!((bed.played.lost + bed.played.dry, bed.buffer.counts().late), before, "all are heard now");
    assert!((40.0..110.0).contains(&bed.buffer.waiting_ms()), "{}", bed.buffer.waiting_ms());
    let from = bed.ms;
    bed.steady(from + 40_000, 20);
    assert!(bed.buffer.waiting_ms() < 50.0, "and the delay shrinks when all is well: {}", bed.buffer.waiting_ms());
}

#[test]
fn clocks_that_run_apart_are_followed() {
    for ppm in [-200i64, 200] {
        let mut bed = Bed::new();
        let mut sent = 0u32;
        bed.run(600_000, 20, |ms| {
            let own = ms as i64 + ms as i64 * ppm / 1_000_000;
            if own >= i64::from(sent) * 20 {
                sent += 1;
                return vec![sent - 1];
            }
            vec![]
        });
        let p = &bed.played;
        assert!(bed.buffer.waiting_ms() < 60.0, "{ppm}: {}", bed.buffer.waiting_ms());
        // 120 ms in ten minutes, in steps of 10 or 20.
        assert!(p.dry + p.lost <= 12 * 160 && p.splices <= 20, "{ppm}: {p:?}");
        assert!(bed.buffer.counts().late <= 1);
    }
}

#[test]
fn a_burst_after_a_stall_is_not_carried_along() {
    let mut bed = Bed::new();
    bed.steady(1000, 20);
    bed.run(1600, 20, |_| vec![]);
    bed.run(1601, 20, |_| (50..80).collect());
    let from = bed.ms;
    bed.run(from + 3000, 20, |ms| if ms % 20 == 0 { vec![(ms / 20) as u32] } else { vec![] });
    assert!(bed.buffer.waiting_ms() < 150.0, "{}", bed.buffer.waiting_ms());
    assert!(bed.played.heard.windows(2).all(|w| w[1] != w[0]));
}

#[test]
fn another_source_begins_anew_and_what_waited_of_the_old_one_is_gone() {
    let mut bed = Bed::new();
    bed.steady(500, 20);
    (bed.epoch, bed.base) = (2, 77);
    let from = bed.ms;
    bed.run(from + 500, 20, |ms| if ms % 20 == 0 { vec![200 + (ms - 500) as u32 / 20] } else { vec![] });
    let p = &bed.played;
    assert!(p.heard.ends_with(&[222, 223, 224]), "{:?}", p.heard);
    assert!(p.heard.iter().filter(|n| **n >= 200).count() >= 23);
}

#[test]
fn a_pause_is_quiet_and_the_next_talkspurt_has_the_delay_that_is_wanted() {
    let mut bed = Bed::new();
    bed.steady(500, 20);
    let noise = Arrived {
        sequence: ExtendedSequence(70_025),
        timestamp: bed.base.wrapping_add(160 * 25),
        ticks: 0,
        content: Content::Noise,
        payload: &[40],
    };
    bed.buffer.push(&noise, 1, 8000, 500);
    bed.run(3000, 20, |_| vec![]);
    assert_eq!((bed.played.noise, bed.played.lost, bed.played.dry), (1, 0, 0), "{:?}", bed.played);
    let from = bed.ms;
    bed.run(from + 1000, 20, |ms| if ms % 20 == 0 { vec![(ms / 20) as u32] } else { vec![] });
    assert_eq!((bed.played.lost, bed.played.dry), (0, 0), "{:?}", bed.played);
    assert!(bed.buffer.waiting_ms() < 45.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_order_gives_packets_in_order_each_once_and_every_tick_is_filled(
        ptime in prop::sample::select(vec![10u32, 20, 30, 40, 60]),
        delays in proptest::collection::vec((0u64..90, 0u8..10), 20..120),
        base: u32,
    ) {
        let mut bed = Bed::new();
        bed.base = base;
        let mut flights: Vec<(u64, u32)> = Vec::new();
        for (n, (delay, fate)) in delays.iter().enumerate() {
            if *fate > 0 {
                flights.push((n as u64 * u64::from(ptime) + delay, n as u32));
            }
        }
        bed.run(delays.len() as u64 * u64::from(ptime) + 300, ptime, |ms| flights.iter().filter(|f| f.0 == ms).map(|f| f.1).collect());
        let p = &bed.played;
        prop_assert!(p.heard.windows(2).all(|w| w[1] > w[0]), "{:?}", p.heard);
        let all = flights.len() as u64;
        let unheard = bed.buffer.counts().late + bed.buffer.counts().dropped;
        prop_assert!(p.heard.len() as u64 + unheard >= all, "{} + {unheard} of {all}", p.heard.len());
    }

    #[test]
    fn any_numbers_are_survived(
        packets in proptest::collection::vec((any::<u32>(), any::<u64>(), 0usize..700, 0u8..5, 0u32..3, 0u64..100), 0..200),
    ) {
        let mut buffer = JitterBuffer::new(Bounds::default());
        let (mut ms, mut out) = (0, [0; 1500]);
        for (timestamp, sequence, len, kind, epoch, pause) in packets {
            ms += pause;
            let payload = vec![1; len];
            let codec = [Codec::Pcmu, Codec::L16At8k, Codec::G722, Codec::Ilbc(dsp::ilbc::Mode::Ms30)].get(usize::from(kind)).copied();
            let ticks = codec.and_then(|codec| codec.samples(len)).unwrap_or(0) as u32;
            let (content, ticks) = match codec {
                Some(codec) if ticks > 0 => (Content::Audio(codec), ticks),
                _ => (Content::Noise, 0),
            };
            // Half of the timestamps are close to each other.
            let timestamp = if timestamp % 2 == 0 { timestamp } else { timestamp % 16_000 };
            buffer.push(&Arrived { sequence: ExtendedSequence(sequence), timestamp, ticks, content, payload: &payload }, epoch, 8000, ms);
            buffer.begin(160);
            for _ in 0..8 {
                buffer.next(160, ms, &mut out);
            }
        }
    }
}

#[test]
fn sound_after_a_stretch_goes_on_where_it_was_and_after_a_loss_it_does_not() {
    let mut bed = Bed::new();
    bed.steady(1000, 20);
    for n in 50..54 {
        bed.packet(n, 20);
    }
    let mut octets = [0; 1500];
    bed.buffer.stretch = 40;
    assert_eq!(bed.buffer.next(160, bed.ms, &mut octets), Next::Dry(40));
    assert!(matches!(bed.buffer.next(120, bed.ms, &mut octets), Next::Sound { ticks: 120, .. }));
    assert!(bed.buffer.came_after_all(), "nothing was missing");
    assert!(matches!(bed.buffer.next(40, bed.ms, &mut octets), Next::Sound { .. }));
    assert!(!bed.buffer.came_after_all());

    // A stretch, and then something is missing.
    bed.packet(55, 20);
    bed.buffer.stretch = 40;
    let mut lost = false;
    for _ in 0..32 {
        match bed.buffer.next(160, bed.ms, &mut octets) {
            Next::Lost(_) => lost = true,
            Next::Sound { .. } if lost => break,
            _ => {}
        }
    }
    assert!(lost && !bed.buffer.came_after_all());
}

#[test]
fn a_loss_of_g722_is_made_up_to_the_end_of_its_packet_at_once() {
    let mut bed = Bed::new();
    let packet = |bed: &mut Bed, n: u32| {
        let arrived = Arrived {
            sequence: ExtendedSequence(70_000 + u64::from(n)),
            timestamp: 160 * n,
            ticks: 160,
            content: Content::Audio(Codec::G722),
            payload: &[0; 160],
        };
        bed.buffer.push(&arrived, 1, 8000, u64::from(n));
    };
    for n in [0, 1, 3] {
        packet(&mut bed, n);
    }
    let mut octets = [0; 1500];
    let ticks = |next| match next {
        Next::Sound { ticks, .. } => (true, ticks),
        Next::Lost(ticks) => (false, ticks),
        other => panic!("{other:?}"),
    };
    // Ticks begin in the middle of packets; a part of 40 is asked of what is lost.
    let parts = [100, 60, 100, 60, 40, 160].map(|need| ticks(bed.buffer.next(need, 100, &mut octets)));
    assert_eq!(parts, [(true, 100), (true, 60), (true, 100), (true, 60), (false, 160), (true, 160)]);
}
