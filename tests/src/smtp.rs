//! A small SMTP and LMTP client for tests. It says what it is told, also what no proper client would.

use std::io;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::Connection;

/// A reply: its code and all its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Reply code; 0 when the connection ended instead.
    pub code: u16,
    /// Text of all lines, joined with line ends.
    pub text: String,
}

/// One SMTP connection after its banner.
pub struct Smtp {
    /// The connection underneath.
    pub connection: Connection,
}

impl Smtp {
    /// Connects in clear and reads the banner.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        let mut smtp = Self {
            connection: Connection::plain(address)?,
        };
        smtp.reply()?;
        Ok(smtp)
    }

    /// Connects with implicit TLS and reads the banner.
    ///
    /// # Errors
    /// Those of the socket and the handshake.
    pub fn tls(address: SocketAddr) -> io::Result<Self> {
        let mut smtp = Self {
            connection: Connection::tls(address)?,
        };
        smtp.reply()?;
        Ok(smtp)
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut text = String::new();
        while let Some(line) = self.connection.read_line()? {
            let code = line
                .get(..3)
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0);
            text.push_str(line.get(4..).unwrap_or_default());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, text });
            }
            text.push('\n');
        }
        Ok(Reply { code: 0, text })
    }

    /// Sends a command and reads the reply.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn command(&mut self, text: &str) -> io::Result<Reply> {
        self.connection.line(text)?;
        self.reply()
    }

    /// AUTH PLAIN with an initial response.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn login(&mut self, name: &str, password: &str) -> io::Result<Reply> {
        let response = STANDARD.encode(format!("\0{name}\0{password}"));
        self.command(&format!("AUTH PLAIN {response}"))
    }

    /// A whole transaction after EHLO; the reply that ended it. LMTP gets one reply a recipient; the
    /// last is returned.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn deliver(&mut self, from: &str, to: &[&str], message: &str) -> io::Result<Reply> {
        let reply = self.command(&format!("MAIL FROM:<{from}>"))?;
        if reply.code != 250 {
            return Ok(reply);
        }
        for address in to {
            let reply = self.command(&format!("RCPT TO:<{address}>"))?;
            if reply.code != 250 {
                return Ok(reply);
            }
        }
        let reply = self.command("DATA")?;
        if reply.code != 354 {
            return Ok(reply);
        }
        let mut data = String::with_capacity(message.len() + 16);
        for line in message.lines() {
            if line.starts_with('.') {
                data.push('.');
            }
            data.push_str(line);
            data.push_str("\r\n");
        }
        data.push_str(".\r\n");
        self.connection.send(data.as_bytes())?;
        self.reply()
    }
}
