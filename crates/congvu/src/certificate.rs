//! A self-signed certificate for a server that has none yet, so that nothing ever travels in clear
//! text for want of one. Mail programs warn about it until the administrator sets a real one.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use congvu_net::tls::CertificateFile;

/// The certificate in `folder` for these names (host names and addresses), made now if it is not
/// there. Blocking.
pub(crate) fn self_signed(folder: &Path, names: &[&str]) -> io::Result<CertificateFile> {
    let file = CertificateFile {
        chain: folder.join("self-signed.pem"),
        key: folder.join("self-signed.key"),
    };
    if file.chain.exists() && file.key.exists() {
        return Ok(file);
    }
    fs::create_dir_all(folder)?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    // The key first: a certificate without its key would look complete at the next start.
    write(&file.key, 0o600, &made.signing_key.serialize_pem())?;
    write(&file.chain, 0o644, &made.cert.pem())?;
    Ok(file)
}

fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use congvu_net::tls::ServerTls;

    use super::*;

    #[test]
    fn is_made_once_and_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = self_signed(folder.path(), &["mail.so-noivu.test", "127.0.0.1"]).unwrap();
        let first = fs::read(&file.chain).unwrap();
        assert_eq!(
            self_signed(folder.path(), &["mail.so-noivu.test"]).unwrap(),
            file
        );
        assert_eq!(fs::read(&file.chain).unwrap(), first);
        assert_eq!(
            fs::metadata(&file.key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(ServerTls::load(&[file]).is_ok());
    }
}
