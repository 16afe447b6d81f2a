//! The driver over a stream in memory, with tokio's clock paused: deadlines cost no time.

use std::time::Duration;

use congvu_net::{Ending, Link, Shutdown, Stopper, drive};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use crate::toy::{Answers, Client, Hand, PATIENCE, Toy};

/// Octets that the simulated connection holds in flight.
const PIPE: usize = 4096;

fn start(shutdown: Shutdown) -> (Client<DuplexStream>, Hand, JoinHandle<Ending>) {
    let (near, far) = duplex(PIPE);
    let (mut answers, hand) = Answers::new();
    let task = tokio::spawn(async move {
        let link = Link {
            stream: far,
            tls: None,
            implicit: false,
        };
        drive(link, &mut Toy::new(), &mut answers, shutdown).await
    });
    (Client::new(near), hand, task)
}

#[tokio::test(start_paused = true)]
async fn answers_in_order_and_closes() {
    let (mut client, _hand, task) = start(Shutdown::never());
    client
        .send("ECHO a\r\nASK b\r\nECHO c\r\nQUIT\r\nECHO d\r\n")
        .await;
    client
        .expect(&["hello", "a", "b!", "c", "bye", "end"])
        .await;
    drop(client);
    assert!(matches!(task.await.unwrap(), Ending::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_sent_before_it_closed_is_answered() {
    let (mut client, _hand, task) = start(Shutdown::never());
    client.send("ASK last\r\nWAIT\r\n").await;
    client.0.get_mut().shutdown().await.unwrap();
    client.expect(&["hello", "last!", "end"]).await;
    let ending = task.await.unwrap();
    assert!(matches!(ending, Ending::Closed), "{ending:?}");
}

#[tokio::test(start_paused = true)]
async fn dripping_octets_wins_no_time() {
    let (mut client, _hand, _task) = start(Shutdown::never());
    client.expect(&["hello"]).await;
    let begin = Instant::now();
    let (read, mut write) = tokio::io::split(client.0.into_inner());
    let drip = tokio::spawn(async move {
        while write.write_all(b"E").await.is_ok() {
            sleep(PATIENCE / 10).await;
        }
    });
    let mut rest = String::new();
    tokio::io::BufReader::new(read)
        .read_to_string(&mut rest)
        .await
        .unwrap();
    assert_eq!(rest, "421 too slow\r\n");
    assert_eq!(begin.elapsed().as_secs(), PATIENCE.as_secs());
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn a_finished_line_wins_new_time() {
    let (mut client, _hand, _task) = start(Shutdown::never());
    client.expect(&["hello"]).await;
    for _ in 0..3 {
        advance(PATIENCE * 9 / 10).await;
        client.send("ECHO still\r\n").await;
        client.expect(&["still"]).await;
    }
    client.expect(&["421 too slow", "end"]).await;
}

#[tokio::test(start_paused = true)]
async fn our_own_slowness_is_not_the_peers() {
    let (mut client, _hand, _task) = start(Shutdown::never());
    client.send("ASK slow\r\n").await;
    client.expect(&["hello", "slow!"]).await;
    client.send("ECHO here\r\n").await;
    client.expect(&["here"]).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_hears_both_sides() {
    let (mut client, hand, _task) = start(Shutdown::never());
    client.send("WAIT\r\n").await;
    client.expect(&["hello"]).await;
    hand.events.send("mail".to_owned()).await.unwrap();
    client.expect(&["mail"]).await;
    client.send("WAIT\r\n").await;
    client.send("ECHO done\r\n").await;
    client.expect(&["done"]).await;
    // The abandoned question took nothing.
    hand.events.send("later".to_owned()).await.unwrap();
    client.send("WAIT\r\n").await;
    client.expect(&["later"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_not_read() {
    let (mut client, mut hand, task) = start(Shutdown::never());
    // Fits the pipe together with what follows; the reply does not.
    client.send("BIG 100000\r\n").await;
    client.expect(&["hello"]).await;
    client.send("ASK later\r\n").await;
    // The clock moves only when nothing else can: the driver is stuck in its write.
    sleep(Duration::from_mins(1)).await;
    assert!(hand.asked.try_recv().is_err());
    assert_eq!(client.line().await.len(), 100_000);
    client.expect(&["later!"]).await;
    client.send("BIG 100000\r\n").await;
    assert!(matches!(task.await.unwrap(), Ending::Stalled));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_the_answer_out_first() {
    let stopper = Stopper::new();
    let (mut client, mut hand, task) = start(stopper.signal());
    client.send("ASK slow\r\n").await;
    assert_eq!(hand.asked.recv().await.unwrap(), "slow");
    stopper.drain();
    client
        .expect(&["hello", "slow!", "421 stopping", "end"])
        .await;
    drop(client);
    assert!(matches!(task.await.unwrap(), Ending::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_the_waiting_and_cuts_the_stuck() {
    let stopper = Stopper::new();
    let (mut waiting, _hand, _task) = start(stopper.signal());
    waiting.send("WAIT\r\n").await;
    waiting.expect(&["hello"]).await;
    let (mut stuck, _hand, task) = start(stopper.signal());
    stuck.send("ASK never\r\n").await;
    stuck.expect(&["hello"]).await;
    assert!(!stopper.stop(Duration::from_secs(8)).await);
    waiting.expect(&["421 stopping", "end"]).await;
    stuck.expect(&["end"]).await;
    assert!(matches!(task.await.unwrap(), Ending::Cut));
}
