//! A decoder that follows the concealment comes back nearer to the sender's than one that waits: half a decibel on average.

use super::*;
use crate::plc::Wide;

/// What the decoder does in a loss.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Meanwhile {
    Waits,
    Follows,
}

/// Error energy over the 200 ms after a loss at every frame, against the stream without loss.
fn error_after(meanwhile: Meanwhile, lost_frames: usize) -> Vec<f64> {
    let (codes, clean) = (octets("g722/wb_speech.g722"), samples("g722/wb_speech.dec64.s16"));
    let g722 = G722::new(Level::best());
    let mut scratch = Scratch::new();
    let mut run = |decoder: &mut Decoder, codes: &[u8]| {
        let mut batch = Batch::new(1, 160);
        let ticket = batch.push(decoder, codes).unwrap();
        g722.decode(&mut batch, &mut scratch);
        *decoder = *batch.state(ticket).unwrap();
        batch.output(ticket).to_vec()
    };
    let mut errors = vec![];
    let (mut before, mut plc_before) = (Decoder::default(), Wide::new());
    for (start, frame) in codes.chunks(160).take(700).enumerate() {
        let (mut decoder, mut plc) = (before, plc_before.clone());
        plc_before.received(&mut run(&mut before, frame));
        if start < 30 {
            continue;
        }
        for _ in 0..lost_frames {
            let mut shadow = decoder.shadow(plc.heard());
            let mut made = [0; 320];
            plc.lost(&mut made);
            if meanwhile == Meanwhile::Follows {
                let mut octets = [0; 160];
                scalar::encode(&mut shadow.column, &made, &mut octets);
                run(&mut decoder, &octets);
            }
        }
        let from = start + lost_frames;
        let mut error = 1.0;
        for (n, frame) in codes[from * 160..].chunks(160).take(10).enumerate() {
            let out = run(&mut decoder, frame);
            for (a, b) in out.iter().zip(&clean[(from + n) * 320..]) {
                error += f64::from(a - b).powi(2);
            }
        }
        errors.push(error);
    }
    errors
}

#[test]
fn following_the_concealment_leaves_less_error_after_a_loss() {
    for lost in [1, 2, 3] {
        let (waits, follows) = (error_after(Meanwhile::Waits, lost), error_after(Meanwhile::Follows, lost));
        let better = 10.0 * (waits.iter().sum::<f64>() / follows.iter().sum::<f64>()).log10();
        println!("{lost} lost: {better:.2} dB better");
        assert!(better > 0.2, "{lost} lost: {better:.2} dB");
    }
}

#[test]
fn a_shadow_leaves_the_decoder_where_it_is_itself() {
    let pcm = samples("g722/wb_speech.s16");
    let mut decoder = Decoder::default();
    let mut heard = vec![0; 20_000];
    scalar::decode(&mut decoder.column, Mode::Kbit64, &octets("g722/wb_speech.g722")[..10_000], &mut heard);
    let mut shadow = decoder.shadow(&heard);
    let mut octets = [0; 160];
    scalar::encode(&mut shadow.column, &pcm[50_000..50_320], &mut octets);
    scalar::decode(&mut decoder.column, Mode::Kbit64, &octets, &mut heard[..320]);
    assert_eq!(decoder.column.0[..column::BANK], shadow.column.0[..column::BANK]);
}
