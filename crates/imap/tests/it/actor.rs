//! How questions stand in a transcript: as Rust prints them, octets as text.

use congvu_imap::ask::{Answer, Ask};
use congvu_imap::server::Server;
use congvu_wire::transcript::{Actor, escape};

use crate::responses;

/// Writes questions, reads answers (see [`responses`]).
pub(crate) struct ImapActor;

impl Actor<Server> for ImapActor {
    fn ask(&mut self, ask: &Ask) -> String {
        match ask {
            Ask::AppendData(octets) if octets.len() > 200 => {
                format!("AppendData of {} octets", octets.len())
            }
            Ask::AppendData(octets) => format!("AppendData {}", escape(octets)),
            other => format!("{other:?}"),
        }
    }

    fn answer(&mut self, text: &str) -> Result<Answer, String> {
        responses::answer(text)
    }
}
