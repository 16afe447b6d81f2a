//! The first letter, sent as a mail program sends: over the submission port, with STARTTLS against
//! our certificate and a login, by the SMTP client machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use congvu_message::compose::Letter;
use congvu_net::connect::{ConnectError, Source, connect};
use congvu_net::tls::{Roots, Tls, TlsClient, TlsError};
use congvu_net::{Ending, Link, Service, Shutdown, drive};
use congvu_smtp::ask::{Mail, Rcpt};
use congvu_smtp::client::{
    Answer, Ask, Client, Config, Credentials, Outcome, Protocol, SessionError, TlsPolicy,
    Transaction, Waits,
};
use congvu_store::Timestamp;
use congvu_wire::Secret;

use super::people::People;
use super::ports::Ports;

/// Why it was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum LetterError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("the server refused the session: {0:?}")]
    Session(SessionError),
    #[error("the server did not take it: {0:?}")]
    Refused(Option<Outcome>),
    #[error("{0}")]
    Connection(Ending),
}

/// Sends it; returns its subject.
pub(super) async fn send(
    people: &People,
    ports: &Ports,
    roots: &Path,
) -> Result<String, LetterError> {
    let (from, to) = (people.sending_post(), &people.receiver().address);
    let seconds = Timestamp::now().0 / 1_000;
    // Told apart from those of earlier starts in a kept folder.
    let subject = format!(
        "Công văn số {}: Chào mừng đến với Congvu",
        seconds % 100_000
    );
    let text = format!(
        "Kính gửi: {}\n\n\
         Hệ thống thư điện tử công vụ đã sẵn sàng. Thư này được gửi qua cổng submission\n\
         (STARTTLS, có đăng nhập), lưu bền vững trên đĩa rồi mới được xác nhận.\n\n\
         Trân trọng,\nVăn thư {}\n",
        People::receiving_agency(),
        People::sending_agency(),
    );
    let octets = Letter {
        from: (People::sending_agency(), from),
        to: vec![(People::receiving_agency(), to.as_str())],
        subject: &subject,
        text: &text,
        html: None,
        automatic: false,
        host: "localhost",
        seconds,
        zone: 7 * 60,
    }
    .build();

    let client = TlsClient::new(Some(&Roots::load(roots)?))?;
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports.submission);
    let (stream, _) = connect(&[address], Source::default()).await?;
    let tls = Some(Tls::Client(client.verified("localhost")?));
    let mut machine = Client::new(Config {
        protocol: Protocol::Smtp,
        hello: "localhost".to_owned(),
        tls: TlsPolicy::Verified,
        credentials: Some(Credentials {
            name: people.sender().address.clone(),
            password: Secret::new(people.sender().password.as_bytes()),
        }),
        waits: Waits::default(),
    });
    let transaction = Transaction {
        mail: Mail {
            from: from.to_owned(),
            size: Some(octets.len() as u64),
            ..Mail::default()
        },
        rcpts: vec![Rcpt {
            to: to.clone(),
            ..Rcpt::default()
        }],
    };
    let mut sender = Sender {
        transaction: Some(transaction),
        octets: Some(octets),
        outcome: None,
        failed: None,
    };
    let link = Link {
        stream,
        tls,
        implicit: false,
    };
    let ending = drive(link, &mut machine, &mut sender, Shutdown::never()).await;
    if let Some(error) = sender.failed {
        return Err(LetterError::Session(error));
    }
    match (sender.outcome, ending) {
        (Some(Outcome::Delivered(_)), _) => Ok(subject),
        (None, ending @ (Ending::Handshake(_) | Ending::Lost(_) | Ending::Stalled)) => {
            Err(LetterError::Connection(ending))
        }
        (outcome, _) => Err(LetterError::Refused(outcome)),
    }
}

/// Answers the client machine: one transaction, then the end.
struct Sender {
    transaction: Option<Transaction>,
    octets: Option<Vec<u8>>,
    outcome: Option<Outcome>,
    failed: Option<SessionError>,
}

impl Service<Client> for Sender {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Next(_) => self
                .transaction
                .take()
                .map_or(Answer::Quit, Answer::Transaction),
            Ask::Body => self.octets.take().map_or(Answer::End, Answer::Chunk),
            Ask::Done(outcomes) => {
                self.outcome = outcomes.into_iter().next();
                Answer::Noted
            }
            Ask::Failed(error) => {
                self.failed = Some(error);
                Answer::Noted
            }
        }
    }
}
