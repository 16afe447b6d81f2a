//! Clients that deliver: by SMTP as a person, by LMTP as a program in front. What was not answered is sent
//! again in the next round, as every mail server does.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use super::clerk::Queue;
use super::letter;
use super::load::Load;
use crate::server::{AN, BINH, PASSWORD};
use crate::smtp::Smtp;

/// Where deliveries go.
pub(super) const INBOX: &str = "INBOX";

/// Sends until the connection breaks; to [`BINH`], and now and then also to somebody elsewhere.
pub(super) fn submit(
    submissions: SocketAddr,
    load: &Load,
    queue: &Mutex<Queue>,
    mut again: Vec<u64>,
    seed: u64,
) -> io::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut smtp = Smtp::tls(submissions)?;
    smtp.command("EHLO load.test")?;
    let reply = smtp.login(AN, PASSWORD)?;
    if reply.code != 235 {
        refused(load, "AUTH", reply.code, &reply.text);
        return Ok(());
    }
    while !load.stopped() {
        let token = again.pop().unwrap_or_else(|| load.token());
        let elsewhere = random.u8(0..8) == 0;
        load.ledger(BINH, INBOX, |ledger| ledger.asked(token));
        if elsewhere {
            super::clerk::lock(queue).asked();
        }
        let to: &[&str] = if elsewhere {
            &[BINH, "ai@ngoai.test"]
        } else {
            &[BINH]
        };
        let text = format!("From: {AN}\r\n{}", letter::text(token));
        let reply = smtp.deliver(AN, to, &text)?;
        match reply.code {
            250 => {
                load.ledger(BINH, INBOX, |ledger| ledger.kept(token));
                load.count("SMTP");
                if elsewhere {
                    super::clerk::lock(queue).kept(&reply.text);
                    load.count("queued");
                }
            }
            0 => return Ok(()),
            code => {
                load.ledger(BINH, INBOX, |ledger| ledger.refused(token));
                if elsewhere {
                    super::clerk::lock(queue).refused();
                }
                refused(load, "SMTP", code, &reply.text);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Sends to [`AN`] by LMTP until the connection breaks.
pub(super) fn hand_over(lmtp: SocketAddr, load: &Load, mut again: Vec<u64>) -> io::Result<()> {
    let mut connection = Smtp::plain(lmtp)?;
    connection.command("LHLO load.test")?;
    while !load.stopped() {
        let token = again.pop().unwrap_or_else(|| load.token());
        load.ledger(AN, INBOX, |ledger| ledger.asked(token));
        let text = format!("From: {BINH}\r\n{}", letter::text(token));
        let reply = connection.deliver(BINH, &[AN], &text)?;
        match reply.code {
            250 => {
                load.ledger(AN, INBOX, |ledger| ledger.kept(token));
                load.count("LMTP");
            }
            0 => return Ok(()),
            code => {
                load.ledger(AN, INBOX, |ledger| ledger.refused(token));
                refused(load, "LMTP", code, &reply.text);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// 421 is how a server that ends says so.
fn refused(load: &Load, what: &str, code: u16, text: &str) {
    load.refused(what, &format!("{code} {text}"));
}
