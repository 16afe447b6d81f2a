//! TLS end to end: STARTTLS, implicit, names, reload, verification, channel bindings.

use std::path::Path;
use std::time::Duration;

use congvu_net::tls::{CertificateFile, Roots, ServerTls, Tls, TlsClient};
use congvu_net::{Door, Ending, Gate, Link, Listener, Service, Shutdown, Stopper, drive};
use congvu_wire::{Machine, Patience, Step, TlsInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::toy::{Answers, Client, PATIENCE, Toy};

/// Writes a self-signed certificate for `names` and its key.
fn certificate(folder: &Path, file: &str, names: &[&str]) -> CertificateFile {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = CertificateFile {
        chain: folder.join(format!("{file}.pem")),
        key: folder.join(format!("{file}.key")),
    };
    std::fs::write(&files.chain, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

/// The client side as a machine: sends its lines one after another, each after a reply.
struct Talk {
    lines: Vec<&'static str>,
    heard: Vec<u8>,
    taken: usize,
    start_tls: bool,
    tls: Option<TlsInfo>,
}

impl Talk {
    fn new(lines: &[&'static str]) -> Self {
        let lines = lines.iter().rev().copied().collect();
        Self {
            lines,
            heard: Vec::new(),
            taken: 0,
            start_tls: false,
            tls: None,
        }
    }
    fn replies(&self) -> usize {
        self.heard.split(|octet| *octet == b'\n').count() - 1
    }
    fn heard(&self) -> String {
        String::from_utf8(self.heard.clone())
            .unwrap()
            .replace("\r\n", "|")
    }
}

impl Machine for Talk {
    type Ask = ();
    type Answer = ();
    fn input(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }
    fn answer(&mut self, (): ()) {}
    fn step(&mut self) -> Step<()> {
        if self.replies() <= self.taken {
            return Step::Read;
        }
        self.taken += 1;
        if std::mem::take(&mut self.start_tls) {
            return Step::StartTls;
        }
        let Some(line) = self.lines.pop() else {
            return Step::Close;
        };
        self.start_tls = line == "STARTTLS";
        Step::Write(format!("{line}\r\n").into_bytes())
    }
    fn secured(&mut self, tls: TlsInfo) {
        self.tls = Some(tls);
    }
    fn end_of_input(&mut self) {}
    fn shutdown(&mut self) {}
    fn expire(&mut self) {}
    fn patience(&self) -> Patience {
        Patience {
            marker: 0,
            limit: PATIENCE,
        }
    }
}

struct Nothing;

impl Service<Talk> for Nothing {
    async fn answer(&mut self, (): ()) {}
}

type Server = JoinHandle<(Ending, Toy, Option<Vec<u8>>)>;

fn serve(tls: &ServerTls, implicit: bool) -> (DuplexStream, Server) {
    let (near, far) = duplex(64 * 1024);
    let link = Link {
        stream: far,
        tls: Some(Tls::Server(tls.clone())),
        implicit,
    };
    let task = tokio::spawn(async move {
        let (mut toy, (mut answers, _hand)) = (Toy::new(), Answers::new());
        let ending = drive(link, &mut toy, &mut answers, Shutdown::never()).await;
        (ending, toy, answers.binding)
    });
    (near, task)
}

async fn converse(
    stream: DuplexStream,
    tls: congvu_net::tls::ClientTls,
    implicit: bool,
    lines: &[&'static str],
) -> (Ending, Talk) {
    let mut talk = Talk::new(lines);
    let link = Link {
        stream,
        tls: Some(Tls::Client(tls)),
        implicit,
    };
    let ending = drive(link, &mut talk, &mut Nothing, Shutdown::never()).await;
    (ending, talk)
}

#[tokio::test]
async fn starttls_secures_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = certificate(folder.path(), "mx", &["mx.example.test"]);
    let tls = ServerTls::load(std::slice::from_ref(&file)).unwrap();
    let client = TlsClient::new(Some(&Roots::load(&file.chain).unwrap())).unwrap();
    let (stream, server) = serve(&tls, false);
    let side = client.opportunistic("mx.example.test.").unwrap();
    let (ending, talk) = converse(stream, side, false, &["TLS?", "STARTTLS", "TLS?", "QUIT"]).await;
    assert!(matches!(ending, Ending::Closed), "{ending:?}");
    let expected = "hello|none|go|secured|TLSv1.3 TLS_AES_256_GCM_SHA384 \
                    Some(\"mx.example.test\")|bye|";
    assert_eq!(talk.heard(), expected);
    let (_, toy, binding) = server.await.unwrap();
    let (ours, theirs) = (toy.tls.unwrap(), talk.tls.unwrap());
    assert_eq!(ours.binding.as_ref().unwrap().len(), 32);
    assert_eq!(ours.binding, theirs.binding);
    assert_eq!(ours.binding, binding);
    assert_eq!(ours.end_point.as_ref().unwrap().len(), 32);
    assert_eq!(ours.end_point, theirs.end_point);
    assert!(theirs.verified);
    assert!(!ours.verified);
}

#[tokio::test]
async fn what_came_before_the_handshake_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = certificate(folder.path(), "mx", &["mx.example.test"]);
    let server = ServerTls::load(&[file]).unwrap();
    let (stream, task) = serve(&server, false);
    let mut client = Client::new(stream);
    client.expect(&["hello"]).await;
    client.send("STARTTLS\r\nECHO injected\r\n").await;
    client.expect(&["go"]).await;
    let config = rustls_client();
    let name = "mx.example.test".try_into().unwrap();
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(name, client.0.into_inner())
        .await
        .unwrap();
    let mut client = Client::new(stream);
    client.send("ECHO after\r\nQUIT\r\n").await;
    client.expect(&["secured", "after", "bye", "end"]).await;
    drop(client);
    assert!(matches!(task.await.unwrap().0, Ending::Closed));
}

/// A plain rustls client that takes any certificate and speaks TLS 1.2 as well.
fn rustls_client() -> std::sync::Arc<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let folder = tempfile::tempdir().unwrap();
    let roots = certificate(folder.path(), "unused", &["unused.test"]);
    let mut store = rustls::RootCertStore::empty();
    let pem = <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::
        from_pem_file(&roots.chain)
        .unwrap();
    store.add(pem).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config
        .dangerous()
        .set_certificate_verifier(std::sync::Arc::new(Trusting));
    std::sync::Arc::new(config)
}

#[derive(Debug)]
struct Trusting;

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[tokio::test]
async fn tls_1_2_offers_no_exporter_binding() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerTls::load(&[certificate(folder.path(), "mx", &["mx.test"])]).unwrap();
    let (stream, task) = serve(&server, true);
    let name = "mx.test".try_into().unwrap();
    let stream = tokio_rustls::TlsConnector::from(rustls_client())
        .connect(name, stream)
        .await
        .unwrap();
    let mut client = Client::new(stream);
    client.send("QUIT\r\n").await;
    client.expect(&["hello", "secured", "bye", "end"]).await;
    drop(client);
    let (_, toy, _) = task.await.unwrap();
    let tls = toy.tls.unwrap();
    assert_eq!(tls.version, "TLSv1.2");
    assert!(tls.cipher.starts_with("TLS_ECDHE_"), "{}", tls.cipher);
    assert_eq!(tls.binding, None);
    assert!(tls.end_point.is_some());
}

#[tokio::test]
async fn the_verified_side_wants_the_right_name_and_root() {
    let folder = tempfile::tempdir().unwrap();
    let file = certificate(folder.path(), "mx", &["mx.example.test"]);
    let other = certificate(folder.path(), "other", &["mx.example.test"]);
    let server = ServerTls::load(std::slice::from_ref(&file)).unwrap();
    let check = async |roots: &CertificateFile, host: &str, expected: bool| {
        let client = TlsClient::new(Some(&Roots::load(&roots.chain).unwrap())).unwrap();
        let (stream, _task) = serve(&server, true);
        let (ending, _) = converse(stream, client.verified(host).unwrap(), true, &["QUIT"]).await;
        assert_eq!(
            matches!(ending, Ending::Closed),
            expected,
            "{host}: {ending:?}"
        );
        let (stream, _task) = serve(&server, true);
        let side = client.opportunistic(host).unwrap();
        let (ending, talk) = converse(stream, side, true, &["QUIT"]).await;
        assert!(matches!(ending, Ending::Closed), "{host}: {ending:?}");
        assert_eq!(talk.tls.unwrap().verified, expected, "{host}");
    };
    check(&file, "mx.example.test", true).await;
    check(&file, "mx2.example.test", false).await;
    check(&other, "mx.example.test", false).await;
    let without = TlsClient::new(None).unwrap();
    assert!(without.verified("mx.example.test").is_err());
    assert!(without.opportunistic("not a host").is_err());
}

/// The hash of the certificate shown to a client that asks for `host`.
async fn shown(server: &ServerTls, host: &str) -> Option<Vec<u8>> {
    let client = TlsClient::new(None).unwrap();
    let (stream, _task) = serve(server, true);
    let side = client.opportunistic(host).unwrap();
    let (_, talk) = converse(stream, side, true, &["QUIT"]).await;
    talk.tls.unwrap().end_point
}

#[tokio::test]
async fn the_name_chooses_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let one = certificate(folder.path(), "one", &["one.test"]);
    let two = certificate(folder.path(), "two", &["two.test", "*.two.test"]);
    let server = ServerTls::load(&[one.clone(), two.clone()]).unwrap();
    let alone = ServerTls::load(&[two]).unwrap();
    let first = shown(&server, "one.test").await;
    let second = shown(&alone, "two.test").await;
    assert_ne!(first, second);
    assert_eq!(shown(&server, "two.test").await, second);
    assert_eq!(shown(&server, "mail.two.test").await, second);
    assert_eq!(shown(&server, "three.test").await, first);
    assert_eq!(shown(&server, "192.0.2.1").await, first);
    assert_eq!(server.certificates().len(), 2);
}

