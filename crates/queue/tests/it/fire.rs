//! Servers that misbehave at every stage of a session: what becomes of the letter. The table of
//! `docs/operations.md`, "When the other side misbehaves", says the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use congvu_net::tls::{Roots, TlsClient};
use congvu_queue::{Route, Way, manage};
use congvu_smtp::client::{Credentials, TlsPolicy, Waits};
use congvu_store::queue::{QueueId, RcptStatus};
use congvu_wire::Secret;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::remote::{CLOSE, MIDWAY, RESET, Remote, SILENCE, TRICKLE};
use crate::world::{MAIL, World};

/// What is to become of a letter to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Delivered at the first attempt.
    Delivered,
    /// Kept, tried again, and delivered once.
    Retried,
    /// Returned at once: one notice.
    Returned,
    /// Kept and tried again, although the server has it: its reply was lost.
    Doubled,
}

/// One way to misbehave.
#[derive(Debug, Clone, Copy)]
struct Case {
    /// The line at which it happens.
    stage: &'static str,
    /// What the server then says or does.
    does: &'static str,
    expected: Outcome,
}

/// The stages of a session, in order.
const STAGES: [&str; 7] = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "MESSAGE", "QUIT"];

/// Every act at every stage.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for stage in STAGES {
        let of_the_letter = matches!(stage, "MAIL" | "RCPT" | "DATA" | "MESSAGE");
        for does in [
            "450 4.3.0 later",
            "421 4.3.2 going down",
            "550 5.7.1 never",
            "nonsense",
            CLOSE,
            RESET,
            SILENCE,
            TRICKLE,
        ] {
            let expected = match stage {
                "QUIT" => Outcome::Delivered,
                _ if does.starts_with('5') && of_the_letter => Outcome::Returned,
                "MESSAGE" if !does.starts_with('4') => Outcome::Doubled,
                _ => Outcome::Retried,
            };
            cases.push(Case {
                stage,
                does,
                expected,
            });
        }
    }
    // After 354, before the message is out.
    for does in ["354 go\r\nCLOSE", "354 go\r\nRESET"] {
        cases.push(Case {
            stage: "DATA",
            does,
            expected: Outcome::Retried,
        });
    }
    // A server from before ESMTP.
    cases.push(Case {
        stage: "EHLO",
        does: "502 5.5.1 what",
        expected: Outcome::Delivered,
    });
    cases
}

/// Short where waiting is what is tested, long where the test must not be faster than the machine.
fn waits(case: Case) -> Waits {
    let mut waits = Waits::default();
    if [SILENCE, TRICKLE].contains(&case.does) {
        let short = Duration::from_millis(300);
        match case.stage {
            "MESSAGE" => waits.end = short,
            "DATA" => waits.data = short,
            "QUIT" => waits.quit = short,
            _ => waits.reply = short,
        }
    }
    waits
}

