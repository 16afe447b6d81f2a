//! `congvu spam …`: what the filter says of a letter and why, how good it is on sorted mail; what people taught it is
//! in `learn`.
//!
//! Exit codes: 0 done, 1 the corpus cannot be measured, 2 wrong usage.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use congvu_message::summarize;
use congvu_spam::eval::measure::{WORST, worst};
use congvu_spam::eval::{self, Corpus, Error, Measures, Order, Protocol};
use congvu_spam::facts::Learned;
use congvu_spam::statistics::words::{Word, heaviest};
use congvu_spam::statistics::{Model, features};
use congvu_spam::{Facts, Judgement, Letter, Thresholds, judge};
use serde_json::json;

use super::amount::size;
use super::table::{Table, plain};
use super::{REFUSED, learn};

/// Words shown of a letter.
const WORDS: usize = 12;

/// What can be done with the filter.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge a message file and say why, in Vietnamese and English. Nothing is learned or stored.
    Explain(ExplainArgs),
    /// Measure the filter on sorted mail. Nothing is learned or stored.
    Eval(EvalArgs),
    /// Teach the filter a letter, in the name of an account or of the house.
    #[command(subcommand)]
    Learn(learn::LearnVerb),
    /// Take back what the filter was taught.
    Forget(learn::ForgetArgs),
    /// What people said of letters, oldest first.
    Labels {
        /// Only this account.
        #[arg(long, value_name = "ADDRESS")]
        account: Option<String>,
    },
    /// What was learned: labels, how often the filter had been right, how far it is believed.
    Stats(learn::StatsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The message, as it was sent.
    file: PathBuf,
    /// Sorted mail that the statistics learn before: a folder with ham/ and spam/, or a TSV file.
    #[arg(long, value_name = "CORPUS")]
    trained_on: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A folder with ham/ and spam/, or a TSV file of labels and paths in time order.
    corpus: PathBuf,
    #[command(flatten)]
    order: OrderArgs,
    /// Messages of the corpus that are learned as this house's own, with --cross.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "cross")]
    local: usize,
    /// A label comes only so many messages after its letter, with --online or --cross.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with_all = ["split", "after"])]
    delay: usize,
    /// Share of labels that are wrong, 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    noise: f64,
    /// Share of letters that anybody labels, 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = share)]
    feedback: f64,
    /// Judge by all stages, not by the statistics alone.
    #[arg(long)]
    full: bool,
    /// For everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Name so many messages of each class that are judged most wrongly.
    #[arg(long, value_name = "N", default_value_t = WORST)]
    wrong: usize,
    /// Draw ham lost against spam missed.
    #[arg(long, value_name = "FILE.svg")]
    curve: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct OrderArgs {
    /// Learn a random half, measure the other (the default).
    #[arg(long)]
    split: bool,
    /// Judge each message, then learn it.
    #[arg(long)]
    online: bool,
    /// Learn another corpus as this house's own mail, measure this one.
    #[arg(long, value_name = "TRAIN")]
    after: Option<PathBuf>,
    /// Learn another corpus as other people's mail, measure this one.
    #[arg(long, value_name = "TRAIN")]
    cross: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1".to_owned()),
    }
}

/// Runs one command.
pub(crate) fn run(config: &Path, json: bool, verb: Verb) -> ExitCode {
    let done = match verb {
        Verb::Learn(verb) => return super::carry_out(config, json, |_| verb.plan()),
        Verb::Forget(args) => return super::carry_out(config, json, |zone| args.plan(zone)),
        Verb::Labels { account } => {
            return super::carry_out(config, json, |_| Ok(learn::labels_of(account)));
        }
        Verb::Stats(args) => return super::carry_out(config, json, |_| Ok(args.plan())),
        Verb::Explain(args) => explain(json, &args),
        Verb::Eval(args) => evaluate(json, &args),
    };
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(REFUSED)
        }
    }
}

fn explain(json: bool, args: &ExplainArgs) -> Result<String, Error> {
    let raw = read(&args.file)?;
    let model = Model::default();
    if let Some(corpus) = &args.trained_on {
        eval::teach(&model, Corpus::open(corpus)?, 1)?;
    }
    let summary = summarize(&raw);
    let letter = Letter::read(&raw, &summary);
    let mut facts = Facts::new(&letter);
    facts.learned = Some(Learned {
        model: &model,
        agency: None,
        account: None,
    });
    let judgement = judge(&facts);
    let words = if model.trust() > 0.0 {
        heaviest(&model, &letter, &features(&letter), WORDS)
    } else {
        Vec::new()
    };
    Ok(if json {
        explained_json(&judgement, &words)
    } else {
        explained(&judgement, &words)
    })
}

