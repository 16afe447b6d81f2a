//! A DNS server of the tests' own: answers for the whole name space, so nothing ever leaves the machine.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, SOA, TXT};
use hickory_server::proto::rr::{LowerName, Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::runtime::Runtime;

/// A running name server; stops when dropped.
pub struct Dns {
    /// Where it answers, over UDP and TCP.
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl Dns {
    /// Starts a server for the records of a text: one `name TYPE value…` a line, names without the
    /// final dot. Everything else is NXDOMAIN.
    ///
    /// # Panics
    /// On a line that is no record, or when no port can be had: both are faults of the test.
    pub fn start(zone: &str) -> Self {
        let root = Name::root();
        let mut handler = InMemoryZoneHandler::<TokioRuntimeProvider>::empty(
            root.clone(),
            ZoneType::Primary,
            AxfrPolicy::Deny,
        );
        let soa = SOA::new(
            name("ns.test"),
            name("hostmaster.ns.test"),
            1,
            3600,
            600,
            86400,
            1,
        );
        handler.upsert_mut(Record::from_rdata(root.clone(), 1, RData::SOA(soa)), 0);
        for line in zone.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            handler.upsert_mut(
                Record::from_rdata(name(fields[0]), 1, value(line, &fields[1..])),
                0,
            );
        }
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::from(root), vec![Arc::new(handler)]);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the name server");
        let address = runtime.block_on(async move {
            let (udp, tcp) = sockets().await;
            let address = udp.local_addr().expect("a bound socket has an address");
            let mut server = Server::new(catalog);
            server.register_socket(udp);
            server.register_listener(tcp, Duration::from_secs(30), 16);
            tokio::spawn(async move { server.block_until_done().await });
            address
        });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

/// A UDP and a TCP socket on the same port, chosen by the kernel.
async fn sockets() -> (tokio::net::UdpSocket, tokio::net::TcpListener) {
    for _ in 0..64 {
        let udp = tokio::net::UdpSocket::bind("127.0.0.1:0")
            .await
            .expect("a UDP port on loopback");
        let address = udp.local_addr().expect("a bound socket has an address");
        if let Ok(tcp) = tokio::net::TcpListener::bind(address).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).expect("a name of the test's zone")
}

fn value(line: &str, fields: &[&str]) -> RData {
    match fields {
        ["A", address] => RData::A(A(address.parse::<Ipv4Addr>().expect("an IPv4 address"))),
        ["AAAA", address] => {
            RData::AAAA(AAAA(address.parse::<Ipv6Addr>().expect("an IPv6 address")))
        }
        ["MX", preference, "."] => RData::MX(MX::new(
            preference.parse().expect("a preference"),
            Name::root(),
        )),
        ["MX", preference, host] => RData::MX(MX::new(
            preference.parse().expect("a preference"),
            name(host),
        )),
        ["CNAME", host] => RData::CNAME(CNAME(name(host))),
        ["TXT", text @ ..] => RData::TXT(TXT::new(vec![text.join(" ")])),
        _ => panic!("not a record: {line}"),
    }
}
