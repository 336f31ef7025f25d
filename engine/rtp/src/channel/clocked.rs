//! What a channel has that runs by the clock: from the jitter buffer to a frame each 20 ms.
//!
//! ```text
//!   packets ─▶ jitter ─plan─▶ decoders ─assemble─▶ heard ─▶ voice (gain, at the rate of the mix)
//!                                │ made up, noise           said ─▶ player ─▶ recorders ─▶ encoders
//! ```
//! Shape:  in a box made by the command that makes the channel clocked; about 18 KiB, most of it packets that may wait.
//! Units:  frames of 20 ms at 8 or 16 kHz; times in ms since the shard began.
//! Errors: none; what cannot be decoded is made up.
//! Losses: iLBC's decoder makes them up itself; that of G.722 follows what was made up, and takes it back if the packet was only
//!         late.
//! Not here: who hears whom (`media::group`), when (`media::tick`).

use dsp::dtmf::{Detector, Event};
use dsp::ilbc::Mode;
use dsp::silence::{Comfort, Sid};
use dsp::{Kernels, g722};
use heapless::Vec;

use super::conceal::Conceal;
use super::frame::{FRAME_MAX, Frame, Gain, RateState};
use super::waiting::Waiting;
use super::{Activity, Coders};
use crate::clock::{Play, Rate, Record};
use crate::format::Codec;
use crate::jitter::{Bounds, JitterBuffer, Joint, Next, PACKETS_MAX};
use crate::media::{ChannelKey, Decoded, Decoders, Follow};
use crate::telephone_event::Heard;

/// Longest payload that is played: 60 ms of L16 at 16 kHz is more than a packet holds.
const PAYLOAD_MAX: usize = 1500;
/// Parts of a frame: packets of 10 ms, with a loss and a pause between.
const PARTS_MAX: usize = 12;
/// Samples that wait: a frame, and what is left of one of iLBC of 30 ms or of a payload that could not be cut.
const FIFO: usize = 960;
/// Frames of iLBC that are lost, since their start state is nowhere (RFC 3951 §3.8); of 20 ms as many as wait, or of 30 ms.
const LOST: &[u8] = &[0; FIFO / Mode::Ms20.samples() * Mode::Ms20.octets()];

/// Part of a frame.
#[derive(Debug, Clone, Copy)]
enum Part {
    Sound {
        decoded: Decoded,
        codec: Codec,
        splice: bool,
    },
    MadeUp(u32),
    /// Made up by the decoder itself.
    Conceals(Decoded),
    Quiet(u32),
    /// From here on silence is this noise; takes no time.
    Noise(Sid),
}

/// The state.
#[derive(Debug)]
pub struct Clocked {
    /// Packets that wait.
    pub jitter: JitterBuffer,
    /// Group in which it ticks.
    pub group: u32,
    /// What came in this tick.
    pub heard: Frame,
    /// The same at the rate at which it hears, with its gain.
    pub voice: Frame,
    /// What goes out this tick.
    pub said: Frame,
    /// Whether `voice` is loud enough to be mixed.
    pub speaks: bool,
    /// Whether it speaks, as people mean it.
    pub activity: Activity,
    /// Of its voice in a mix.
    pub gain: Gain,
    /// Of what it hears: rises when it joins.
    pub hearing: Gain,
    /// From what it hears to what it says, for an echo.
    pub echo_rate: RateState,
    /// What plays in place of the rest.
    pub player: Option<Box<dyn Play>>,
    /// It is over, and waits to be taken out.
    pub player_ended: bool,
    /// It has events to be fetched.
    pub player_news: bool,
    /// The driver was told that there is news.
    pub news_queued: bool,
    /// Rate converter of the player.
    pub player_rate: RateState,
    /// What records it, with the converters of both directions.
    pub recorders: std::vec::Vec<Recording>,
    /// Listens for digits in what is heard.
    pub listener: Option<Box<Listener>>,
    /// Its own stream: number and timestamp of the next packet, and whether it begins a talkspurt.
    pub sequence: u64,
    /// See `sequence`.
    pub timestamp: u32,
    /// See `sequence`.
    pub marker: bool,
    /// Samples that wait to become a packet that is not 20 ms long.
    pub waiting: Option<Box<Waiting>>,
    /// Whose sound its stream goes on with, and for how many ticks it waits for that.
    pub follows: Option<(ChannelKey, u8)>,
    /// It waits for that in this tick.
    pub waits: bool,
    /// From the codec that came to the rate at which it hears, where they differ.
    to_mix: RateState,
    parts: Vec<Part, PARTS_MAX>,
    fifo: [i16; FIFO],
    filled: usize,
    rate: Rate,
    conceal: Conceal,
    /// Codec of what was handed to a decoder last, to be played.
    codec: Option<Codec>,
    /// The decoder of G.722 before it followed what was made up.
    before: Option<g722::Decoder>,
    comfort: Comfort,
    noisy: bool,
    /// Something came.
    came: bool,
    /// Its voice rises: not before a frame that is whole, since what comes first may begin within one, at any height.
    rises: bool,
}

