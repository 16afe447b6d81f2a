//! Measuring: corpora in both forms, every protocol, the same result for the same seed.

use std::fs;
use std::path::Path;

use congvu_spam::eval::{self, Corpus, Error, Order, Protocol, measure};
use congvu_spam::statistics::{Class, Model};

const WORK: [&str; 6] = [
    "báo cáo",
    "cuộc họp",
    "công văn",
    "kế hoạch",
    "đề nghị",
    "tiến độ",
];
const JUNK: [&str; 6] = [
    "nạp đầu",
    "nhận thưởng",
    "cược",
    "khuyến mãi",
    "vay nhanh",
    "trúng lớn",
];

/// A corpus of `count` letters of each class, made of words.
fn write(folder: &Path, count: usize, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut manifest = String::from("path\tlabel\n");
    for number in 0..count {
        for (name, words) in [("ham", WORK), ("spam", JUNK)] {
            let mut body = String::from("kính gửi");
            for _ in 0..20 {
                body.push(' ');
                body.push_str(random.choice(words).unwrap());
            }
            let path = format!("{name}/{number}.eml");
            fs::create_dir_all(folder.join(name)).unwrap();
            let raw = format!("From: a@b.example\r\nSubject: {number}\r\n\r\n{body}\r\n");
            fs::write(folder.join(&path), raw).unwrap();
            manifest += &[path.as_str(), name, "more\n"].join("\t");
        }
    }
    fs::write(folder.join("all.tsv"), manifest).unwrap();
}

fn of(folder: &Path) -> Corpus {
    Corpus::open(folder).unwrap()
}

#[test]
fn every_protocol_tells_them_apart() {
    let here = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir().unwrap();
    write(here.path(), 100, 1);
    write(there.path(), 50, 2);
    let cross = Order::Cross {
        train: of(there.path()),
        local: 60,
    };
    for (order, measured, learned) in [
        (Order::Split, 100, 100),
        (Order::Online, 200, 200),
        (
            Order::After {
                train: of(there.path()),
            },
            200,
            100,
        ),
        (cross, 140, 60),
    ] {
        for full in [false, true] {
            let protocol = Protocol {
                full,
                ..Protocol::new(order.clone())
            };
            let run = eval::run(of(here.path()), &protocol).unwrap();
            assert_eq!((run.scored.len(), run.learned), (measured, learned));
            let measures = measure(&run.scored, &[0.5]);
            assert!(measures.roca.unwrap() < 5.0, "{order:?} {measures:?}");
            let again = eval::run(of(here.path()), &protocol).unwrap();
            assert_eq!(run.scored, again.scored);
        }
    }
}

#[test]
fn labels_as_people_give_them() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 100, 1);
    let run = |noise, feedback, delay| {
        let protocol = Protocol {
            noise,
            feedback,
            delay,
            ..Protocol::new(Order::Online)
        };
        let run = eval::run(of(folder.path()), &protocol).unwrap();
        (measure(&run.scored, &[]).roca.unwrap(), run.learned)
    };
    let (right, learned) = run(0.0, 1.0, 0);
    assert_eq!(learned, 200);
    assert!(run(0.5, 1.0, 0).0 > right);
    let few = run(0.0, 0.1, 0).1;
    assert!((5..60).contains(&few), "{few}");
    // The last labels never come.
    let (late, learned) = run(0.0, 1.0, 150);
    assert_eq!(learned, 50);
    assert!(late > right);
}

#[test]
fn a_model_from_elsewhere_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 50, 1);
    let cross = |local| Order::Cross {
        train: of(folder.path()),
        local,
    };
    let run = |local| eval::run(of(folder.path()), &Protocol::new(cross(local))).unwrap();
    let strange = run(0);
    assert!(strange.scored.iter().all(|one| one.probability < 0.5));
    let measures = measure(&strange.scored, &[]);
    assert!(
        measures.roca.unwrap() < 1e-9,
        "it knows the order all the same"
    );
    let known = run(60);
    let mean = |class| {
        let of: Vec<f32> = known
            .scored
            .iter()
            .filter(|one| one.class == class)
            .map(|one| one.probability)
            .collect();
        of.iter().sum::<f32>() / f32::from(u16::try_from(of.len()).unwrap())
    };
    let (ham, spam) = (mean(Class::Ham), mean(Class::Spam));
    assert!(ham < 0.25 && spam > 0.25, "{ham} {spam}");
}

#[test]
fn a_manifest_is_a_corpus_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 10, 1);
    let corpus = of(&folder.path().join("all.tsv"));
    assert!(corpus.in_time);
    assert_eq!(corpus.entries.len(), 20);
    assert_eq!(corpus.entries[0].path, "ham/0.eml");
    let model = Model::default();
    eval::teach(&model, corpus, 1).unwrap();
    assert_eq!(model.learned(), (10, 10));
}

#[test]
fn what_is_no_corpus() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Corpus::open(folder.path()), Err(Error::Empty(_))));
    assert!(matches!(
        Corpus::open(&folder.path().join("none.tsv")),
        Err(Error::File { .. })
    ));
    fs::create_dir(folder.path().join("ham")).unwrap();
    fs::write(folder.path().join("ham/1"), "Subject: x\r\n\r\ny").unwrap();
    assert!(matches!(
        of(folder.path()).check(),
        Err(Error::OneSided { class: "ham", .. })
    ));
}
