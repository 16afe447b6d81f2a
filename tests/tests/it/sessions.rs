//! Runs every transcript of `tests/sessions/`, each against a server of its own.

use std::fs;
use std::path::Path;

use congvu_tests::server::Server;
use congvu_tests::session;

#[test]
fn every_service_transcript_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("tests/sessions")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    files.sort();
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    let mut faults = Vec::new();
    for file in files {
        let server = Server::start();
        let text = fs::read_to_string(&file).expect("a transcript");
        if let Err(fault) = session::run(
            &text,
            &|name| server.try_listener(name),
            &server.variables(),
        ) {
            faults.push(format!("{}: {fault}", file.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