/// A recorder and what it needs.
#[derive(Debug)]
pub struct Recording {
    /// The recorder.
    pub recorder: Box<dyn Record>,
    /// Converter of what is heard.
    pub heard: RateState,
    /// Converter of what is said.
    pub said: RateState,
    /// It is over, and waits to be taken out.
    pub ended: bool,
}

/// Digits in the sound.
#[derive(Debug, Clone, Default)]
pub struct Listener {
    detector: Detector,
    rate: RateState,
    /// Pressed and let go in this tick: a block of the detector is 12.75 ms, so at most four changes.
    pub heard: Vec<Heard, 4>,
}

impl Listener {
    /// Listens to a frame.
    fn listen(&mut self, kernels: &Kernels, frame: &Frame) {
        let mut narrow = [0; Rate::Narrow.samples()];
        self.rate.convert(kernels, frame.samples(), &mut narrow);
        self.heard.clear();
        let heard = &mut self.heard;
        kernels.dtmf.listen(&mut self.detector, &narrow, |event| {
            let change = match event {
                Event::Start(digit) => Heard::Start(digit.event()),
                Event::End { digit, samples } => Heard::End { event: digit.event(), duration_ms: samples / 8 },
            };
            // There is room: two blocks, two changes each.
            let _ = heard.push(change);
        });
    }
}

impl Clocked {
    /// A channel that has heard nothing, ticking in `group`. `seed` makes its noise differ from others'.
    pub fn new(group: u32, bounds: Bounds, seed: u32) -> Box<Self> {
        Box::new(Self {
            jitter: JitterBuffer::new(bounds),
            group,
            heard: Frame::new(Rate::Narrow),
            voice: Frame::new(Rate::Narrow),
            said: Frame::new(Rate::Narrow),
            speaks: false,
            activity: Activity::default(),
            gain: Gain::rising_to(1.0),
            hearing: Gain::rising_to(1.0),
            echo_rate: RateState::Idle,
            player: None,
            player_ended: false,
            player_news: false,
            news_queued: false,
            player_rate: RateState::Idle,
            recorders: std::vec::Vec::new(),
            listener: None,
            sequence: 1 << 16,
            timestamp: 0,
            marker: true,
            waiting: None,
            follows: None,
            waits: false,
            to_mix: RateState::Idle,
            parts: Vec::new(),
            fifo: [0; FIFO],
            filled: 0,
            rate: Rate::Narrow,
            conceal: Conceal::new(),
            codec: None,
            before: None,
            comfort: Comfort::new(seed),
            noisy: false,
            came: false,
            rises: false,
        })
    }

    /// First half of a tick: decides what is heard, and hands the payloads of it to the decoders.
    pub fn plan(&mut self, key: ChannelKey, coders: &mut Coders, decoders: &mut Decoders, missed: u32, now_ms: u64) {
        self.parts.clear();
        let frame = self.jitter.clock_hz() / 50;
        self.jitter.skip(missed.saturating_mul(frame));
        self.jitter.begin(frame);
        self.gather(key, coders, decoders, frame.saturating_sub(self.ticks(self.filled)), now_ms);
    }

    /// As [`Clocked::plan`], for all that waits, as far as there is room, and no more: the channel goes back to its packets.
    pub fn plan_rest(&mut self, key: ChannelKey, coders: &mut Coders, decoders: &mut Decoders, now_ms: u64) {
        self.parts.clear();
        let room = self.ticks((FIFO - FRAME_MAX).saturating_sub(self.filled));
        let waits = self.jitter.hurry();
        self.gather(key, coders, decoders, waits.min(room), now_ms);
    }

