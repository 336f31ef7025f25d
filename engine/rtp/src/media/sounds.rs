//! What control asks of players and recorders.
//!
//! ```text
//!   Play ─▶ Player (after the old one) ─▶ channel           StopPlay, mix, echo, close ─▶ its end, with the reason
//!   Record ─▶ Recorder ─▶ channel                           StopRecord, finish, close ──▶ its end, with the reason
//! ```
//! Shape:  one player and at most [`RECORDERS_MAX`] recorders per channel; what ends by itself is taken out by the tick.
//! Rule:   joining a mix or echoing ends what is played; a member of a mix that is played to hears that alone until its end.
//! Errors: [`CommandError`]; a refused command changes nothing, and a soup that cannot be played is told by an event as well.

use std::sync::Arc;
use std::time::Instant;

use super::Media;
use crate::api::{self, ChannelId, CommandError, EventAction, PlayEvent, PlayReason, RecordEnd, Reply};
use crate::clock::{Play, Rate, Record};
use crate::play::Player;
use crate::record::Recorder;
use crate::soup::Soup;

/// Recordings of one channel at a time.
pub const RECORDERS_MAX: usize = 4;

impl Media {
    /// Plays a soup that is loaded.
    pub(super) fn play_soup(&mut self, id: ChannelId, soup: Soup, now: Instant) -> Result<Reply, CommandError> {
        let slot = self.touch(id, now)?;
        if let Some(detail) = soup.failure {
            self.tell(slot, EventAction::Play(PlayEvent::Error { detail: detail.clone() }));
            return Err(CommandError::Bad(detail));
        }
        let wide = soup.entries.iter().any(|entry| entry.sound.as_ref().is_some_and(|sound| sound.rate_hz() == Rate::Wide.hz()));
        let rate = if wide { Rate::Wide } else { Rate::Narrow };
        let channel = self.table.get_mut(slot).ok_or(CommandError::NotFound(id))?;
        let plays = channel.identity.plays.saturating_add(1);
        let play = u64::from(plays);
        let old = channel.clock.as_ref().filter(|clock| !clock.player_ended).and_then(|clock| clock.player.as_deref());
        let player = Player::new(soup, play, rate, old).map_err(|error| CommandError::Impossible(error.to_string()))?;
        let old = self.play(id, Box::new(player), now)?;
        if let Some(channel) = self.table.get_mut(slot) {
            channel.identity.plays = plays;
        }
        self.farewell(slot, old, PlayReason::Replaced);
        Ok(Reply::Playing { play })
    }

    /// Ends what a channel plays, if it plays.
    pub(super) fn end_play(&mut self, id: ChannelId, reason: PlayReason, now: Instant) -> Result<(), CommandError> {
        let slot = self.touch(id, now)?;
        let player = self.stop_play(id, now)?;
        self.farewell(slot, player, reason);
        Ok(())
    }

    /// Lets a player that was taken out tell what it has to.
    fn farewell(&mut self, slot: u32, player: Option<Box<dyn Play>>, reason: PlayReason) {
        let Some(mut player) = player else { return };
        player.end(reason);
        while let Some(action) = player.event() {
            self.tell(slot, action);
        }
    }

    /// Begins a recording, or tells one that runs.
    pub(super) fn record_file(&mut self, id: ChannelId, record: &mut api::Record, now: Instant) -> Result<(), CommandError> {
        let slot = self.touch(id, now)?;
        let channel = self.table.get_mut(slot).ok_or(CommandError::NotFound(id))?;
        let mut running = channel.clock.as_mut().map(|clock| clock.recorders.as_mut_slice()).unwrap_or_default().iter_mut();
        let count = running.len();
        match running.find(|recording| !recording.ended && *recording.recorder.file() == record.file) {
            Some(_) if record.finish => self.end_record(id, Some(&record.file), now),
            Some(recording) => {
                let pause = record.pause.ok_or(CommandError::WrongState("the file is being recorded to already"))?;
                recording.recorder.pause(pause);
                Ok(())
            }
            None if record.finish => Err(NO_RECORDING),
            None if count >= RECORDERS_MAX => Err(CommandError::Full { what: "recordings of the channel", max: RECORDERS_MAX }),
            None => {
                // Before there is a recorder, whose end would make a file.
                self.can_be_clocked(id)?;
                let sink = record.sink.take().ok_or(NO_RECORDING)?;
                self.record(id, Box::new(Recorder::new(record, sink)), now)
            }
        }
    }

    /// Ends the recordings of a channel, or the one of a file.
    pub(super) fn end_record(&mut self, id: ChannelId, file: Option<&Arc<str>>, now: Instant) -> Result<(), CommandError> {
        let slot = self.touch(id, now)?;
        let out = self.stop_record(id, |recorder| file.is_none_or(|file| recorder.file() == file), now)?;
        if out.is_empty() && file.is_some() {
            return Err(NO_RECORDING);
        }
        for recorder in out {
            self.finish(slot, recorder, RecordEnd::Requested);
        }
        Ok(())
    }

    fn finish(&mut self, slot: u32, mut recorder: Box<dyn Record>, reason: RecordEnd) {
        recorder.end(reason);
        while let Some(action) = recorder.event() {
            self.tell(slot, action);
        }
    }

    /// Ends everything of a channel that is closed.
    pub(super) fn close_sounds(&mut self, slot: u32) {
        let Some(clock) = self.table.get_mut(slot).and_then(|channel| channel.clock.as_mut()) else { return };
        let (player, recorders) = (clock.player.take(), std::mem::take(&mut clock.recorders));
        self.farewell(slot, player, PlayReason::ChannelClosed);
        for recording in recorders {
            self.finish(slot, recording.recorder, RecordEnd::ChannelClosed);
        }
    }
}

const NO_RECORDING: CommandError = CommandError::WrongState("this file is not being recorded to by the channel");
