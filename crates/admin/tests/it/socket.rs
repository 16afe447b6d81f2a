//! The control socket, and what happens when nobody answers there.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use congvu_admin::control::{Client, ControlSocket};
use congvu_admin::{Admin, Connection, Control, Error, Facts, NewPassword, Query, Reply, Request};
use congvu_directory::Kind;
use congvu_store::{Options, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::{Desk, add_account, add_agency};

/// A server at a desk's store: its socket, and the orders it gets.
fn serve(desk: &Desk) -> (PathBuf, mpsc::Receiver<Control>) {
    let path = desk.folder.path().join("control.sock");
    let (control, orders) = mpsc::channel(1);
    let facts = Facts {
        version: "0.0.0".into(),
        listeners: vec!["imap".into()],
        started: Timestamp::now(),
    };
    let admin = Admin::serving(desk.admin.directory().clone(), facts, control);
    let socket = ControlSocket::bind(&path, None).unwrap();
    tokio::spawn(async move { socket.serve(admin).await });
    (path, orders)
}

#[tokio::test]
async fn requests_go_through_the_socket() {
    let desk = Desk::furnished().await;
    let (path, mut orders) = serve(&desk);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let data = desk.folder.path();
    let mut connection = congvu_admin::connect(data, &path, Options::default())
        .await
        .unwrap();
    assert!(matches!(connection, Connection::Server(_)));
    let add = add_account("binh@xa.test", Kind::Person, NewPassword::Generate);
    let Reply::Done(done) = connection
        .request(Request::Change(add.clone()))
        .await
        .unwrap()
    else {
        panic!()
    };
    assert!(done.password.is_some());
    let Err(Error::Refused(refusal)) = connection.request(Request::Change(add)).await else {
        panic!()
    };
    assert_eq!(refusal.reason, congvu_admin::Reason::Exists);
    let query = Query::Accounts {
        agency: None,
        domain: None,
        kind: None,
        after: None,
    };
    let Reply::Accounts(page) = connection.request(Request::Query(query)).await.unwrap() else {
        panic!()
    };
    assert_eq!(page.entries.len(), 3);
    let Reply::Status(status) = connection.request(Request::Status).await.unwrap() else {
        panic!()
    };
    assert_eq!(
        (status.running, status.pid),
        (true, Some(std::process::id()))
    );
    let server = tokio::spawn(async move {
        let Some(Control::Reload(answer)) = orders.recv().await else {
            panic!()
        };
        answer
            .send(Err(vec!["line 3: no such file".into()]))
            .unwrap();
        let Some(Control::Reload(answer)) = orders.recv().await else {
            panic!()
        };
        answer.send(Ok(vec!["[server]".into()])).unwrap();
        assert!(matches!(orders.recv().await, Some(Control::Stop)));
    });
    let refused = connection.request(Request::Reload).await.unwrap_err();
    assert!(refused.to_string().contains("line 3"), "{refused}");
    let Reply::Reloaded(reloaded) = connection.request(Request::Reload).await.unwrap() else {
        panic!()
    };
    assert_eq!(reloaded.waiting, ["[server]"]);
    connection.request(Request::Stop).await.unwrap();
    server.await.unwrap();
    let records = desk.audit(None, None).await;
    let told: Vec<_> = records
        .iter()
        .rev()
        .take(3)
        .map(|r| (r.act.as_str(), r.who.via.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("stop", "socket"),
            ("reload", "socket"),
            ("reload", "socket")
        ]
    );
    connection.close().await.unwrap();
}

#[tokio::test]
async fn nonsense_on_the_socket_harms_nobody() {
    let desk = Desk::furnished().await;
    let (path, _orders) = serve(&desk);
    for octets in [
        &b"\0\0\0\x05hello"[..],
        b"\xff\xff\xff\xff",
        b"\0\0\0\x02{}",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0",
    ] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(octets).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // The server may hang up before it has read everything.
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "{octets:?}");
    }
    let mut client = Client::connect(&path).await.unwrap();
    assert!(client.request(&Request::Status).await.is_ok());
}

#[tokio::test]
async fn without_a_server_the_store_is_opened_and_with_one_it_is_locked() {
    let desk = Desk::new();
    desk.done(add_agency("XA", None)).await;
    let socket = desk.folder.path().join("control.sock");
    let data = desk.folder.path();
    let Err(Error::Unreachable(why)) =
        congvu_admin::connect(data, &socket, Options::default()).await
    else {
        panic!()
    };
    assert!(why.contains("another process holds the store"), "{why}");
    desk.admin.directory().store().close().await.unwrap();
    let Desk { admin, folder, .. } = desk;
    drop(admin);
    let mut connection = congvu_admin::connect(folder.path(), &socket, Options::default())
        .await
        .unwrap();
    assert!(matches!(connection, Connection::Local(..)));
    let Reply::Agencies(page) = connection
        .request(Request::Query(Query::Agencies {
            within: None,
            after: None,
        }))
        .await
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(page.entries.len(), 1);
    connection.close().await.unwrap();
    let missing = folder.path().join("none");
    let Err(Error::Unreachable(why)) =
        congvu_admin::connect(&missing, &socket, Options::default()).await
    else {
        panic!()
    };
    assert!(why.contains("there is no store in"), "{why}");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = ControlSocket::bind(&path, None).unwrap();
    drop(socket);
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(
        ControlSocket::bind(&path, None)
            .unwrap_err()
            .to_string()
            .contains("not a socket")
    );
    assert!(
        ControlSocket::bind(&path, Some("no-such-group"))
            .unwrap_err()
            .to_string()
            .contains("no group")
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}
