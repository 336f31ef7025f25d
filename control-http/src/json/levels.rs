//! Gain and mute of a channel in its mix, and who speaks there.
//!
//! ```text
//!   PUT gain {"in","out","group"} ──► LevelChange      PUT mute {"in","out"} ──► LevelChange      Levels, GroupView ──► JSON
//! ```
//! Shape:  `in` is what comes from the far end, `out` what it hears. What is not named stays; `PUT mute` that names nothing mutes
//!         both.
//! Units:  dB, -60 to 20.
//! Errors: [`JsonError::BadField`].
//! Source: `docs/openapi.yaml`, `/channel/{uuid}/gain` and `/mute`.

use rtp::api::{
    GAIN_DB_MAX, GAIN_DB_MIN, GroupView, LevelChange, Levels, SPEAKERS_INTERVAL_MS, SPEAKERS_INTERVAL_MS_MAX, SPEAKERS_INTERVAL_MS_MIN,
};

use super::text::Fields;
use super::{JsonError, Object};

/// Reads `PUT /channel/{uuid}/gain`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn gain(body: &Object<'_>) -> Result<LevelChange, JsonError> {
    Ok(LevelChange { in_db: db(body, "in")?, out_db: db(body, "out")?, group_db: db(body, "group")?, ..LevelChange::default() })
}

/// Reads `PUT /channel/{uuid}/mute`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn mute(body: &Object<'_>) -> Result<LevelChange, JsonError> {
    let (mute_in, mute_out) = (body.boolean("in")?, body.boolean("out")?);
    let both = mute_in.is_none() && mute_out.is_none();
    Ok(LevelChange { mute_in: mute_in.or(both.then_some(true)), mute_out: mute_out.or(both.then_some(true)), ..LevelChange::default() })
}

/// What `DELETE /channel/{uuid}/mute` asks.
pub const fn unmute() -> LevelChange {
    LevelChange { in_db: None, out_db: None, group_db: None, mute_in: Some(false), mute_out: Some(false) }
}

/// Reads `PUT /channel/{uuid}/speakers`: least time between two events, ms.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn speakers(body: &Object<'_>) -> Result<u32, JsonError> {
    let Some(value) = body.get("interval") else { return Ok(SPEAKERS_INTERVAL_MS) };
    let bounds = SPEAKERS_INTERVAL_MS_MIN..=SPEAKERS_INTERVAL_MS_MAX;
    let ms = value.as_u64().and_then(|ms| u32::try_from(ms).ok()).filter(|ms| bounds.contains(ms));
    ms.ok_or_else(|| {
        body.error("interval", format_args!("must be a number of ms from {SPEAKERS_INTERVAL_MS_MIN} to {SPEAKERS_INTERVAL_MS_MAX}"))
    })
}

/// Shows the levels of a channel, and its mix.
pub(super) fn append(out: &mut Fields<'_>, levels: &Levels, group: Option<&GroupView>) {
    let mut view = out.object("gain");
    view.value("in", &number(levels.in_db).into());
    view.value("out", &number(levels.out_db).into());
    view.close();
    let mut view = out.object("mute");
    view.boolean("in", levels.mute_in);
    view.boolean("out", levels.mute_out);
    view.close();
    let Some(group) = group else { return out.null("group") };
    let mut view = out.object("group");
    view.value("members", &group.members.into());
    view.value("gain", &number(group.gain_db).into());
    view.array("speakers", group.speakers.iter(), Fields::quoted);
    view.close();
}

fn db(body: &Object<'_>, key: &str) -> Result<Option<f32>, JsonError> {
    let Some(value) = body.get(key) else { return Ok(None) };
    let db = value.as_f64().map(|db| db as f32).filter(|db| (GAIN_DB_MIN..=GAIN_DB_MAX).contains(db));
    db.map(Some).ok_or_else(|| body.error(key, format_args!("must be a number of dB from {GAIN_DB_MIN} to {GAIN_DB_MAX}")))
}

/// A gain as it was written: 0.1 as `f32` is not 0.1 as `f64`.
fn number(db: f32) -> f64 {
    (f64::from(db) * 1000.0).round() / 1000.0
}
