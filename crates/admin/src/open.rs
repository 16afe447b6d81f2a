//! Reaching what is to be administered: the running server through its socket, or the store itself when no
//! server runs. The store's own lock decides which it is.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use congvu_directory::Directory;
use congvu_store::{Options, Report, Store};

use crate::audit::Who;
use crate::control::Client;
use crate::error::{Error, Result};
use crate::mail::desk::{Desk, Payload};
use crate::mail::{MailReply, MailRequest};
use crate::perform::Admin;
use crate::reply::Reply;
use crate::request::Request;

/// A way to have requests performed.
pub enum Connection {
    /// By the running server.
    Server(Client),
    /// Here, alone with the store.
    Local(Box<Admin>, Who),
}

/// A connection over which messages are moved.
pub(crate) enum MailDoor {
    /// To the running server.
    Server(Client),
    /// Here.
    Local(Box<Desk>),
}

impl MailDoor {
    /// Asks; `payload` is what the request says that follows. What follows the answer comes with it.
    pub(crate) async fn ask(
        &mut self,
        request: MailRequest,
        payload: &[Vec<u8>],
    ) -> Result<(MailReply, Vec<u8>)> {
        match self {
            Self::Server(client) => client.mail(request, payload).await,
            Self::Local(desk) => {
                let mut payload = Payload::memory(payload);
                desk.perform(request, &mut payload).await
            }
        }
    }
}

impl Connection {
    /// Performs one request.
    pub async fn request(&mut self, request: Request) -> Result<Reply> {
        match self {
            Self::Server(client) => client.request(&request).await,
            Self::Local(admin, who) => admin.perform(who, request).await,
        }
    }

    /// A further connection, of which several may be used at once.
    pub(crate) async fn mail(&self, site: &Site) -> Result<MailDoor> {
        Ok(match self {
            Self::Server(_) => match site.server().await? {
                Some(Self::Server(client)) => MailDoor::Server(client),
                _ => {
                    return Err(Error::Unreachable(
                        "the server has ended meanwhile; run this again".to_owned(),
                    ));
                }
            },
            Self::Local(admin, who) => {
                MailDoor::Local(Box::new(Desk::new(admin.as_ref().clone(), who.clone())))
            }
        })
    }

    /// Ends it; a store opened here is closed cleanly.
    pub async fn close(self) -> Result<()> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Local(admin, _) => Ok(admin.directory().store().close().await?),
        }
    }
}

/// Where a store and its server are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The data folder.
    pub data: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
}

/// Connects: to the socket if a server answers there, else to the store in `data`.
pub async fn connect(data: &Path, socket: &Path, options: Options) -> Result<Connection> {
    let site = Site {
        data: data.to_owned(),
        socket: socket.to_owned(),
    };
    if let Some(server) = site.server().await? {
        return Ok(server);
    }
    let (connection, report) = site.open(move |path| Store::open(path, options)).await?;
    if let Some(why) = &report.rebuilt {
        tracing::warn!(why, "index rebuilt");
    }
    Ok(connection)
}

impl Site {
    /// The running server, if there is one.
    pub(crate) async fn server(&self) -> Result<Option<Connection>> {
        match Client::connect(&self.socket).await {
            Ok(client) => Ok(Some(Connection::Server(client))),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::Unreachable(format!(
                "cannot reach the server at {}: {error}; run this as root or as the user that runs congvu",
                self.socket.display()
            ))),
        }
    }

    /// Opens the store here, when no server runs, as the user that owns it.
    pub(crate) async fn open(
        &self,
        open: impl FnOnce(&Path) -> congvu_store::Result<(Store, Report)> + Send + 'static,
    ) -> Result<(Connection, Report)> {
        let (data, socket) = (&self.data, &self.socket);
        let folder = std::fs::metadata(data).map_err(|error| {
            Error::Unreachable(format!(
                "no server answers at {} and there is no store in {}: {error}; check the configuration, or create \
                 the folder for a new store",
                socket.display(),
                data.display()
            ))
        })?;
        let uid = own_uid()?;
        if folder.uid() != uid {
            let owner = user_name(folder.uid()).unwrap_or_else(|| format!("#{}", folder.uid()));
            return Err(Error::Unreachable(format!(
                "no server runs and the store in {} belongs to user {owner}; run this as that user (sudo -u {owner} \
                 congvu …), so that the server can still open its files",
                data.display()
            )));
        }
        let path = data.clone();
        let opened = tokio::task::spawn_blocking(move || open(&path))
            .await
            .map_err(|e| Error::Unreachable(format!("opening the store failed: {e}")))?;
        let (store, report) = match opened {
            Err(congvu_store::Error::Locked(_)) => {
                return Err(Error::Unreachable(format!(
                    "another process holds the store in {}, but does not answer at {}; it may be starting or ending: \
                     try again, and check that both use the same configuration",
                    data.display(),
                    socket.display()
                )));
            }
            other => other?,
        };
        let who = who_here(uid);
        let admin = Box::new(Admin::local(Directory::new(store)));
        Ok((Connection::Local(admin, who), report))
    }
}

/// Who runs this process.
pub(crate) fn who_here(uid: u32) -> Who {
    Who {
        uid,
        user: user_name(uid),
        login: login_of("self").or_else(|| std::env::var("SUDO_USER").ok()),
        via: "local".to_owned(),
    }
}

/// The effective user of this process.
pub(crate) fn own_uid() -> Result<u32> {
    let own = std::fs::metadata("/proc/self");
    Ok(own
        .map_err(|e| Error::Unreachable(format!("cannot read /proc/self: {e}")))?
        .uid())
}

/// The name of a user, from the system's list.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    named(&list, uid)
}

fn named(list: &str, uid: u32) -> Option<String> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Under which name somebody logged in to the machine to start this process. The kernel keeps it through
/// `su` and `sudo`; on machines that do not set it, it is not known.
pub(crate) fn login_of(process: &str) -> Option<String> {
    let login = std::fs::read_to_string(format!("/proc/{process}/loginuid")).ok()?;
    let uid: u32 = login.trim().parse().ok()?;
    (uid != u32::MAX).then(|| user_name(uid)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_number() {
        let list = "root:x:0:0:root:/root:/bin/bash\nbroken\ncongvu:x:990:990::/var/lib/congvu:/usr/sbin/nologin\n";
        assert_eq!(named(list, 990).as_deref(), Some("congvu"));
        assert_eq!(named(list, 0).as_deref(), Some("root"));
        assert_eq!(named(list, 5), None);
    }
}
