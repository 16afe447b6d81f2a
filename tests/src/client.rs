//! A blocking connection for tests: lines and octets, in clear or over TLS (any certificate accepted).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::PATIENCE;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Gone,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => match stream.read(buffer) {
                // A server that is killed closes without a TLS alert: for a test that is the end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
            Self::Gone => Ok(0),
        }
    }
}

/// One connection to a server under test.
pub struct Connection {
    reader: BufReader<Stream>,
    /// Everything said by both sides, for failure messages.
    pub transcript: String,
}

impl Connection {
    /// Connects in clear.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::new(Stream::Plain(stream)),
            transcript: String::new(),
        })
    }

    /// Connects with implicit TLS.
    ///
    /// # Errors
    /// Those of the socket or the handshake.
    pub fn tls(address: SocketAddr) -> io::Result<Self> {
        let mut connection = Self::plain(address)?;
        connection.start_tls()?;
        Ok(connection)
    }

    /// Does the handshake after STARTTLS.
    ///
    /// # Errors
    /// Those of the handshake.
    pub fn start_tls(&mut self) -> io::Result<()> {
        let Stream::Plain(mut stream) = std::mem::replace(self.reader.get_mut(), Stream::Gone)
        else {
            return Err(io::Error::other("already encrypted"));
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(config(), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        *self.reader.get_mut() = Stream::Tls(Box::new(StreamOwned::new(tls, stream)));
        Ok(())
    }

    /// Sends octets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.transcript.push_str("C: ");
        self.transcript
            .push_str(String::from_utf8_lossy(&octets[..octets.len().min(500)]).trim_end());
        self.transcript.push('\n');
        match self.reader.get_mut() {
            Stream::Plain(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Stream::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Stream::Gone => Err(io::Error::other("connection is gone")),
        }
    }

    /// Sends a line.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.send(format!("{text}\r\n").as_bytes())
    }

    /// Reads a line without its CRLF; `None` at the end.
    ///
    /// # Errors
    /// Those of the socket; a time-out after [`PATIENCE`].
    pub fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        while line
            .last()
            .is_some_and(|octet| matches!(octet, b'\r' | b'\n'))
        {
            line.pop();
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        self.transcript.push_str("S: ");
        self.transcript.push_str(&text);
        self.transcript.push('\n');
        Ok(Some(text))
    }

    /// Reads exactly `len` octets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn read_octets(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut octets = vec![0; len];
        self.reader.read_exact(&mut octets)?;
        Ok(octets)
    }
}

fn config() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has the default protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

/// Accepts any certificate: the servers under test sign their own.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