#[tokio::test]
async fn a_reload_swaps_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = certificate(folder.path(), "mx", &["mx.test"]);
    let server = ServerTls::load(std::slice::from_ref(&file)).unwrap();
    let old = shown(&server, "mx.test").await;
    certificate(folder.path(), "mx", &["mx.test"]);
    server.reload(std::slice::from_ref(&file)).unwrap();
    let new = shown(&server, "mx.test").await;
    assert_ne!(old, new);

    let other = certificate(folder.path(), "other", &["other.test"]);
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let at = |name: &str| folder.path().join(name);
    let mixed = CertificateFile {
        chain: file.chain.clone(),
        key: other.key.clone(),
    };
    let missing = CertificateFile {
        chain: at("nowhere.pem"),
        key: other.key.clone(),
    };
    let swapped = CertificateFile {
        chain: other.key.clone(),
        key: other.chain.clone(),
    };
    let empty = CertificateFile {
        chain: at("empty"),
        key: at("empty"),
    };
    let check = async |files: &[CertificateFile], expected: &[&str]| {
        let problems = server.reload(files).unwrap_err();
        let place = format!("{}/", folder.path().display());
        let shown_problems: Vec<String> = problems
            .iter()
            .map(|problem| problem.to_string().replace(&place, ""))
            .collect();
        assert_eq!(shown_problems, expected);
        assert_eq!(shown(&server, "mx.test").await, new);
    };
    let none = "holds no certificate (a block that begins with -----BEGIN CERTIFICATE-----)";
    check(
        &[other.clone(), mixed, missing],
        &[
            "the key in other.key does not belong to the certificate in mx.pem",
            "cannot read nowhere.pem: No such file or directory (os error 2)",
        ],
    )
    .await;
    check(
        &[swapped, empty],
        &[&format!("other.key {none}"), &format!("empty {none}")],
    )
    .await;
    check(&[], &["no certificate is configured"]).await;
}

