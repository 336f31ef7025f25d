//! Recordings sample by sample, their gates and their ends.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use dsp::Kernels;

use super::*;
use crate::wav::{Layout, sound};

/// A file in memory that refuses what it is told to.
#[derive(Debug, Default)]
struct Memory {
    blocks: Mutex<BTreeMap<u64, Vec<u8>>>,
    finished: Mutex<Option<u64>>,
    full: AtomicBool,
    broken: AtomicBool,
}

impl RecordFile for Memory {
    fn ticket(&self) -> Ticket {
        Ticket(5)
    }

    fn write(&self, place: u64, block: &mut Vec<u8>) -> bool {
        if self.full.load(Ordering::Relaxed) {
            return false;
        }
        assert!(self.blocks.lock().unwrap().insert(place, std::mem::replace(block, vec![9; 3])).is_none());
        true
    }

    fn finish(&self, data: u64) {
        assert!(self.finished.lock().unwrap().replace(data).is_none(), "finished twice");
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

struct Bed {
    file: Arc<Memory>,
    recorder: Recorder,
    kernels: Kernels,
}

impl Bed {
    fn new(record: &api::Record, codec: &str, rate: Rate) -> Self {
        let file = Arc::new(Memory::default());
        let sink = Sink { file: Arc::clone(&file) as Arc<dyn RecordFile>, header: header(record, codec, rate), rate };
        Self { recorder: Recorder::new(record, sink), file, kernels: Kernels::best() }
    }

    fn tick(&mut self, heard: &[i16], said: &[i16], missed: u32) -> Next {
        self.recorder.tick(&Tick { heard, said, missed, kernels: &self.kernels })
    }

    /// Ticks of one level, until the end or so many; how many there were.
    fn ticks(&mut self, level: i16, most: u32) -> u32 {
        (1..=most).find(|_| self.tick(&[level; 160], &[0; 160], 0) == Next::Ended).unwrap_or(most)
    }

    fn events(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.recorder.event())
            .map(|event| match event {
                EventAction::Record(event) => event.kind.word(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// The whole file as the driver would write it.
    fn wav(&self) -> Vec<u8> {
        let data = self.file.finished.lock().unwrap().unwrap();
        let header = self.recorder.header;
        let mut out = header.bytes(data);
        let start = out.len();
        out.resize(start + data as usize, header.format.silence());
        for (place, bytes) in &*self.file.blocks.lock().unwrap() {
            out[start + *place as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        out
    }
}

fn ramp(first: i16, samples: usize) -> Vec<i16> {
    (0..samples as i16).map(|n| first + n).collect()
}

#[test]
fn a_stereo_recording_is_exact_to_the_sample() {
    for rate in [Rate::Narrow, Rate::Wide] {
        let mut bed = Bed::new(&api::Record { channels: RecordChannels::Stereo, ..api::Record::new("a.wav") }, "PCMU", rate);
        let mut expected = vec![];
        for n in 0..60 {
            let (heard, said) = (ramp(n * 100, rate.samples()), ramp(-n * 50, rate.samples()));
            bed.tick(&heard, &said, 0);
            expected.extend(heard.iter().zip(&said).flat_map(|(l, r)| [*l, *r]));
        }
        bed.recorder.end(RecordEnd::Requested);
        let wav = bed.wav();
        let layout = Layout::read(&wav).unwrap();
        assert_eq!((layout.channels, layout.rate_hz, layout.samples()), (2, rate.hz(), 60 * rate.samples() as u64));
        let have: Vec<i16> = wav[layout.data].as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        assert_eq!(have, expected);
        assert_eq!(bed.events(), ["recording", "finished.requested"]);
    }
}

#[test]
fn a_mono_recording_adds_up_and_what_was_missed_is_silence() {
    let mut bed = Bed::new(&api::Record::new("a.wav"), "PCMU", Rate::Narrow);
    bed.tick(&[1000; 160], &[-300; 160], 0);
    bed.tick(&[30_000; 160], &[30_000; 160], 2);
    bed.recorder.end(RecordEnd::Requested);
    let wav = bed.wav();
    let have = sound(&wav, 8000, 1 << 20, &Kernels::best()).unwrap();
    let expected: Vec<i16> = [[700; 160], [0; 160], [0; 160], [i16::MAX; 160]].concat();
    assert_eq!(have.samples(), expected);
}

#[test]
fn the_wire_codec_is_kept_as_it_is() {
    for (codec, encoding) in [("PCMA", "A-law"), ("PCMU", "mu-law"), ("G722", "PCM, 16 bits")] {
        let mut bed = Bed::new(&api::Record { format: RecordFormat::Wire, ..api::Record::new("a.wav") }, codec, Rate::Narrow);
        bed.tick(&[1000; 160], &[0; 160], 0);
        bed.tick(&[1000; 160], &[0; 160], 1);
        bed.recorder.end(RecordEnd::Requested);
        let wav = bed.wav();
        assert_eq!(Layout::read(&wav).unwrap().encoding.name(), encoding);
        let have = sound(&wav, 8000, 1 << 20, &Kernels::best()).unwrap();
        assert_eq!(have.samples().len(), 480);
        for (n, sample) in have.samples().iter().enumerate() {
            let wanted = if (160..320).contains(&n) { 0 } else { 1000 };
            assert!((sample - wanted).abs() < 40, "{codec} {n}: {sample}");
        }
    }
}

#[test]
fn power_begins_and_ends_a_recording() {
    let record = api::Record {
        start_above_power: Some(500),
        finish_below_power: Some(200),
        average_frames: 10,
        min_ms: 1000,
        ..api::Record::new("a.wav")
    };
    let mut bed = Bed::new(&record, "PCMU", Rate::Narrow);
    bed.ticks(100, 50);
    assert_eq!(bed.events(), [""; 0]);
    // 2000 in n of 10 frames: sqrt(n/10) × 2000 is above 500 from the first on.
    bed.ticks(2000, 20);
    assert_eq!(bed.events(), ["recording.abovepower"]);
    // Below the mark after ten quiet frames, but not before a second is kept.
    assert_eq!(bed.ticks(0, 100), 30);
    assert_eq!(bed.events(), ["finished.belowpower"]);
    assert_eq!(*bed.file.finished.lock().unwrap(), Some(50 * 320));
}

#[test]
fn the_longest_duration_ends_it_and_pauses_do_not_count() {
    let record = api::Record { max_ms: Some(1000), ..api::Record::new("a.wav") };
    let mut bed = Bed::new(&record, "PCMU", Rate::Narrow);
    bed.ticks(100, 20);
    bed.recorder.pause(true);
    assert_eq!(bed.ticks(200, 500), 500);
    bed.recorder.pause(false);
    assert_eq!(bed.ticks(300, 100), 30);
    assert_eq!(bed.events(), ["recording", "finished.timeout"]);
    let have = sound(&bed.wav(), 8000, 1 << 20, &Kernels::best()).unwrap();
    assert_eq!(have.samples(), [vec![100; 3200], vec![300; 4800]].concat());
}

#[test]
fn a_slow_disk_costs_silence_and_a_broken_one_the_recording() {
    let mut bed = Bed::new(&api::Record::new("a.wav"), "PCMU", Rate::Narrow);
    bed.ticks(100, 25);
    bed.file.full.store(true, Ordering::Relaxed);
    bed.ticks(200, 25);
    bed.file.full.store(false, Ordering::Relaxed);
    bed.ticks(300, 25);
    bed.file.broken.store(true, Ordering::Relaxed);
    assert_eq!(bed.ticks(300, 25), 1);
    let have = sound(&bed.wav(), 8000, 1 << 20, &Kernels::best()).unwrap();
    assert_eq!(have.samples(), [vec![100; 4000], vec![0; 4000], vec![300; 4160]].concat());
    let events: Vec<_> = std::iter::from_fn(|| bed.recorder.event()).collect();
    let [_, EventAction::Record(end)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((end.kind.word(), end.lost_ms, end.filesize), ("finished.error", 500, Some(44 + 2 * 12_160)));
}

#[test]
fn a_recorder_that_is_dropped_finishes_its_file() {
    let bed = Bed::new(&api::Record::new("a.wav"), "PCMU", Rate::Narrow);
    let file = Arc::clone(&bed.file);
    drop(bed);
    assert_eq!(*file.finished.lock().unwrap(), Some(0));
}