    /// Hands payloads of so many ticks to the decoders.
    fn gather(&mut self, key: ChannelKey, coders: &mut Coders, decoders: &mut Decoders, mut need: u32, now_ms: u64) {
        let mut octets = [0; PAYLOAD_MAX];
        for _ in 0..2 * PARTS_MAX + PACKETS_MAX {
            if need == 0 || self.parts.is_full() {
                break;
            }
            let (part, ticks) = match self.jitter.next(need, now_ms, &mut octets) {
                Next::LeftOut { codec, octets: len } => {
                    self.came(coders);
                    // What comes next follows from it, for a decoder that remembers.
                    octets.get(..len).and_then(|payload| decoders.push(key, coders, codec, payload));
                    continue;
                }
                Next::Sound { codec, octets: len, ticks, splice } => {
                    self.came(coders);
                    self.codec = Some(codec);
                    let decoded = octets.get(..len).and_then(|payload| decoders.push(key, coders, codec, payload));
                    (decoded.map_or(Part::MadeUp(ticks.min(need)), |decoded| Part::Sound { decoded, codec, splice }), ticks)
                }
                Next::Lost(ticks) | Next::Dry(ticks) => (self.lose(key, coders, decoders, ticks), ticks),
                Next::Quiet(ticks) => (Part::Quiet(ticks), ticks),
                Next::Noise(len) => {
                    let Some(sid) = octets.get(..len).and_then(Sid::parse) else { continue };
                    (Part::Noise(sid), 0)
                }
            };
            need = need.saturating_sub(ticks);
            // Not full, checked above.
            let _ = self.parts.push(part);
        }
    }

    /// Sound comes after what was made up: if that was not lost after all, its decoder goes back to where it was.
    fn came(&mut self, coders: &mut Coders) {
        let before = self.before.take();
        if let Some(before) = before.filter(|_| self.jitter.came_after_all()) {
            coders.set_g722_decoder(&before);
        }
    }

    /// How lost time is made up.
    fn lose(&mut self, key: ChannelKey, coders: &mut Coders, decoders: &mut Decoders, ticks: u32) -> Part {
        match self.codec {
            Some(codec @ Codec::Ilbc(mode)) if (ticks as usize).is_multiple_of(mode.samples()) => {
                let lost = LOST.get(..ticks as usize / mode.samples() * mode.octets());
                let decoded = lost.and_then(|lost| decoders.push(key, coders, codec, lost));
                decoded.map_or(Part::MadeUp(ticks), Part::Conceals)
            }
            Some(Codec::G722) => {
                self.before.get_or_insert(*coders.g722());
                Part::MadeUp(ticks)
            }
            _ => Part::MadeUp(ticks),
        }
    }

    /// Second half: the frame that is heard, once the decoders have run.
    pub fn assemble(&mut self, key: ChannelKey, coders: &Coders, kernels: &Kernels, decoders: &Decoders, follow: &mut Follow) {
        self.fill(key, coders, decoders, follow);
        let len = self.rate.samples();
        if self.filled < len {
            self.rest(len - self.filled);
        }
        self.hear(len);
        if let Some(listener) = &mut self.listener {
            listener.listen(kernels, &self.heard);
        }
    }

    /// As [`Clocked::assemble`] after [`Clocked::plan_rest`]; what is heard of it is taken by [`Clocked::hear_rest`].
    pub fn assemble_rest(&mut self, key: ChannelKey, coders: &Coders, decoders: &Decoders, follow: &mut Follow) {
        self.fill(key, coders, decoders, follow);
        self.parts.clear();
    }

    /// The next samples at the front of what is heard, up to a frame; 0 when there are no more.
    pub fn hear_rest(&mut self) -> usize {
        let len = self.rate.samples().min(self.filled);
        self.hear(len);
        len
    }

    /// Fills up a frame of which so many samples are heard.
    pub fn pad(&mut self, samples: usize) {
        if let Some(rest) = self.heard.samples_mut().get_mut(samples..).filter(|rest| !rest.is_empty()) {
            self.conceal.go_on(rest);
        }
    }

    /// Nothing of it waits any more.
    pub fn is_empty(&mut self) -> bool {
        self.filled == 0 && self.jitter.hurry() == 0
    }

    /// Goes on from packets that did not wait here: at full level, and from the beginning of a tick.
    pub fn go_on(&mut self) {
        (self.gain, self.rises) = (Gain::steady(1.0), true);
        self.jitter.await_joint();
    }

    /// Takes samples from the queue to what is heard.
    fn hear(&mut self, len: usize) {
        self.heard.set_rate(self.rate);
        if let (Some(frame), Some(heard)) = (self.fifo.get(..len), self.heard.samples_mut().get_mut(..len)) {
            heard.copy_from_slice(frame);
        }
        self.fifo.copy_within(len..self.filled.max(len), 0);
        self.filled = self.filled.saturating_sub(len);
    }

