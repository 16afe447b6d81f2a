//! A scripted mail server: it answers as usual unless a rule says otherwise, and tells what it heard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What a rule says about one line: the reply, `CLOSE` to hang up, `None` for the usual.
pub(crate) type Rule = dyn Fn(usize, &str) -> Option<String> + Send + Sync;

/// Hang up instead of answering.
pub(crate) const CLOSE: &str = "CLOSE";

/// Say nothing, ever.
pub(crate) const SILENCE: &str = "SILENCE";

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
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let rule: Arc<Rule> = Arc::new(rule);
        let count = AtomicUsize::new(0);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(serve(stream, number, Arc::clone(&rule), tell.clone()));
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
}

async fn serve(
    stream: TcpStream,
    number: usize,
    rule: Arc<Rule>,
    tell: mpsc::UnboundedSender<(usize, String)>,
) {
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
            "DATA" => "354 go",
            "QUIT" => "221 2.0.0 bye",
            _ => "250 2.0.0 fine",
        };
        lmtp |= verb == "LHLO";
        let reply = rule(number, &line).unwrap_or_else(|| usual.to_owned());
        match reply.as_str() {
            CLOSE => return,
            SILENCE => std::future::pending().await,
            _ => {}
        }
        match verb.as_str() {
            "MAIL" => recipients = 0,
            "RCPT" if reply.starts_with('2') => recipients += 1,
            _ => {}
        }
        // LMTP: one reply a recipient, which the rule gives all at once or which is the same for all.
        let times = if verb == "MESS" && lmtp && !reply.contains('\n') {
            recipients
        } else {
            1
        };
        for _ in 0..times {
            if stream
                .write_all(format!("{reply}\r\n").as_bytes())
                .await
                .is_err()
            {
                return;
            }
        }
        if verb == "QUIT" {
            return;
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

async fn message(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n.\r\n") && octets != b".\r\n" {
        octets.push(stream.read_u8().await.ok()?);
    }
    octets.truncate(octets.len() - 3);
    Some(String::from_utf8_lossy(&octets).replace("\r\n..", "\r\n."))
}
