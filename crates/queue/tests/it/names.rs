//! What the DNS can answer, from a name server of our own, and what becomes of the letter.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use congvu_net::dns::Resolver;
use congvu_queue::{Schedule, manage};
use congvu_store::queue::{QueueId, RcptStatus};
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::remote::Remote;
use crate::world::{MAIL, World};

/// Octets of an answer over UDP (what resolvers offer to take); longer ones are fetched over TCP.
const UDP_MOST: usize = 1_232;

/// Letters that wait for the DNS: enough to see whether all of them go out.
const LETTERS: usize = 3;

enum Answer {
    Records(Vec<RData>),
    Code(ResponseCode),
    Nothing,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// The test's name space. `down` makes every name unknown for now, as when the server behind is away.
fn find(query: &str, kind: RecordType, down: bool) -> Answer {
    let mx = |hosts: &[(u16, &str)]| {
        let records = hosts
            .iter()
            .map(|(preference, host)| RData::MX(MX::new(*preference, name(host))));
        Answer::Records(records.collect())
    };
    let address = |last: u8| Answer::Records(vec![RData::A(A::new(127, 0, 3, last))]);
    let alias = |to: &str| Answer::Records(vec![RData::CNAME(CNAME(name(to)))]);
    if down {
        return Answer::Code(ResponseCode::ServFail);
    }
    match (query, kind) {
        ("good.test.", RecordType::MX) => mx(&[(10, "mx.good.test.")]),
        ("mx.good.test." | "implicit.test." | "m2.many.test.", RecordType::A) => address(1),
        ("broken.test.", _) => Answer::Code(ResponseCode::ServFail),
        ("silent.test.", _) => Answer::Nothing,
        ("refused.test.", _) => Answer::Code(ResponseCode::Refused),
        ("null.test.", RecordType::MX) => mx(&[(0, ".")]),
        // Fifty hosts; nobody is at the first two.
        ("many.test.", RecordType::MX) => {
            let hosts: Vec<_> = (0..50)
                .map(|number| (number, format!("m{number}.many.test.")))
                .collect();
            let hosts: Vec<_> = hosts
                .iter()
                .map(|(number, host)| (*number, host.as_str()))
                .collect();
            mx(&hosts)
        }
        // Fifty hosts, and nobody is at any.
        ("none.test.", RecordType::MX) => {
            let hosts: Vec<_> = (0..50).map(|n| (n, format!("m{n}.none.test."))).collect();
            let hosts: Vec<_> = hosts.iter().map(|(n, host)| (*n, host.as_str())).collect();
            mx(&hosts)
        }
        (host, RecordType::A) if host.ends_with(".many.test.") || host.ends_with(".none.test.") => {
            address(200)
        }
        ("round.test.", RecordType::MX) => mx(&[(10, "a.round.test.")]),
        ("a.round.test.", _) => alias("b.round.test."),
        ("b.round.test.", _) => alias("a.round.test."),
        ("itself.test.", _) => alias("other.itself.test."),
        ("other.itself.test.", _) => alias("itself.test."),
        ("good.test." | "mx.good.test." | "implicit.test." | "m2.many.test.", _) => {
            Answer::Records(vec![])
        }
        (host, _) if host.ends_with(".many.test.") || host.ends_with(".none.test.") => {
            Answer::Records(vec![])
        }
        _ => Answer::Code(ResponseCode::NXDomain),
    }
}

fn respond(octets: &[u8], down: bool) -> Option<Message> {
    let mut message = Message::from_vec(octets).unwrap();
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    let query = message.queries[0].clone();
    let asked = query.name().to_lowercase().to_ascii();
    match find(&asked, query.query_type(), down) {
        Answer::Records(found) => {
            for data in found {
                message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
        }
        Answer::Code(code) => message.metadata.response_code = code,
        Answer::Nothing => return None,
    }
    Some(message)
}

/// A name server, over UDP and TCP.
async fn server(down: Arc<AtomicBool>) -> SocketAddr {
    let (udp, tcp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = tcp.local_addr().unwrap();
    let away = Arc::clone(&down);
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (length, client) = udp.recv_from(&mut buffer).await.unwrap();
            let Some(mut message) = respond(&buffer[..length], away.load(Ordering::SeqCst)) else {
                continue;
            };
            if message.to_vec().unwrap().len() > UDP_MOST {
                message.metadata.truncation = true;
                message.answers.clear();
            }
            let octets = message.to_vec().unwrap();
            udp.send_to(&octets, client).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let down = Arc::clone(&down);
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut octets = vec![0; usize::from(length)];
                    stream.read_exact(&mut octets).await.unwrap();
                    let Some(message) = respond(&octets, down.load(Ordering::SeqCst)) else {
                        return;
                    };
                    let octets = message.to_vec().unwrap();
                    let length = u16::try_from(octets.len()).unwrap();
                    stream.write_u16(length).await.unwrap();
                    stream.write_all(&octets).await.unwrap();
                }
            });
        }
    });
    address
}

