//! Writes header and summary of every letter in a folder into its subfolder `front`: what the store's dictionary for
//! fronts is trained from (`docs/format.md`).

use std::path::Path;

use congvu_message::{header, summarize};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = Path::new(&folder);
    let to = folder.join("front");
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            let raw = std::fs::read(&path)?;
            let front = [&raw[..header::body_start(&raw)], &summarize(&raw).encode()];
            std::fs::write(to.join(name), front.concat())?;
        }
    }
    Ok(())
}
