//! Playing and recording on the front shard: files first, then the media shard.
//!
//! ```text
//!   play:    codec of the channel ─▶ Files::sound of each entry ─▶ Command::Play, loaded ─▶ media shard
//!   record:  codec of the channel ─▶ Files::record ─────────────▶ Command::Record, open ─▶ media shard
//! ```
//! Shape:  steps of [`RtpNode`]. A later request for the same channel overtakes one whose file takes long; the slow one is
//!         answered 409 and changes nothing.
//! Errors: 400 names the file and why; a channel with a control server is told so by an event too.

use std::rc::Rc;
use std::sync::Arc;

use rtp::api::{ChannelId, Command, CommandError, Record, Reply, Soup};
use rtp::clock::Rate;
use rtp::record::{Sink, header};
use rtp::soup;

use super::rtp::{Answer, RtpNode};
use crate::files::FileError;

/// What a channel is taken to send before its far end is known.
const CODEC_UNKNOWN: &str = "PCMU";

impl RtpNode {
    /// Loads what a soup names and has it played.
    pub(super) async fn play(&self, channel: ChannelId, mut soup: Soup) -> Answer {
        let turn = self.take_turn(channel);
        let codec = self.codec(channel).await?;
        let rate_hz = soup::rate_hz(codec);
        // The same part twice in a soup is looked up twice, and kept once.
        for entry in &mut soup.entries {
            let Some((key, name)) = entry.names.choose(codec) else { continue };
            match self.files().sound(key, name, rate_hz).await {
                Ok(sound) => entry.sound = Some(sound),
                Err(error) => return self.refuse(channel, soup, &error).await,
            }
        }
        if !self.has_turn(channel, turn) {
            return Err(OVERTAKEN);
        }
        self.ask_channel(channel, Command::Play { channel, soup }).await
    }

    /// Opens the file of a recording and has it recorded; a recording that runs is only told.
    pub(super) async fn record(&self, channel: ChannelId, mut record: Box<Record>) -> Answer {
        let Reply::Channel(view) = self.ask_channel(channel, Command::Get { channel }).await? else {
            return Err(CommandError::NotFound(channel));
        };
        if record.finish || view.records.contains(&record.file) {
            return self.ask_channel(channel, Command::Record { channel, record }).await;
        }
        let codec = view.codec.unwrap_or(CODEC_UNKNOWN);
        let rate = if soup::rate_hz(codec) == Rate::Wide.hz() { Rate::Wide } else { Rate::Narrow };
        let header = header(&record, codec, rate);
        let file = self.files().record(&record.file, header).await.map_err(|error| {
            tracing::info!(%channel, "a recording is refused: {error}");
            error.refusal()
        })?;
        record.sink = Some(Sink { file: Arc::clone(&file) as _, header, rate });
        let answer = self.ask_channel(channel, Command::Record { channel, record }).await;
        if answer.is_err() {
            file.abandon();
        }
        answer
    }

    /// The far end's codec, which decides which files suit.
    async fn codec(&self, channel: ChannelId) -> Result<&'static str, CommandError> {
        match self.ask_channel(channel, Command::Get { channel }).await? {
            Reply::Channel(view) => Ok(view.codec.unwrap_or(CODEC_UNKNOWN)),
            _ => Err(CommandError::NotFound(channel)),
        }
    }

    /// Refuses a soup; the channel tells its control server why.
    async fn refuse(&self, channel: ChannelId, mut soup: Soup, error: &FileError) -> Answer {
        tracing::info!(%channel, "a soup is refused: {error}");
        soup.failure = Some(error.to_string());
        // The machine answers 400 with the failure; what may pass is 503 all the same.
        let answer = self.ask_channel(channel, Command::Play { channel, soup }).await;
        Err(answer.err().filter(|refusal| matches!(refusal, CommandError::NotFound(_))).unwrap_or_else(|| error.refusal()))
    }

    fn files(&self) -> &Rc<crate::files::Files> {
        &self.files
    }
}

const OVERTAKEN: CommandError = CommandError::WrongState("another play or stop was asked for before the files were read");