    /// Puts what was planned into the queue.
    fn fill(&mut self, key: ChannelKey, coders: &Coders, decoders: &Decoders, follow: &mut Follow) {
        let last = self.parts.len().saturating_sub(1);
        for index in 0..self.parts.len() {
            let Some(part) = self.parts.get(index).copied() else { break };
            match part {
                Part::Sound { decoded, codec, splice } => self.put(decoders.samples(decoded), codec, splice),
                Part::MadeUp(ticks) => {
                    // What was decoded in this slot came before what the decoder follows, so only the last part can be that.
                    let shadow = (index == last && self.codec == Some(Codec::G722)).then(|| self.conceal.heard_wide()).flatten();
                    let shadow = shadow.map(|heard| coders.g722().shadow(heard));
                    let made = self.make_up(self.samples(ticks));
                    if let Some(shadow) = shadow {
                        follow.push(key, &shadow, made);
                    }
                }
                Part::Conceals(decoded) => self.put_made(decoders.samples(decoded)),
                Part::Quiet(ticks) => self.rest(self.samples(ticks)),
                Part::Noise(sid) => {
                    self.comfort.describe(&sid);
                    self.noisy = true;
                }
            }
        }
    }

    /// Nothing but the mix goes into what it hears, and nobody else wants to know.
    pub fn is_plain(&self) -> bool {
        self.player.is_none() && self.recorders.is_empty() && self.waiting.is_none() && self.follows.is_none() && self.hearing.is_still()
    }

    /// Makes the voice from what is heard.
    pub fn speak(&mut self, kernels: &Kernels, rate: Rate) {
        self.voice.set_rate(rate);
        if self.jitter.joint() == Joint::Awaited {
            self.voice.samples_mut().fill(0);
            self.speaks = false;
            return;
        }
        self.to_mix.convert(kernels, self.heard.samples(), self.voice.samples_mut());
        if self.rises {
            self.gain.apply(self.voice.samples_mut());
        } else {
            self.voice.samples_mut().fill(0);
            self.rises = self.came;
        }
        let energy = kernels.meter.energy(self.voice.samples());
        self.speaks = energy.squares > SILENCE * energy.samples;
        self.activity.take(energy.squares / energy.samples.max(1));
    }

    /// What its voice would go on with if it left now, faded out: for those who stay.
    pub fn farewell(&mut self, kernels: &Kernels) -> Frame {
        self.heard.set_rate(self.rate);
        self.conceal.go_on(self.heard.samples_mut());
        self.gain.set(0.0);
        self.speak(kernels, self.voice.rate());
        self.voice.clone()
    }

    fn put(&mut self, samples: &[i16], codec: Codec, splice: bool) {
        let rate = if codec.rate_hz() == Some(Rate::Wide.hz()) { Rate::Wide } else { Rate::Narrow };
        if rate != self.rate {
            // Another codec: less than 20 ms of the old one wait, and are let go.
            (self.rate, self.filled) = (rate, 0);
            self.conceal.set_rate(rate);
        }
        (self.noisy, self.came) = (false, true);
        let room = FIFO - self.filled;
        let samples = samples.get(..room.min(samples.len())).unwrap_or_default();
        let Some(to) = self.fifo.get_mut(self.filled..self.filled + samples.len()) else { return };
        to.copy_from_slice(samples);
        self.conceal.received(to, splice);
        self.filled += samples.len();
    }

    /// Samples that a decoder made up.
    fn put_made(&mut self, samples: &[i16]) {
        let samples = samples.get(..(FIFO - self.filled).min(samples.len())).unwrap_or_default();
        let Some(to) = self.fifo.get_mut(self.filled..self.filled + samples.len()) else { return };
        to.copy_from_slice(samples);
        self.conceal.decoded(to);
        self.filled += samples.len();
    }

    fn make_up(&mut self, samples: usize) -> &[i16] {
        let Some(to) = self.fifo.get_mut(self.filled..(self.filled + samples).min(FIFO)) else { return &[] };
        self.conceal.lost(to);
        self.filled += to.len();
        to
    }

    /// Frames that were made up.
    pub const fn concealed(&self) -> u64 {
        self.conceal.frames
    }

    fn rest(&mut self, samples: usize) {
        let Some(to) = self.fifo.get_mut(self.filled..(self.filled + samples).min(FIFO)) else { return };
        if self.noisy {
            self.comfort.fill(to);
        } else {
            to.fill(0);
        }
        self.conceal.received(to, false);
        self.filled += to.len();
    }

    /// Samples of so many ticks at the rate of the stream.
    fn samples(&self, ticks: u32) -> usize {
        (u64::from(ticks) * u64::from(self.rate.hz()) / u64::from(self.jitter.clock_hz().max(1))) as usize
    }

    fn ticks(&self, samples: usize) -> u32 {
        (samples as u64 * u64::from(self.jitter.clock_hz()) / u64::from(self.rate.hz())) as u32
    }
}

/// Mean square of what is not heard: -66 dBov, above the idle noise of G.711.
const SILENCE: u64 = 16 * 16;
