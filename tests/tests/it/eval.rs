//! `congvu spam eval` and `congvu spam explain`: the built program measures made-up mail. No server runs.

use std::fs;
use std::path::Path;

use congvu_letters::corpus::{Size, write};
use congvu_letters::{Generator, House};
use congvu_tests::program::{self, Output, run};
use serde_json::Value;

fn congvu(args: &[&str]) -> Output {
    run(&program::congvu().to_string_lossy(), args, "")
}

/// A corpus of 80 ham and 40 spam.
fn corpus(folder: &Path, house: House) {
    let size = Size {
        ham: 80,
        spam: 40,
        from: 0,
        form: None,
    };
    write(folder, &Generator::new(house, 4), size).expect("write");
}

fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

#[test]
fn every_protocol_is_measured() {
    let (here, there) = (
        tempfile::tempdir().expect("folder"),
        tempfile::tempdir().expect("folder"),
    );
    corpus(here.path(), House::A);
    corpus(there.path(), House::B);
    let (folder, manifest) = (text(here.path()), text(&here.path().join("order.tsv")));
    let train = text(&there.path().join("order.tsv"));
    // Options, how many are measured, how many were learned.
    for (options, measured, learned) in [
        (vec![folder.as_str()], 60, Some(60)),
        (vec![&folder, "--split", "--seed", "7"], 60, Some(60)),
        (vec![&manifest, "--online"], 120, Some(120)),
        (vec![&manifest, "--online", "--delay", "100"], 120, Some(20)),
        (
            vec![&manifest, "--online", "--noise", "0.05"],
            120,
            Some(120),
        ),
        (vec![&folder, "--online", "--feedback", "0.5"], 120, None),
        (vec![&folder, "--after", &train], 120, Some(120)),
        (
            vec![&manifest, "--cross", &train, "--local", "40"],
            80,
            Some(40),
        ),
        (vec![&folder, "--full"], 60, Some(60)),
    ] {
        let mut args = vec!["--json", "spam", "eval"];
        args.extend(&options);
        let said = congvu(&args).expect("eval");
        let value: Value = serde_json::from_str(&said).expect("JSON");
        let measures = &value["measures"];
        let count = |name: &str| measures[name].as_u64().expect("a count");
        assert_eq!(
            count("ham") + count("spam"),
            measured,
            "{options:?} {value}"
        );
        let told = value["learned"].as_u64().expect("a count");
        match learned {
            Some(learned) => assert_eq!(told, learned, "{options:?}"),
            None => assert!((1..120).contains(&told), "{options:?} {told}"),
        }
        let roca = measures["roca"].as_f64().expect("a figure");
        assert!((0.0..60.0).contains(&roca), "{options:?} {value}");
        assert_eq!(measures["thresholds"].as_array().map(Vec::len), Some(3));
        for name in ["missed_at_tenth", "missed_at_one", "calibration"] {
            assert!(measures[name].is_f64(), "{name} {value}");
        }
        assert!(value["messages_per_cpu_second"].as_f64() > Some(1.0));
        assert!(value["peak_memory"].as_u64() > Some(1 << 20));
        assert!(value["seed"].is_u64());
        let mut again: Value = serde_json::from_str(&congvu(&args).expect("eval")).expect("JSON");
        assert_eq!(
            again["measures"].take(),
            *measures,
            "the same seed: the same figures"
        );
    }
}

