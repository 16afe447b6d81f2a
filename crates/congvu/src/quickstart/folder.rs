//! The folder of a quick start: its configuration file, certificate, data, and the passwords made.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::ports::Ports;
use crate::certificate;

/// Removed when dropped, unless it is kept.
pub(super) struct Folder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Folder {
    /// The folder to keep, made if missing, or a temporary one. Only its owner can look inside.
    pub(super) fn open(keep: Option<&Path>) -> io::Result<Self> {
        let Some(keep) = keep else {
            let temporary = tempfile::Builder::new().prefix("congvu-").tempdir()?;
            return Ok(Self {
                path: temporary.path().to_owned(),
                _temporary: Some(temporary),
            });
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(keep)?;
        Ok(Self {
            path: keep.canonicalize()?,
            _temporary: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path.join("congvu.toml")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.path.join("tls/self-signed.pem")
    }

    /// Addresses and passwords, so that a kept folder can be gone on with.
    pub(super) fn accounts(&self) -> PathBuf {
        self.path.join("accounts.txt")
    }

    /// Writes certificate and configuration; the latter anew each time, because ports may change.
    pub(super) fn write_config(&self, ports: &Ports) -> io::Result<PathBuf> {
        let names = [
            "localhost",
            "127.0.0.1",
            "::1",
            "mail.xa-binhminh.test",
            "mail.so-noivu.test",
        ];
        let certificate = certificate::self_signed(&self.path.join("tls"), &names)?;
        let here = self.path.display();
        let listener = |kind: &str, port: u16| {
            format!("\n[[listener]]\nkind = \"{kind}\"\naddresses = [\"127.0.0.1:{port}\"]\n")
        };
        let text = format!(
            "# Made by congvu quickstart, anew at each of its starts.\n\
             [server]\nhostname = \"localhost\"\ndata = \"{here}/data\"\n\n\
             [control]\nsocket = \"{here}/control.sock\"\n\n[log]\nlevel = \"error\"\n{}{}{}{}{}{}{}\n\
             [filter]\nweb-url = \"https://127.0.0.1:{}\"\n\n\
             [[tls.certificate]]\nchain = \"{}\"\nkey = \"{}\"\n",
            listener("mx", ports.mx),
            listener("submission", ports.submission),
            listener("submissions", ports.submissions),
            listener("lmtp", ports.lmtp),
            listener("imap", ports.imap),
            listener("imaps", ports.imaps),
            listener("web", ports.web),
            ports.web,
            certificate.chain.display(),
            certificate.key.display(),
        );
        fs::write(self.config(), text)?;
        Ok(self.config())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_configuration_made_is_a_good_one() {
        let outside = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(&outside.path().join("kept"))).unwrap();
        assert_eq!(
            fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let path = folder.write_config(&Ports::choose(None).unwrap()).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!(config.listeners.len(), 7);
        assert!(
            config
                .listeners
                .iter()
                .all(|l| l.addresses.iter().all(|a| a.ip().is_loopback()))
        );
    }

    #[test]
    fn a_temporary_folder_goes_with_its_value() {
        let folder = Folder::open(None).unwrap();
        let path = folder.path().to_owned();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