/// A world that asks this name server; the one living mail server is at 127.0.3.1.
async fn world(down: &Arc<AtomicBool>) -> (World, Remote) {
    let remote = Remote::at("127.0.3.1:0", |_, _| None).await;
    let mut world = World::new(&[]).await;
    let dns = server(Arc::clone(down)).await;
    world.settings.resolver = Resolver::with_servers(&[dns]).unwrap();
    world.settings.port = remote.address.port();
    world.settings.schedule.delays = vec![Duration::from_hours(1)];
    (world, remote)
}

/// The answer after one attempt of a letter that must be kept.
async fn kept(domain: &str) -> String {
    let (mut world, _remote) = world(&Arc::default()).await;
    let id = world.send("an@bo.test", &[&format!("a@{domain}")]).await;
    world.run();
    tried(&world, id).await;
    world.stop().await;
    let shown = manage::show(&world.store, id).await.unwrap().unwrap();
    assert_eq!(shown.rcpts[0].status, RcptStatus::Waiting, "{domain}");
    assert!(world.inbox("an@bo.test").await.is_empty(), "{domain}");
    shown.rcpts[0].reply.clone().unwrap()
}

async fn tried(world: &World, id: QueueId) {
    world
        .until("an attempt, or the end", async |world| {
            world.attempts(id).await > 0 || world.entries().await.is_empty()
        })
        .await;
}

/// The one notice about a letter that must be returned at once.
async fn returned(domain: &str) -> String {
    let (mut world, _remote) = world(&Arc::default()).await;
    world.send("an@bo.test", &[&format!("a@{domain}")]).await;
    world.run();
    world.emptied().await;
    world.stop().await;
    let mut inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 1, "{domain}");
    inbox.remove(0)
}

async fn delivered(domain: &str) {
    let (mut world, mut remote) = world(&Arc::default()).await;
    world.send("an@bo.test", &[&format!("a@{domain}")]).await;
    world.run();
    assert_eq!(remote.message().await, MAIL, "{domain}");
    world.emptied().await;
    world.stop().await;
    assert!(world.inbox("an@bo.test").await.is_empty(), "{domain}");
}

#[tokio::test]
async fn a_failing_name_server_keeps_letters() {
    assert!(kept("broken.test").await.starts_with("DNS of broken.test"));
    assert!(
        kept("refused.test")
            .await
            .starts_with("DNS of refused.test")
    );
}

#[tokio::test]
async fn a_silent_name_server_keeps_letters() {
    assert!(kept("silent.test").await.starts_with("DNS of silent.test"));
}

#[tokio::test]
async fn domains_without_mail_are_told_at_once() {
    assert!(
        returned("nowhere.test")
            .await
            .contains("\r\nStatus: 5.1.2\r\n")
    );
    assert!(
        returned("null.test")
            .await
            .contains("\r\nStatus: 5.1.10\r\n")
    );
}

#[tokio::test]
async fn hosts_are_found() {
    delivered("good.test").await;
    delivered("implicit.test").await;
}

#[tokio::test]
async fn of_fifty_hosts_the_first_that_answers_gets_it() {
    delivered("many.test").await;
}

#[tokio::test]
async fn fifty_hosts_of_which_none_answers_cost_one_attempt() {
    let why = kept("none.test").await;
    assert!(why.contains("cannot connect"), "{why}");
}

#[tokio::test]
async fn names_that_lead_in_a_circle_keep_letters() {
    let why = kept("round.test").await;
    assert!(why.contains("a.round.test"), "{why}");
    let why = kept("itself.test").await;
    assert!(why.contains("itself.test"), "{why}");
}

/// Nothing can be resolved for a while: every letter waits, and all go out afterwards.
#[tokio::test]
async fn an_outage_of_the_dns_returns_nothing() {
    let down = Arc::new(AtomicBool::new(true));
    let (mut world, mut remote) = world(&down).await;
    world.settings.schedule.delays = vec![Duration::from_millis(200)];
    let mut ids = Vec::new();
    for _ in 0..LETTERS {
        ids.push(world.send("an@bo.test", &["a@good.test"]).await);
    }
    world.run();
    world
        .until("everything was tried twice", async |world| {
            for id in &ids {
                if world.attempts(*id).await < 2 {
                    return false;
                }
            }
            true
        })
        .await;
    assert_eq!(world.entries().await.len(), LETTERS);
    down.store(false, Ordering::SeqCst);
    for _ in 0..LETTERS {
        assert_eq!(remote.message().await, MAIL);
    }
    world.emptied().await;
    world.stop().await;
    assert!(
        remote
            .heard()
            .iter()
            .all(|(_, line)| !line.starts_with("MESSAGE"))
    );
    assert!(world.inbox("an@bo.test").await.is_empty());
    // Two attempts within ten minutes, as here, are far from the end and from a warning.
    assert!(Schedule::default().give_up_after > Duration::from_hours(24));
}
