//! The control socket: requests to the running server over a Unix socket.
//!
//! A frame is a length of four octets, big-endian, and JSON: a [`Request`] one way, a [`Reply`] or
//! [`Refusal`] the other. Requests and answers that carry messages are followed by their octets, as many
//! as they say. Only the user that runs the server, root, and the members of one group if so
//! configured get an answer: the socket's mode says so, and the kernel's word on who is at the other end is asked as well.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::audit::Who;
use crate::error::{Error, Refusal, Result};
use crate::mail::desk::{Desk, Payload};
use crate::mail::{MailReply, MailRequest};
use crate::open::{login_of, user_name};
use crate::perform::Admin;
use crate::reply::Reply;
use crate::request::Request;

/// Largest frame: an import of five thousand accounts has about one MiB.
const FRAME: usize = 64 << 20;
/// Connections served at once; more wait.
const CONNECTIONS: usize = 32;
/// A client that connected says what it wants within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same between two requests of one that moves messages: as long as the slowest server may take.
const MOVING: Duration = Duration::from_hours(1);

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Reply(Box<Reply>),
    Refusal(Refusal),
}

/// Who may give orders besides root.
#[derive(Debug, Clone)]
struct Allowed {
    owner: u32,
    group: Option<Group>,
}

/// A group of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    id: u32,
    members: Vec<String>,
}

impl Allowed {
    fn includes(&self, uid: u32, gid: u32) -> bool {
        let in_group = |group: &Group| {
            group.id == gid || user_name(uid).is_some_and(|user| group.members.contains(&user))
        };
        uid == 0 || uid == self.owner || self.group.as_ref().is_some_and(in_group)
    }
}

/// The system's list of groups.
const GROUPS: &str = "/etc/group";

/// Whether the system has a group of this name, as [`ControlSocket::bind`] will want.
pub fn group_exists(name: &str) -> bool {
    std::fs::read_to_string(GROUPS).is_ok_and(|list| group_named(&list, name).is_some())
}

/// Finds a group in the system's list.
fn group_named(list: &str, name: &str) -> Option<Group> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let id = fields.nth(1)?.parse().ok()?;
        let members = fields
            .next()
            .unwrap_or("")
            .split(',')
            .filter(|m| !m.is_empty());
        Some(Group {
            id,
            members: members.map(str::to_owned).collect(),
        })
    })
}

/// The server's end. Removes its file when dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    allowed: Allowed,
}

impl ControlSocket {
    /// Creates the socket: mode 0600, or 0660 for the members of a system group. What a crashed server left
    /// in its place is removed: whoever calls this holds the store, so no other server is alive. The folder
    /// must exist.
    pub fn bind(path: &Path, group: Option<&str>) -> io::Result<Self> {
        let group = match group {
            None => None,
            Some(name) => {
                let list = std::fs::read_to_string(GROUPS)?;
                let found = group_named(&list, name);
                let missing = || {
                    io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("no group {name} on this machine"),
                    )
                };
                Some(found.ok_or_else(missing)?)
            }
        };
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
            Ok(_) => {
                let message = format!("{} exists and is not a socket", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        let mode = if let Some(group) = &group {
            std::os::unix::fs::chown(path, None, Some(group.id))?;
            0o660
        } else {
            0o600
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        let owner = std::fs::metadata(path)?.uid();
        Ok(Self {
            listener,
            path: path.to_owned(),
            allowed: Allowed { owner, group },
        })
    }

    /// Serves until dropped.
    pub async fn serve(&self, admin: Admin) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (admin, allowed) = (admin.clone(), self.allowed.clone());
                    tokio::spawn(async move {
                        let _place = place;
                        if let Err(error) = connection(stream, &admin, &allowed).await {
                            tracing::debug!(%error, "control connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Out of descriptors: others must close theirs first.
                    tracing::warn!(%error, "control socket cannot accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Already gone is fine; anything else the next start deals with.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves one connection: any number of requests, one after another.
async fn connection(mut stream: UnixStream, admin: &Admin, allowed: &Allowed) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let uid = peer.uid();
    if !allowed.includes(uid, peer.gid()) {
        tracing::warn!(uid, "control connection refused");
        return Ok(());
    }
    let who = Who {
        uid,
        user: user_name(uid),
        login: peer.pid().and_then(|pid| login_of(&pid.to_string())),
        via: "socket".to_owned(),
    };
    let mut desk = Desk::new(admin.clone(), who.clone());
    let ended = requests(&mut stream, admin, &who, &mut desk).await;
    desk.broken_off().await;
    ended
}

async fn requests(
    stream: &mut UnixStream,
    admin: &Admin,
    who: &Who,
    desk: &mut Desk,
) -> io::Result<()> {
    loop {
        // Whoever moves messages waits for other servers in between.
        let patience = if desk.is_open() { MOVING } else { PATIENCE };
        let read = tokio::time::timeout(patience, receive::<Request>(stream)).await;
        let Ok(Some(request)) = read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? else {
            return Ok(());
        };
        let mut octets = Vec::new();
        let outcome = match request {
            Request::Mail(request) => {
                let mut payload = Payload::stream(stream, request.payload());
                let outcome = desk.perform(request, &mut payload).await;
                payload.skip().await?;
                outcome.map(|(reply, following)| {
                    octets = following;
                    Reply::Mail(reply)
                })
            }
            request => admin.perform(who, request).await,
        };
        let answer = match outcome {
            Ok(reply) => Answer::Reply(Box::new(reply)),
            Err(error) => Answer::Refusal(error.into()),
        };
        send(stream, &answer).await?;
        stream.write_all(&octets).await?;
        stream.flush().await?;
    }
}

async fn send<T: Serialize>(stream: &mut UnixStream, value: &T) -> io::Result<()> {
    let octets = serde_json::to_vec(value)?;
    let length =
        u32::try_from(octets.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&octets).await?;
    stream.flush().await
}

/// One frame; `None` when the other side has closed.
async fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "frame too large",
        ));
    }
    // Grows as octets come, so that a claimed length alone takes no memory.
    let mut octets = Vec::new();
    stream.take(length as u64).read_to_end(&mut octets).await?;
    if octets.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&octets)?))
}