fn explained(judgement: &Judgement, words: &[Word]) -> String {
    let mut out = format!(
        "{}  p={:.3}  log-odds {:+.2}\n",
        judgement.verdict.name(),
        judgement.probability,
        judgement.log_odds
    );
    for found in &judgement.evidence {
        let _ = writeln!(
            out,
            "{:+6.2}  {}\n        {}\n        {}",
            found.weight,
            found.name,
            plain(&found.reason.vi),
            plain(&found.reason.en)
        );
    }
    if !words.is_empty() {
        out.push_str("words that weigh most:\n");
        for word in words {
            let _ = writeln!(out, "{:+6.2}  {}", word.weight, plain(&word.text));
        }
    }
    out
}

fn explained_json(judgement: &Judgement, words: &[Word]) -> String {
    let evidence: Vec<_> = judgement
        .evidence
        .iter()
        .map(|found| {
            json!({
                "name": found.name,
                "family": found.family.name(),
                "weight": found.weight,
                "vi": found.reason.vi,
                "en": found.reason.en,
            })
        })
        .collect();
    let words: Vec<_> = words
        .iter()
        .map(|word| json!({"text": word.text, "weight": word.weight}))
        .collect();
    let value = json!({
        "verdict": judgement.verdict.name(),
        "probability": judgement.probability,
        "log_odds": judgement.log_odds,
        "evidence": evidence,
        "words": words,
    });
    format!("{value}\n")
}

fn evaluate(json: bool, args: &EvalArgs) -> Result<String, Error> {
    let corpus = Corpus::open(&args.corpus)?;
    let order = if let Some(train) = &args.order.cross {
        Order::Cross {
            train: Corpus::open(train)?,
            local: args.local,
        }
    } else if let Some(train) = &args.order.after {
        Order::After {
            train: Corpus::open(train)?,
        }
    } else if args.order.online {
        Order::Online
    } else {
        Order::Split
    };
    // A corpus of one class can be measured only by what was learned from another.
    if matches!(order, Order::Split | Order::Online) {
        corpus.check()?;
    }
    let protocol = Protocol {
        delay: args.delay,
        noise: args.noise,
        feedback: args.feedback,
        full: args.full,
        seed: args.seed,
        ..Protocol::new(order)
    };
    let run = eval::run(corpus, &protocol)?;
    let thresholds = Thresholds::default();
    let thresholds = [thresholds.labelled, thresholds.junk, thresholds.quarantine];
    let mut measures = eval::measure(&run.scored, &thresholds);
    measures.worst = worst(&run.scored, args.wrong);
    if let Some(file) = &args.curve {
        let title = args.corpus.display().to_string();
        let drawn = eval::curve::svg(&run.scored, &title);
        std::fs::write(file, drawn).map_err(|source| Error::File {
            path: file.clone(),
            source,
        })?;
    }
    let rate = per_second(&run);
    let memory = peak_memory();
    Ok(if json {
        let value = json!({
            "measures": measures,
            "learned": run.learned,
            "messages_per_cpu_second": rate,
            "peak_memory": memory,
            "seed": args.seed,
        });
        format!("{value}\n")
    } else {
        measured(&measures, run.learned, rate, memory)
    })
}

#[allow(clippy::cast_precision_loss, reason = "counts of messages")]
fn per_second(run: &eval::Run) -> f64 {
    run.scanned as f64 / run.scanning.as_secs_f64().max(1e-9)
}

fn measured(measures: &Measures, learned: usize, rate: f64, memory: Option<u64>) -> String {
    let mut out = format!(
        "ham {}, spam {}; learned {learned} of this house\n",
        measures.ham, measures.spam
    );
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let _ = writeln!(out, "1-ROCA%                  {}", shown(measures.roca, 4));
    let _ = writeln!(
        out,
        "spam missed at 0.1% ham  {} %\nspam missed at 1% ham    {} %\ncalibration error        {:.4}",
        shown(measures.missed_at_tenth, 2),
        shown(measures.missed_at_one, 2),
        measures.calibration
    );
    let _ = writeln!(
        out,
        "messages per CPU second  {rate:.0} ({:.3} ms each)",
        1000.0 / rate
    );
    if let Some(memory) = memory {
        let _ = writeln!(out, "peak memory              {}", size(memory));
    }
    let mut table = Table::new(&["threshold", "ham lost", "", "spam missed", ""]);
    for at in &measures.thresholds {
        table.row(vec![
            format!("{:.3}", at.threshold),
            at.lost.to_string(),
            format!("{:.2} %", at.lost_percent),
            at.missed.to_string(),
            format!("{:.2} %", at.missed_percent),
        ]);
    }
    let _ = writeln!(out, "{table}judged most wrongly:");
    for worst in &measures.worst {
        let _ = writeln!(
            out,
            "  {:4}  p={:.3}  {}",
            worst.class,
            worst.probability,
            plain(&worst.path)
        );
    }
    out
}

/// The most memory this process had, in octets.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