#[tokio::test]
async fn a_failed_handshake_ends_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerTls::load(&[certificate(folder.path(), "mx", &["mx.test"])]).unwrap();
    let (mut stream, task) = serve(&server, true);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    assert!(matches!(task.await.unwrap().0, Ending::Handshake(_)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_handshake_does_not_last() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerTls::load(&[certificate(folder.path(), "mx", &["mx.test"])]).unwrap();
    let (_stream, task) = serve(&server, true);
    let (ending, ..) = task.await.unwrap();
    assert!(ending.to_string().contains("in time"), "{ending}");
}

/// A service that keeps its own state gets the stream after the handshake, and lets go when the server stops.
#[tokio::test]
async fn a_service_that_is_no_machine_gets_the_encrypted_stream() {
    let folder = tempfile::tempdir().unwrap();
    let file = certificate(folder.path(), "web", &["web.example.test"]);
    let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listener.addresses()[0];
    let door = Door {
        name: "web".to_owned(),
        tls: Some(ServerTls::load(&[file]).unwrap()),
        implicit: true,
        gate: Gate::new(10, vec![]),
        per_source: 10,
        refusal: b"",
    };
    let stopper = Stopper::new();
    let echo = |_, mut stream: congvu_net::Stream, _| async move {
        let mut octets = [0; 5];
        stream.read_exact(&mut octets).await.unwrap();
        stream.write_all(&octets).await.unwrap();
        stream.flush().await.unwrap();
        // Never ends by itself: the stop cuts it.
        std::future::pending::<()>().await;
    };
    let serving = tokio::spawn(listener.serve_streams(door, echo, stopper.signal()));
    // One without a handshake does not disturb the other.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "web.example.test".try_into().unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(rustls_client())
        .connect(name, stream)
        .await
        .unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut octets = [0; 5];
    stream.read_exact(&mut octets).await.unwrap();
    assert_eq!(&octets, b"hello");
    assert!(!stopper.stop(Duration::from_millis(10)).await);
    serving.await.unwrap();
    assert!(matches!(stream.read(&mut octets).await, Ok(0) | Err(_)));
}
