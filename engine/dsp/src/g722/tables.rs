//! Numbers of G.722, from the recommendation's tables, in the forms that both the scalar code and the lanes use.
//! Shape:  levels and thresholds are the recommendation's values times eight, as its arithmetic takes them.
//! Errors: none.
//! Source: ITU-T G.722 tables 10 to 16 (quantisers), 18 (log scale factors), 11 (QMF); ITU-T G.191 for the antilog table.

/// Decision levels of the 60-level quantiser of the lower band: entry m separates magnitude m from m + 1.
pub(super) const Q6: [i16; 30] = times8([
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765,
    1980, 2195, 2557, 2919,
]);
/// Output levels of the 4-bit inverse quantiser by magnitude; the adaptation uses it at every bit rate.
pub(super) const OQ4: [i16; 8] = times8([0, 150, 323, 530, 786, 1121, 1612, 2557]);
const OQ5: [i16; 16] = times8([0, 35, 110, 190, 276, 370, 473, 587, 714, 858, 1023, 1219, 1458, 1765, 2195, 2919]);
const OQ6: [i16; 31] = times8([
    0, 17, 54, 91, 130, 170, 211, 254, 300, 347, 396, 447, 501, 558, 618, 682, 750, 822, 899, 982, 1072, 1170, 1279, 1399, 1535, 1689,
    1873, 2088, 2376, 2738, 3101,
]);
/// Decision level of the higher band.
pub(super) const Q2: i16 = 564 << 3;
/// Output levels of the higher band by magnitude 0 or 1.
pub(super) const OQ2: [i16; 2] = times8([202, 926]);
/// Steps of the log scale factor of the lower band by magnitude of the 4-bit code.
pub(super) const WL: [i16; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
/// Steps of the log scale factor of the higher band by magnitude 0 or 1.
pub(super) const WH: [i16; 2] = [-214, 798];
/// 2048 times 2 to the i-th 32nd part.
pub(super) const ANTILOG: [i16; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228,
    3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Every second tap of the symmetric 24-tap QMF, from the first.
pub(super) const QMF: [i16; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Upper limit of the log scale factor of the lower band.
pub(super) const NBL_MAX: i16 = 18432;
/// Upper limit of the log scale factor of the higher band.
pub(super) const NBH_MAX: i16 = 22528;
/// Step size of the lower band after a reset.
pub(super) const DETL_RESET: i16 = 32;
/// Step size of the higher band after a reset.
pub(super) const DETH_RESET: i16 = 8;

/// Output level of the lower band by six-bit code, at 64 kbit/s.
pub(super) const LEVEL64: [i16; 64] = by_code::<64, 0>();
/// The same at 56 kbit/s, where the lowest bit carries data.
pub(super) const LEVEL56: [i16; 64] = by_code::<64, 1>();
/// The same at 48 kbit/s, where two bits do.
pub(super) const LEVEL48: [i16; 64] = by_code::<64, 2>();
/// Output level of the 4-bit inverse quantiser by four-bit code.
pub(super) const LEVEL4: [i16; 16] = {
    let mut table = [0; 16];
    let mut code = 0;
    while code < 16 {
        table[code] = LEVEL48[4 * code];
        code += 1;
    }
    table
};
/// Step of the log scale factor of the lower band by four-bit code.
pub(super) const STEP4: [i16; 16] = {
    let mut table = [0; 16];
    let mut code = 0;
    while code < 16 {
        table[code] = WL[magnitude4(code)];
        code += 1;
    }
    table
};
/// Output level of the higher band by two-bit code.
pub(super) const LEVEL2: [i16; 4] = [-OQ2[1], -OQ2[0], OQ2[1], OQ2[0]];
/// Step of the log scale factor of the higher band by two-bit code.
pub(super) const STEP2: [i16; 4] = [WH[1], WH[0], WH[1], WH[0]];

const fn times8<const N: usize>(values: [i16; N]) -> [i16; N] {
    let mut scaled = values;
    let mut i = 0;
    while i < N {
        scaled[i] *= 8;
        i += 1;
    }
    scaled
}

/// Magnitude of a four-bit code of the lower band (table 13). Codes 8 to 15 and 0 are positive or nothing.
const fn magnitude4(code: usize) -> usize {
    match code {
        0 => 0,
        1..8 => 8 - code,
        _ => 15 - code,
    }
}

/// Signed levels by six-bit code with `DROPPED` low bits ignored (tables 12 to 14).
const fn by_code<const N: usize, const DROPPED: usize>() -> [i16; N] {
    let mut table = [0; N];
    let mut code = 0;
    while code < N {
        let kept = code >> DROPPED;
        table[code] = match DROPPED {
            0 => match kept {
                0..4 => -OQ6[1],
                4..32 => -OQ6[34 - kept],
                32..62 => OQ6[62 - kept],
                _ => -OQ6[64 - kept],
            },
            1 => match kept {
                0 | 1 => -OQ5[1],
                2..16 => -OQ5[17 - kept],
                16..31 => OQ5[31 - kept],
                _ => -OQ5[1],
            },
            _ => match kept {
                0..8 => -OQ4[magnitude4(kept)],
                _ => OQ4[magnitude4(kept)],
            },
        };
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_code_are_symmetric_but_for_the_codes_that_no_coder_sends() {
        for code in 4..32 {
            assert_eq!(LEVEL64[code], -LEVEL64[code + 28], "{code}");
        }
        assert_eq!((LEVEL64[63], LEVEL64[62], LEVEL64[61], LEVEL64[60]), (-17 * 8, -54 * 8, 17 * 8, 54 * 8));
        assert_eq!((LEVEL64[0], LEVEL64[4], LEVEL64[31], LEVEL64[32]), (-17 * 8, -3101 * 8, -91 * 8, 3101 * 8));
        assert_eq!((LEVEL56[62], LEVEL56[60], LEVEL56[32], LEVEL56[4], LEVEL56[30]), (-35 * 8, 35 * 8, 2919 * 8, -2919 * 8, -110 * 8));
        assert_eq!((LEVEL4[0], LEVEL4[1], LEVEL4[7], LEVEL4[8], LEVEL4[15]), (0, -2557 * 8, -150 * 8, 2557 * 8, 0));
        assert_eq!((STEP4[0], STEP4[1], STEP4[8], STEP4[15]), (-60, 3042, 3042, -60));
    }
}
