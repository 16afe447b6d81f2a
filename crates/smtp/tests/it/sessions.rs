//! Plays every file of `tests/sessions`.

use std::path::Path;

use congvu_wire::transcript::Script;

use crate::{client_actor, server_actor};

fn play_all(
    machine: &str,
    play: impl Fn(&Script) -> Result<(), congvu_wire::transcript::Failure>,
) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut failures = Vec::new();
    let mut played = 0;
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let script = Script::parse(&text).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let is_client = name.starts_with("client-");
        if is_client != (machine == "client") {
            continue;
        }
        played += 1;
        if let Err(failure) = play(&script) {
            failures.push(format!("{name} {failure}"));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    played
}

#[test]
fn server_sessions() {
    let played = play_all("server", |script| {
        script.play(|| server_actor::server(script))
    });
    assert!(played >= 30, "only {played} transcripts were found");
}

#[test]
fn client_sessions() {
    let played = play_all("client", |script| {
        script.play(|| client_actor::client(script))
    });
    assert!(played >= 25, "only {played} transcripts were found");
}