/// The client's end.
#[derive(Debug)]
pub struct Client(UnixStream);

impl Client {
    /// Connects to a running server.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self(UnixStream::connect(path).await?))
    }

    /// Asks. A refusal comes back as [`Error::Refused`].
    pub async fn request(&mut self, request: &Request) -> Result<Reply> {
        let broken =
            |e: &dyn std::fmt::Display| Error::Unreachable(format!("the server broke off: {e}"));
        send(&mut self.0, request).await.map_err(|e| broken(&e))?;
        match receive(&mut self.0).await.map_err(|e| broken(&e))? {
            Some(Answer::Reply(reply)) => Ok(*reply),
            Some(Answer::Refusal(refusal)) => Err(Error::Refused(refusal)),
            None => Err(broken(&"it closed the connection without an answer")),
        }
    }

    /// Asks about messages: `payload` follows the request, and what comes after the answer is given back.
    pub(crate) async fn mail(
        &mut self,
        request: MailRequest,
        payload: &[Vec<u8>],
    ) -> Result<(MailReply, Vec<u8>)> {
        let broken = |e: io::Error| Error::Unreachable(format!("the server broke off: {e}"));
        send(&mut self.0, &Request::Mail(request))
            .await
            .map_err(broken)?;
        for octets in payload {
            self.0.write_all(octets).await.map_err(broken)?;
        }
        self.0.flush().await.map_err(broken)?;
        match receive(&mut self.0).await.map_err(broken)? {
            Some(Answer::Reply(reply)) => {
                let Reply::Mail(reply) = *reply else {
                    return Err(Error::Unreachable(
                        "the server gave another kind of answer than was asked for".to_owned(),
                    ));
                };
                let mut octets = Vec::new();
                if let MailReply::Octets(count) = reply {
                    let mut rest = (&mut self.0).take(count);
                    rest.read_to_end(&mut octets).await.map_err(broken)?;
                    if octets.len() as u64 != count {
                        return Err(broken(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
                Ok((reply, octets))
            }
            Some(Answer::Refusal(refusal)) => Err(Error::Refused(refusal)),
            None => Err(broken(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_give_orders() {
        let list = "root:x:0:\nbroken\nmail-admin:x:1200:an,binh\nempty:x:7:\n";
        let group = group_named(list, "mail-admin").unwrap();
        assert_eq!(
            group,
            Group {
                id: 1200,
                members: vec!["an".into(), "binh".into()]
            }
        );
        assert!(group_named(list, "empty").unwrap().members.is_empty());
        assert_eq!(group_named(list, "mail"), None);
        let alone = Allowed {
            owner: 990,
            group: None,
        };
        let shared = Allowed {
            group: Some(group),
            ..alone.clone()
        };
        for (uid, gid, without, with) in [
            (0, 0, true, true),
            (990, 5, true, true),
            (54321, 5, false, false),
            (54321, 1200, false, true),
        ] {
            assert_eq!(alone.includes(uid, gid), without, "{uid} {gid}");
            assert_eq!(shared.includes(uid, gid), with, "{uid} {gid}");
        }
    }
}
