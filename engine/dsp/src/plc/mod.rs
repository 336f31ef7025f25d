//! Concealment of lost frames: the last pitch periods go on, less and less, and meet what comes next smoothly.
//!   received frame ─► kept (after a loss its start is blended in place) ─► heard
//!   lost frame     ─► made from what was heard
//! Shape:  frames of any length, at 8 kHz (`Narrow`: G.711, L16) or 16 kHz (`Wide`: G.722, L16). One concealer per received stream.
//! Delay:  none. Appendix I of G.711 holds back 3.75 ms to smooth the start of a loss; here the step is faded out after it instead.
//! Rules:  10 ms of the last period at full level, then two and three periods in turn, 20 % quieter every 10 ms, silent after 60 ms;
//!         what is repeated is never louder than the last 20 ms by more than 0.5 dB, so that a word that ended does not come back.
//! Cost:   a received frame is one copy of it and one of the history (0.8 or 1.6 KiB); the search for the pitch runs once per loss.
//! Errors: none. Without anything heard before, a lost frame is silence.
//! Source: ITU-T G.711 appendix I for the pitch range, the periods, the attenuation and the blending after the loss.

mod pitch;
#[cfg(test)]
mod tests;

/// Concealer at 8 kHz.
pub type Narrow = Concealer<1, 390>;
/// Concealer at 16 kHz.
pub type Wide = Concealer<2, 780>;

/// Samples of 10 ms at 8 kHz.
const TEN_MS: usize = 80;
/// Longest pitch period at 8 kHz: 66 Hz.
const PITCH_MAX: usize = 120;
/// Shortest pitch period at 8 kHz: 200 Hz.
const PITCH_MIN: usize = 40;
/// Length of a loss, in steps of 10 ms, after which there is silence.
const SILENT: usize = 6;
/// How much more power than the last 20 ms a repeated stretch may have: 0.5 dB.
const LOUDER: f32 = 1.12;
/// Samples by which the blend after a loss grows with every 10 ms of it, at 8 kHz.
const BLEND_STEP: usize = 32;

/// What one stream needs to conceal its losses. `K` is the sample rate by 8 kHz; `LENGTH` = 3.25 of the longest period = `K` x 390 samples.
#[derive(Debug, Clone)]
pub struct Concealer<const K: usize, const LENGTH: usize> {
    /// What was heard last, oldest first.
    history: [i16; LENGTH],
    /// The same at the start of the loss.
    before: [i16; LENGTH],
    loss: Option<Loss>,
}

/// A loss that goes on.
#[derive(Debug, Clone, Copy)]
struct Loss {
    pitch: usize,
    /// Samples made so far.
    made: usize,
    /// Length of the stretch that is repeated, and of the one after it; whole periods.
    stretch: usize,
    next: usize,
    /// Their levels.
    gain: f32,
    next_gain: f32,
    /// Place in the stretch.
    at: usize,
    /// Difference between the last sample heard and the one before the stretch, to be faded out.
    step: f32,
}

impl<const K: usize, const LENGTH: usize> Concealer<K, LENGTH> {
    /// A concealer that has heard nothing.
    pub const fn new() -> Self {
        const { assert!(LENGTH == K * (PITCH_MAX * 3 + PITCH_MAX / 4)) };
        Self { history: [0; LENGTH], before: [0; LENGTH], loss: None }
    }

    /// Takes a frame that came. After a loss its start is blended with what was made up, in place: at most 10 ms of it.
    pub fn received(&mut self, frame: &mut [i16]) {
        if let Some(mut loss) = self.loss.take() {
            let steps = loss.made.div_ceil(K * TEN_MS).clamp(1, SILENT);
            let blend = (loss.pitch / 4 + K * BLEND_STEP * (steps - 1)).min(K * TEN_MS);
            for (i, sample) in frame.iter_mut().enumerate().take(blend) {
                let weight = (i + 1) as f32 / (blend + 1) as f32;
                let made = self.make(&mut loss);
                *sample = round(made + (f32::from(*sample) - made) * weight);
            }
            // A frame shorter than the blend leaves a little step; the rest of the blend is not worth keeping the loss for.
        }
        self.keep(frame);
    }

    /// Fills a frame that did not come.
    pub fn lost(&mut self, frame: &mut [i16]) {
        let mut loss = self.loss.unwrap_or_else(|| self.begin());
        for sample in frame.iter_mut() {
            *sample = round(self.make(&mut loss));
        }
        self.loss = Some(loss);
        self.keep(frame);
    }

    /// Whether the last frame was lost.
    pub const fn is_concealing(&self) -> bool {
        self.loss.is_some()
    }

    /// What was heard last, oldest first.
    pub const fn heard(&self) -> &[i16; LENGTH] {
        &self.history
    }

    fn begin(&mut self) -> Loss {
        self.before = self.history;
        let pitch = pitch::find::<K>(&self.before);
        let last = f32::from(self.before[LENGTH - 1]);
        let gain = self.gain(pitch);
        let step = last - f32::from(self.before[LENGTH - 1 - pitch]) * gain;
        Loss { pitch, made: 0, stretch: pitch, next: pitch, gain, next_gain: gain, at: 0, step }
    }

    /// Level at which the last `stretch` samples may be repeated.
    fn gain(&self, stretch: usize) -> f32 {
        let mean = |samples: usize| {
            let part = &self.before[LENGTH - samples..];
            part.iter().map(|x| f32::from(*x).powi(2)).sum::<f32>() / samples as f32
        };
        let (now, then) = (mean(2 * K * TEN_MS), mean(stretch));
        if then > now * LOUDER { (now * LOUDER / then).sqrt() } else { 1.0 }
    }

    /// The next sample of a loss.
    fn make(&self, loss: &mut Loss) -> f32 {
        let ten_ms = K * TEN_MS;
        let steps = loss.made / ten_ms;
        if steps >= SILENT {
            return 0.0;
        }
        let quarter = loss.pitch / 4;
        let rest = loss.stretch - loss.at;
        if rest == quarter {
            loss.next = loss.pitch * (1 + steps.min(2));
            loss.next_gain = self.gain(loss.next);
        }
        let mut value = f32::from(self.before[LENGTH - rest]) * loss.gain;
        if rest <= quarter {
            // The end of the stretch turns into what came before the start of the next one.
            let weight = (quarter - rest + 1) as f32 / (quarter + 1) as f32;
            let ahead = f32::from(self.before[LENGTH - loss.next - rest]) * loss.next_gain;
            value += (ahead - value) * weight;
        }
        if loss.made < quarter {
            value += loss.step * (quarter - loss.made) as f32 / (quarter + 1) as f32;
        }
        let over = loss.made.saturating_sub(ten_ms) as f32 / ten_ms as f32;
        loss.made += 1;
        loss.at += 1;
        if loss.at == loss.stretch {
            (loss.at, loss.stretch, loss.gain) = (0, loss.next, loss.next_gain);
        }
        value * (1.0 - 0.2 * over)
    }

    fn keep(&mut self, frame: &[i16]) {
        let new = &frame[frame.len().saturating_sub(LENGTH)..];
        self.history.copy_within(new.len().., 0);
        self.history[LENGTH - new.len()..].copy_from_slice(new);
    }
}

impl<const K: usize, const LENGTH: usize> Default for Concealer<K, LENGTH> {
    fn default() -> Self {
        Self::new()
    }
}

fn round(value: f32) -> i16 {
    value.round_ties_even() as i16 // saturates
}
