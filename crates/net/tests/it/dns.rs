//! The resolver against a name server of our own on loopback.

use std::net::SocketAddr;

use congvu_net::dns::{DnsFailure, MxAnswer, Resolver};
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// The records of the test zone.
fn find(query: &str, kind: RecordType) -> Result<Vec<(Name, RData)>, ResponseCode> {
    let one = |data: RData| Ok(vec![(name(query), data)]);
    match (query, kind) {
        ("a.test.", RecordType::MX) => one(RData::MX(MX::new(10, name("mx.a.test.")))),
        ("null.test.", RecordType::MX) => one(RData::MX(MX::new(0, Name::root()))),
        ("mx.a.test.", RecordType::A) => one(RData::A(A::new(192, 0, 2, 7))),
        ("implicit.test.", RecordType::A) => one(RData::A(A::new(192, 0, 2, 8))),
        // AAAA of this host cannot be told, A can.
        ("mx.a.test." | "deaf.test.", RecordType::AAAA) | ("deaf.test.", _) => {
            Err(ResponseCode::ServFail)
        }
        ("alias.test.", RecordType::A) => Ok(vec![
            (name(query), RData::CNAME(CNAME(name("mx.a.test.")))),
            (name("mx.a.test."), RData::A(A::new(192, 0, 2, 7))),
        ]),
        ("7.2.0.192.in-addr.arpa.", RecordType::PTR) => one(RData::PTR(PTR(name("mx.a.test.")))),
        ("a.test.", RecordType::TXT) => one(RData::TXT(TXT::new(vec![
            "v=spf1 ".to_owned(),
            "-all".to_owned(),
        ]))),
        ("implicit.test." | "alias.test." | "a.test.", _) => Ok(vec![]),
        _ => Err(ResponseCode::NXDomain),
    }
}

async fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            message.metadata.recursion_available = true;
            let query = message.queries[0].clone();
            let asked = query.name().to_lowercase().to_ascii();
            match find(&asked, query.query_type()) {
                Ok(found) => {
                    for (owner, data) in found {
                        message.add_answer(Record::from_rdata(owner, 60, data));
                    }
                }
                Err(code) => message.metadata.response_code = code,
            }
            socket
                .send_to(&message.to_vec().unwrap(), client)
                .await
                .unwrap();
        }
    });
    address
}

#[tokio::test]
async fn asks_a_real_server() {
    let resolver = Resolver::with_servers(&[server().await]).unwrap();
    let check = async |domain: &str, expected: &str| {
        let shown = match resolver.mx(domain).await {
            MxAnswer::Hosts(hosts) => format!("{} {}", hosts[0].preference, hosts[0].host),
            MxAnswer::Temporary(_) => "Temporary".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(shown, expected, "{domain}");
    };
    check("a.test", "10 mx.a.test").await;
    check("null.test", "NullMx").await;
    check("implicit.test", "Implicit").await;
    check("nowhere.test", "NoDomain").await;
    check("deaf.test", "Temporary").await;
    check("not a domain..", "NoDomain").await;

    let seven = vec!["192.0.2.7".parse().unwrap()];
    assert_eq!(resolver.addresses("mx.a.test").await, Ok(seven.clone()));
    assert_eq!(resolver.addresses("alias.test").await, Ok(seven.clone()));
    let four = vec![std::net::Ipv4Addr::new(192, 0, 2, 7)];
    assert_eq!(resolver.ipv4("mx.a.test").await, Ok(four));
    let gone = resolver.ipv4("nowhere.test").await;
    assert!(matches!(gone, Err(DnsFailure::NoName(_))), "{gone:?}");
    let gone = resolver.addresses("nowhere.test").await;
    assert!(matches!(gone, Err(DnsFailure::NoName(_))), "{gone:?}");
    let none = resolver.addresses("a.test").await;
    assert!(matches!(none, Err(DnsFailure::NoData(_))), "{none:?}");
    let deaf = resolver.addresses("deaf.test").await;
    assert!(matches!(deaf, Err(DnsFailure::Temporary(..))), "{deaf:?}");

    assert_eq!(
        resolver.ptr(seven[0]).await,
        Ok(vec!["mx.a.test".to_owned()])
    );
    assert_eq!(
        resolver.txt("a.test").await,
        Ok(vec!["v=spf1 -all".to_owned()])
    );
}