async fn try_one(case: Case, pipelining: bool) {
    let once = AtomicBool::new(true);
    let mut remote = Remote::start(move |_, line| {
        if line.starts_with(case.stage) && once.swap(false, Ordering::SeqCst) {
            Some(case.does.to_owned())
        } else if line.starts_with("EHLO") && !pipelining {
            Some("250 fake.test".to_owned())
        } else {
            None
        }
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.settings.waits = waits(case);
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    world.emptied().await;
    world.stop().await;
    let heard = remote.heard();
    let whole = format!("MESSAGE {MAIL}");
    let arrived = heard.iter().filter(|(_, line)| *line == whole).count();
    let connections = heard.iter().filter(|(_, line)| line == "CONNECT").count();
    let notices = world.inbox("an@bo.test").await.len();
    let told = format!(
        "{case:?} pipelining={pipelining}: {arrived} arrived, {notices} notices: {heard:?}"
    );
    match case.expected {
        Outcome::Delivered => assert_eq!((arrived, notices, connections), (1, 0, 1), "{told}"),
        Outcome::Retried => {
            // A refusal for now leaves the connection as it is.
            assert!(connections == 2 || case.does.starts_with("450"), "{told}");
            // A letter that was refused after its end arrived twice, and was taken once.
            let refused = usize::from(case.stage == "MESSAGE");
            assert_eq!((arrived, notices), (1 + refused, 0), "{told}");
        }
        Outcome::Returned => {
            let refused = usize::from(case.stage == "MESSAGE");
            assert_eq!((arrived, notices), (refused, 1), "{told}");
        }
        Outcome::Doubled => assert_eq!((arrived, notices), (2, 0), "{told}"),
    }
}

async fn try_all(pipelining: bool) {
    let mut running = JoinSet::new();
    for case in cases() {
        // Each has a store of its own: a few at a time.
        if running.len() >= 6 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(try_one(case, pipelining));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_act_at_every_stage() {
    try_all(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_act_at_every_stage_with_pipelining() {
    try_all(true).await;
}

/// Recipients have fates of their own, and none is sent to twice.
#[tokio::test]
async fn some_recipients_refused_for_now_and_some_for_good() {
    let mut remote = Remote::start(|number, line| match line {
        "RCPT TO:<b@x.test>" if number == 1 => Some("451 4.7.1 greylisted".into()),
        "RCPT TO:<c@x.test>" => Some("550 5.1.1 no such user".into()),
        "QUIT" => None,
        // One message a connection, so that the attempts can be told apart.
        line if line.starts_with("EHLO") => Some("250-fake.test\r\n250 LIMITS MAILMAX=1".into()),
        _ => None,
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world
        .send("an@bo.test", &["a@x.test", "b@x.test", "c@x.test"])
        .await;
    world.run();
    world.emptied().await;
    world.stop().await;
    let heard = remote.heard();
    let asked = |of: usize| -> Vec<&str> {
        heard
            .iter()
            .filter(|(number, line)| *number == of && line.starts_with("RCPT"))
            .map(|(_, line)| &line["RCPT TO:".len()..])
            .collect()
    };
    assert_eq!(asked(1), ["<a@x.test>", "<b@x.test>", "<c@x.test>"]);
    assert_eq!(asked(2), ["<b@x.test>"]);
    let inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 1);
    assert!(
        inbox[0].contains("rfc822;c@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"),
        "{}",
        inbox[0]
    );
    assert!(!inbox[0].contains("b@x.test"), "{}", inbox[0]);
}

/// The reset comes while we write, so that what the server said before is only in the machine.
#[tokio::test]
async fn what_was_said_before_a_reset_holds() {
    let mut remote = Remote::start(|number, line| match (number, line) {
        (1, "RCPT TO:<b@x.test>") => Some("550 5.1.1 no such user".into()),
        (1, line) if line.starts_with("DATA") => Some(format!("354 go\r\n{MIDWAY}")),
        _ => None,
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    // More than the sockets between us take.
    let mail = format!("Subject: x\r\n\r\n{}", "0123456789\r\n".repeat(1 << 20));
    let size = u64::try_from(mail.len()).unwrap();
    world
        .send_mail(
            &mail,
            "an@bo.test",
            &["a@x.test", "b@x.test"],
            |entry, _| {
                entry.size = size;
            },
        )
        .await;
    world.run();
    world.emptied().await;
    world.stop().await;
    let rcpts: Vec<_> = remote
        .heard()
        .into_iter()
        .filter(|(_, line)| line.starts_with("RCPT"))
        .collect();
    let expected = [
        (1, "RCPT TO:<a@x.test>".to_owned()),
        (1, "RCPT TO:<b@x.test>".to_owned()),
        (2, "RCPT TO:<a@x.test>".to_owned()),
    ];
    assert_eq!(rcpts, expected);
    let inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 1);
    assert!(inbox[0].contains("\r\nStatus: 5.1.1\r\n"), "{}", inbox[0]);
}

/// LMTP answers for each recipient: what was answered before the connection broke is not sent again.
#[tokio::test]
async fn lmtp_that_breaks_among_its_replies() {
    let mut server = Remote::start(|number, line| {
        (number == 1 && line.starts_with("MESSAGE")).then(|| format!("250 2.0.0 stored\r\n{CLOSE}"))
    })
    .await;
    let mut world = World::new(&[]).await;
    world.settings.routes = vec![Route {
        domain: "*".into(),
        to: Way::Lmtp("127.0.0.1".into()),
        port: server.address.port(),
        tls: TlsPolicy::Never,
        credentials: None,
    }];
    world.send("an@bo.test", &["a@x.test", "b@x.test"]).await;
    world.run();
    world.emptied().await;
    world.stop().await;
    let second: Vec<_> = server
        .heard()
        .into_iter()
        .filter(|(number, line)| *number == 2 && line.starts_with("RCPT"))
        .map(|(_, line)| line)
        .collect();
    assert_eq!(second, ["RCPT TO:<b@x.test>"]);
    assert!(world.inbox("an@bo.test").await.is_empty());
}

/// A certificate for 127.0.0.1, its acceptor, and a client that believes in it.
fn certificate() -> (TlsAcceptor, TlsClient) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let roots = Roots::load(&file).unwrap();
    (
        TlsAcceptor::from(Arc::new(config)),
        TlsClient::new(Some(&roots)).unwrap(),
    )
}

/// A relay with TLS and a login; `rule` changes what it says.
async fn relayed(
    policy: TlsPolicy,
    client: TlsClient,
    acceptor: TlsAcceptor,
    rule: fn(usize, &str) -> Option<String>,
) -> (World, Remote, QueueId) {
    let relay = Remote::secure(acceptor, move |number, line| {
        rule(number, line).or_else(|| {
            line.starts_with("EHLO")
                .then(|| "250-fake.test\r\n250-STARTTLS\r\n250 AUTH PLAIN".to_owned())
        })
    })
    .await;
    let mut world = World::new(&[]).await;
    world.settings.tls = client;
    world.settings.schedule.delays = vec![Duration::from_hours(1)];
    world.settings.routes = vec![Route {
        domain: "*".into(),
        to: Way::Relay("127.0.0.1".into()),
        port: relay.address.port(),
        tls: policy,
        credentials: Some(Credentials {
            name: "congvu".into(),
            password: Secret::new("pw"),
        }),
    }];
    let id = world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    (world, relay, id)
}

/// Waits for the first attempt of a letter that must be kept; why it is.
async fn kept(world: &mut World, relay: &mut Remote, id: QueueId) -> String {
    world
        .until("an attempt", async |world| world.attempts(id).await == 1)
        .await;
    world.stop().await;
    let shown = manage::show(&world.store, id).await.unwrap().unwrap();
    assert_eq!(shown.rcpts[0].status, RcptStatus::Waiting);
    assert!(world.inbox("an@bo.test").await.is_empty());
    let heard = relay.heard();
    assert!(!heard.iter().any(|(_, line)| line.starts_with("MAIL")));
    shown.rcpts[0].reply.clone().unwrap()
}

#[tokio::test]
async fn a_verified_relay_gets_the_login_and_the_letter() {
    let (acceptor, client) = certificate();
    let (mut world, mut relay, _) =
        relayed(TlsPolicy::Verified, client, acceptor, |_, _| None).await;
    relay.hear("STARTTLS").await;
    assert_eq!(relay.hear("AUTH").await.1, "AUTH PLAIN AGNvbmd2dQBwdw==");
    assert_eq!(relay.message().await, MAIL);
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn a_relay_with_a_wrong_certificate_gets_neither() {
    let (_, client) = certificate();
    let (acceptor, _) = certificate();
    let (mut world, mut relay, id) =
        relayed(TlsPolicy::Verified, client, acceptor, |_, _| None).await;
    relay.hear("STARTTLS").await;
    let why = kept(&mut world, &mut relay, id).await;
    assert!(why.contains("TLS"), "{why}");
}

#[tokio::test]
async fn a_relay_that_refuses_tls_or_the_login_is_tried_again() {
    let refusals: [fn(usize, &str) -> Option<String>; 5] = [
        |_, line| line.starts_with("STAR").then(|| "454 4.7.0 not now".into()),
        |_, line| line.starts_with("STAR").then(|| "554 5.7.0 never".into()),
        |_, line| line.starts_with("AUTH").then(|| "454 4.7.0 not now".into()),
        |_, line| line.starts_with("AUTH").then(|| "535 5.7.8 wrong".into()),
        |_, line| line.starts_with("AUTH").then(|| RESET.into()),
    ];
    for rule in refusals {
        let (acceptor, client) = certificate();
        let (mut world, mut relay, id) = relayed(TlsPolicy::Verified, client, acceptor, rule).await;
        kept(&mut world, &mut relay, id).await;
    }
}
