//! Libraries of the field to measure against, as Debian and Ubuntu package them: spandsp, speexdsp, WebRTC. Programs: `perf::bench::peers`.
//! Shape:  one trait per codec; each function gives a peer, or `None` in a build without its feature.
//! Needs:  `libspandsp-dev` and `libspeexdsp-dev` for the feature `peers`; `libtgowt-dev`, which has WebRTC in it, too for `peers-ilbc`.
//! Errors: none; a peer that is there and refuses panics.

#[cfg(feature = "peers")]
mod c;
#[cfg(feature = "peers-ilbc")]
mod webrtc;

/// One law of G.711.
pub trait G711 {
    /// Octets to samples.
    fn decode(&mut self, codes: &[u8], samples: &mut [i16]);
    /// Samples to octets.
    fn encode(&mut self, samples: &[i16], codes: &mut [u8]);
    /// Octets of this law to the other.
    fn transcode(&mut self, from: &[u8], to: &mut [u8]);
}

/// G.722 at 64 kbit/s, both directions.
pub trait G722 {
    /// Two samples per octet.
    fn encode(&mut self, samples: &[i16], codes: &mut [u8]);
    /// Two samples per octet.
    fn decode(&mut self, codes: &[u8], samples: &mut [i16]);
}

/// iLBC of one frame size, both directions.
pub trait Ilbc {
    /// One frame.
    fn encode(&mut self, samples: &[i16], octets: &mut [u8]);
    /// One frame.
    fn decode(&mut self, octets: &[u8], samples: &mut [i16]);
}

/// A DTMF detector.
pub trait Dtmf {
    /// Listens to a frame; returns how many digits it found.
    fn listen(&mut self, samples: &[i16]) -> usize;
}

/// A resampler.
pub trait Resampler {
    /// A frame.
    fn process(&mut self, from: &[i16], to: &mut [i16]);
}

macro_rules! peers {
    ($($(#[$doc:meta])* $feature:literal $name:ident($($arg:ident: $type:ty),*) -> $trait:ident = $make:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name($($arg: $type),*) -> Option<Box<dyn $trait>> {
            #[cfg(feature = $feature)]
            return Some(Box::new($make));
            #[cfg(not(feature = $feature))]
            {
                $(let _ = $arg;)*
                None
            }
        }
    )*};
}

peers! {
    /// G.711 of spandsp.
    "peers" g711(alaw: bool) -> G711 = c::SpandspG711::new(alaw);
    /// G.722 of spandsp.
    "peers" g722() -> G722 = c::SpandspG722::new();
    /// DTMF of spandsp with its default limits.
    "peers" dtmf() -> Dtmf = c::SpandspDtmf::new();
    /// Speexdsp, quality 0 to 10.
    "peers" resampler(from_hz: u32, to_hz: u32, quality: i32) -> Resampler = c::Speex::new(from_hz, to_hz, quality);
    /// iLBC of WebRTC, in fixed point, by samples of a frame.
    "peers-ilbc" ilbc(samples: i16) -> Ilbc = webrtc::WebrtcIlbc::new(samples);
}
