//! Telephony codecs and signal processing in batches, one channel per SIMD lane.
