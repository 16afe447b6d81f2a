//! A scripted mail server: it answers as usual unless a rule says otherwise, and tells what it heard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What a rule says about one line: the reply, which may end with a line that is one of the acts below;
/// `None` for the usual.
pub(crate) type Rule = dyn Fn(usize, &str) -> Option<String> + Send + Sync;

/// Hang up instead of answering.
pub(crate) const CLOSE: &str = "CLOSE";

/// Reset the connection instead of answering.
pub(crate) const RESET: &str = "RESET";

/// Reset the connection once a part of the message has come.
pub(crate) const MIDWAY: &str = "MIDWAY";

/// Say nothing, ever.
pub(crate) const SILENCE: &str = "SILENCE";

/// Say something that never ends, an octet at a time.
pub(crate) const TRICKLE: &str = "TRICKLE";

/// A server on the loopback; dropped = gone.
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    heard: mpsc::UnboundedReceiver<(usize, String)>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Remote {
    /// At any free port of 127.0.0.1.
    pub(crate) async fn start(
        rule: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::at("127.0.0.1:0", rule).await
    }

    pub(crate) async fn at(
        address: &str,
        rule: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(address, None, rule).await
    }

    /// One that begins TLS when it answers STARTTLS with 220.
    pub(crate) async fn secure(
        tls: TlsAcceptor,
        rule: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::listen("127.0.0.1:0", Some(tls), rule).await
    }

    async fn listen(
        address: &str,
        tls: Option<TlsAcceptor>,
        rule: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let rule: Arc<Rule> = Arc::new(rule);
        let count = AtomicUsize::new(0);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let (rule, tell) = (Arc::clone(&rule), tell.clone());
                tokio::spawn(serve(stream, tls.clone(), number, rule, tell));
            }
        });
        Self {
            address,
            heard,
            task,
        }
    }

    /// The next line heard that begins with `start`, with the number of its connection.
    pub(crate) async fn hear(&mut self, start: &str) -> (usize, String) {
        loop {
            let (number, line) = self.heard.recv().await.expect("the server lives");
            if line.starts_with(start) {
                return (number, line);
            }
        }
    }

    /// The next message: everything after DATA, dots removed.
    pub(crate) async fn message(&mut self) -> String {
        self.hear("MESSAGE ").await.1["MESSAGE ".len()..].to_owned()
    }

    /// All lines heard so far that were not asked for yet.
    pub(crate) fn heard(&mut self) -> Vec<(usize, String)> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

trait Octets: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Octets for T {}

type Stream = BufReader<Box<dyn Octets>>;

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    number: usize,
    rule: Arc<Rule>,
    tell: mpsc::UnboundedSender<(usize, String)>,
) {
    let stream = stream.into_std().unwrap();
    let knob = socket2::Socket::from(stream.try_clone().unwrap());
    let stream: Box<dyn Octets> = Box::new(TcpStream::from_std(stream).unwrap());
    let mut stream = BufReader::new(stream);
    let mut recipients = 0;
    let mut lmtp = false;
    let mut line = "CONNECT".to_owned();
    loop {
        let _ = tell.send((number, line.clone()));
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let usual = match verb.as_str() {
            "CONN" => "220 fake.test ESMTP",
            "EHLO" | "LHLO" => {
                "250-fake.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES"
            }
            "STAR" => "220 2.0.0 go",
            "AUTH" => "235 2.7.0 welcome",
            "DATA" => "354 go",
            "QUIT" => "221 2.0.0 bye",
            _ => "250 2.0.0 fine",
        };
        lmtp |= verb == "LHLO";
        let reply = rule(number, &line).unwrap_or_else(|| usual.to_owned());
        let (reply, act) = match reply.rsplit_once("\r\n") {
            Some((reply, act)) if is_act(act) => (reply, act),
            _ if is_act(&reply) => ("", reply.as_str()),
            _ => (reply.as_str(), ""),
        };
        match verb.as_str() {
            "MAIL" => recipients = 0,
            "RCPT" if reply.starts_with('2') => recipients += 1,
            _ => {}
        }
        // LMTP: one reply a recipient, which the rule gives all at once or which is the same for all.
        let times = match verb.as_str() {
            _ if reply.is_empty() => 0,
            "MESS" if lmtp && !reply.contains('\n') && act.is_empty() => recipients,
            _ => 1,
        };
        for _ in 0..times {
            let said = stream.write_all(format!("{reply}\r\n").as_bytes()).await;
            if said.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
        match act {
            CLOSE => return,
            RESET | MIDWAY => {
                if act == MIDWAY {
                    let mut some = vec![0; 64 * 1024];
                    let _ = stream.read_exact(&mut some).await;
                }
                // Both descriptors go with the end of this task; the last one resets.
                knob.set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
            SILENCE => std::future::pending().await,
            TRICKLE => return trickle(stream).await,
            _ => {}
        }
        if verb == "QUIT" {
            return;
        }
        if let ("STAR", true, Some(tls)) = (verb.as_str(), reply.starts_with("220"), &tls) {
            match tls.accept(stream.into_inner()).await {
                Ok(secured) => stream = BufReader::new(Box::new(secured)),
                Err(_) => return,
            }
        }
        line = if verb == "DATA" && reply.starts_with("354") {
            match message(&mut stream).await {
                Some(message) => format!("MESSAGE {message}"),
                None => return,
            }
        } else {
            let mut next = Vec::new();
            match stream.read_until(b'\n', &mut next).await {
                Ok(1..) => String::from_utf8_lossy(&next).trim_end().to_owned(),
                _ => return,
            }
        };
    }
}

fn is_act(line: &str) -> bool {
    [CLOSE, RESET, MIDWAY, SILENCE, TRICKLE].contains(&line)
}

/// A reply that stays below every limit of a line for a long time, and is never complete.
async fn trickle(mut stream: Stream) {
    loop {
        for octet in b"250-still here\r\n" {
            if stream.write_all(&[*octet]).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn message(stream: &mut Stream) -> Option<String> {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n.\r\n") && octets != b".\r\n" {
        octets.push(stream.read_u8().await.ok()?);
    }
    octets.truncate(octets.len() - 3);
    Some(String::from_utf8_lossy(&octets).replace("\r\n..", "\r\n."))
}