#[test]
fn what_is_told_to_people() {
    let here = tempfile::tempdir().expect("folder");
    corpus(here.path(), House::A);
    let folder = text(here.path());
    let curve = here.path().join("curve.svg");
    let said = congvu(&[
        "spam",
        "eval",
        &folder,
        "--wrong",
        "2",
        "--curve",
        &text(&curve),
    ]);
    let said = said.expect("eval");
    for part in [
        "ham 40, spam 20; learned 60",
        "1-ROCA%",
        "threshold",
        "judged most wrongly:",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let named = said.lines().filter(|line| line.contains(".eml")).count();
    assert_eq!(named, 4, "{said}");
    let drawn = fs::read_to_string(&curve).expect("curve");
    assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));

    // The letter that ranks worst is explained, with and without having learned the others.
    let worst = said
        .lines()
        .find(|line| line.contains(".eml"))
        .expect("one");
    let letter = here
        .path()
        .join(worst.split_whitespace().last().expect("a path"));
    let letter = text(&letter);
    let explained = congvu(&["spam", "explain", &letter]).expect("explain");
    assert!(
        explained.contains("log-odds") && !explained.contains("WORDS_"),
        "{explained}"
    );
    let explained = congvu(&[
        "--json",
        "spam",
        "explain",
        &letter,
        "--trained-on",
        &folder,
    ]);
    let value: Value = serde_json::from_str(&explained.expect("explain")).expect("JSON");
    let evidence = value["evidence"].as_array().expect("a list");
    let words = evidence.iter().find(|one| {
        one["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("WORDS_"))
    });
    let words = words.expect("the statistics speak");
    for name in ["vi", "en", "family"] {
        assert!(
            words[name].as_str().is_some_and(|text| !text.is_empty()),
            "{words}"
        );
    }
    let listed = value["words"].as_array().expect("a list");
    assert!(!listed.is_empty() && listed.len() <= 12, "{value}");
    assert!(
        listed
            .iter()
            .all(|word| word["text"].is_string() && word["weight"].is_f64())
    );
}

#[test]
fn what_cannot_be_measured() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    let put = |name: &str, text: &[u8]| fs::write(at(name), text).expect("write");
    fs::create_dir(at("empty")).expect("folder");
    fs::create_dir_all(at("ham only/ham")).expect("folder");
    put("ham only/ham/1.eml", b"Subject: a\r\n\r\nb\r\n");
    put("labels.txt", b"path\tlabel\n");
    put("gone.tsv", b"ham\tham/1.eml\nspam\tspam/1.eml\n");
    put("octets.tsv", b"ham\t\xFF\n");
    for (corpus, more, code, part) in [
        ("none", vec![], 1, "none"),
        ("empty", vec![], 1, "no messages"),
        ("labels.txt", vec![], 1, "no messages"),
        ("ham only", vec![], 1, "only ham"),
        ("ham only", vec!["--online"], 1, "only ham"),
        ("gone.tsv", vec!["--online"], 1, "ham/1.eml"),
        ("octets.tsv", vec![], 1, "octets.tsv"),
        ("ham only", vec!["--noise", "2"], 2, "0 to 1"),
        ("ham only", vec!["--local", "5"], 2, "--cross"),
        ("ham only", vec!["--split", "--online"], 2, "cannot be used"),
        (
            "ham only",
            vec!["--delay", "5", "--split"],
            2,
            "cannot be used",
        ),
    ] {
        let path = text(&at(corpus));
        let mut args = vec!["spam", "eval", path.as_str()];
        args.extend(&more);
        let output = congvu(&args);
        assert_eq!(output.code, code, "{args:?} {}", output.all());
        assert!(output.stderr.contains(part), "{args:?} {}", output.stderr);
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    // One class is enough to be measured by what was learned elsewhere; a curve needs a place.
    let other = tempfile::tempdir().expect("folder");
    corpus(other.path(), House::B);
    let (ham, train) = (text(&at("ham only")), text(other.path()));
    let said = congvu(&["spam", "eval", &ham, "--cross", &train]).expect("eval");
    assert!(said.contains("1-ROCA%                  -"), "{said}");
    let nowhere = text(&at("no/where.svg"));
    let output = congvu(&["spam", "eval", &train, "--curve", &nowhere]);
    assert_eq!(output.code, 1, "{}", output.all());
    let output = congvu(&["spam", "explain", &text(&at("none.eml"))]);
    assert_eq!(output.code, 1, "{}", output.all());
}
