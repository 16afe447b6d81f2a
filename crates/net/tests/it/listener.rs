//! Listeners on loopback: limits, refusals, panics, stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use congvu_net::{Door, Gate, Listener, Stopper};
use tokio::net::TcpStream;

use crate::toy::{Answers, Client, Toy};

fn door(gate: Arc<Gate>, per_source: usize) -> Door {
    Door {
        name: "toy".to_owned(),
        tls: None,
        implicit: false,
        gate,
        per_source,
        refusal: b"421 full\r\n",
    }
}

/// Starts a listener on both families; returns its addresses.
fn start(stopper: &Stopper, door: Door) -> Vec<SocketAddr> {
    let any = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let listener = Listener::bind(&any).unwrap();
    let addresses = listener.addresses();
    let make = |_| (Toy::new(), Answers::new().0);
    tokio::spawn(listener.serve(door, make, stopper.signal()));
    addresses
}

async fn client(address: SocketAddr) -> Client<TcpStream> {
    Client::new(TcpStream::connect(address).await.unwrap())
}

#[tokio::test]
async fn serves_both_families() {
    let stopper = Stopper::new();
    for address in start(&stopper, door(Gate::new(10, vec![]), 10)) {
        let mut client = client(address).await;
        client.send("ECHO x\r\nQUIT\r\n").await;
        client.expect(&["hello", "x", "bye", "end"]).await;
    }
}

#[tokio::test]
async fn refuses_in_the_protocols_words() {
    let stopper = Stopper::new();
    let gate = Gate::new(3, vec![]);
    let addresses = start(&stopper, door(Arc::clone(&gate), 2));
    let (v4, v6) = (addresses[0], addresses[1]);
    let mut first = client(v4).await;
    first.expect(&["hello"]).await;
    let mut second = client(v4).await;
    second.expect(&["hello"]).await;
    client(v4).await.expect(&["421 full", "end"]).await;
    let mut other = client(v6).await;
    other.expect(&["hello"]).await;
    client(v6).await.expect(&["421 full", "end"]).await;
    // A place is free once its connection has ended.
    first.send("QUIT\r\n").await;
    first.expect(&["bye", "end"]).await;
    drop(first);
    while gate.standing() == 3 {
        tokio::task::yield_now().await;
    }
    client(v4).await.expect(&["hello"]).await;
}

#[tokio::test]
async fn a_panic_ends_one_connection() {
    let stopper = Stopper::new();
    let gate = Gate::new(10, vec![]);
    let address = start(&stopper, door(Arc::clone(&gate), 10))[0];
    let mut calm = client(address).await;
    calm.expect(&["hello"]).await;
    let mut wild = client(address).await;
    wild.send("ASK panic\r\n").await;
    wild.expect(&["hello", "end"]).await;
    while gate.standing() > 1 {
        tokio::task::yield_now().await;
    }
    calm.send("ECHO fine\r\n").await;
    calm.expect(&["fine"]).await;
}

#[tokio::test]
async fn a_stop_says_goodbye_and_closes_the_door() {
    let stopper = Stopper::new();
    let address = start(&stopper, door(Gate::new(10, vec![]), 10))[0];
    let mut client = client(address).await;
    client.expect(&["hello"]).await;
    let farewell = tokio::spawn(async move {
        client.expect(&["421 stopping", "end"]).await;
    });
    assert!(stopper.stop(Duration::from_secs(8)).await);
    farewell.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_address_taken_is_named() {
    let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listener.addresses()[0];
    let error = Listener::bind(&[address]).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {address}: ")),
        "{error}"
    );
    assert!(error.ends_with("; another program has it"), "{error}");
}
