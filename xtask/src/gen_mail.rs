//! `cargo xtask gen mail`: writes a corpus of made-up Vietnamese mail that `congvu spam eval` reads.

use std::path::PathBuf;

use congvu_letters::corpus::{Size, write};
use congvu_letters::{Form, Generator, House};

const USAGE: &str = "gen mail --out DIR [--ham N] [--spam N] [--seed S] [--house a|b] [--campaigns a|b] [--from NUMBER] \
                     [--form written|nfd|bare|typed|spaced|homoglyph|mixed]";

/// Runs `gen …`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let Some((what, options)) = args.split_first() else {
        return Err(format!("usage: {USAGE}"));
    };
    if what != "mail" {
        return Err(format!("nothing called {what:?} to make; usage: {USAGE}"));
    }
    let mut out = None;
    let mut size = Size {
        ham: 1000,
        spam: 500,
        from: 0,
        form: None,
    };
    let mut seed = 1;
    let (mut house, mut campaigns) = (House::A, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options
            .next()
            .ok_or_else(|| format!("{option}: a value is missing; usage: {USAGE}"))?;
        match option.as_str() {
            "--out" => out = Some(PathBuf::from(value)),
            "--ham" => size.ham = number(option, value)?,
            "--spam" => size.spam = number(option, value)?,
            "--from" => size.from = number(option, value)?,
            "--seed" => seed = number(option, value)?,
            "--house" => house = named(option, value)?,
            "--campaigns" => campaigns = Some(named(option, value)?),
            "--form" if value == "mixed" => size.form = None,
            "--form" => {
                let form = Form::named(value);
                size.form = Some(form.ok_or_else(|| format!("--form: no form {value:?}"))?);
            }
            _ => return Err(format!("no option {option:?}; usage: {USAGE}")),
        }
    }
    let out = out.ok_or_else(|| format!("--out is missing; usage: {USAGE}"))?;
    let generator = Generator::with_campaigns(house, campaigns.unwrap_or(house), seed);
    write(&out, &generator, size).map_err(|error| format!("{}: {error}", out.display()))?;
    eprintln!(
        "gen: {} ham and {} spam in {}, in time order in order.tsv",
        size.ham,
        size.spam,
        out.display()
    );
    Ok(())
}

fn number(option: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("{option}: {value:?} is no number"))
}

fn named(option: &str, value: &str) -> Result<House, String> {
    match value {
        "a" => Ok(House::A),
        "b" => Ok(House::B),
        _ => Err(format!("{option}: a or b")),
    }
}
