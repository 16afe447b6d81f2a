//! The curve as a picture: ham lost against spam missed, both logarithmic, as SVG.

use std::fmt::Write as _;

use super::Scored;
use super::measure::curve;

/// Percent at the left and lower end: one in ten thousand.
const LEAST: f64 = 0.01;
/// Pixels of the plot and around it.
const SIDE: f64 = 400.0;
const MARGIN: f64 = 60.0;

/// Draws the curve of one run.
pub fn svg(scored: &[Scored], title: &str) -> String {
    let whole = SIDE + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{whole}\" height=\"{whole}\" fill=\"white\"/>\n"
    );
    let middle = whole / 2.0;
    let _ = writeln!(
        out,
        "<text x=\"{middle}\" y=\"30\" text-anchor=\"middle\">{}</text>",
        escaped(title)
    );
    for percent in [0.01, 0.1, 1.0, 10.0, 100.0] {
        let at = place(percent);
        let (x, y) = (MARGIN + at, MARGIN + SIDE - at);
        let (left, right, top, bottom) = (MARGIN, MARGIN + SIDE, MARGIN, MARGIN + SIDE);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {top}V{bottom}M{left} {y:.1}H{right}\" stroke=\"#ccc\" fill=\"none\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{percent}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{percent}</text>",
            bottom + 18.0,
            left - 6.0,
            y + 4.0,
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">ham lost, %</text>\n\
         <text transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">spam missed, %</text>",
        whole - 18.0
    );
    let points: Vec<String> = curve(scored)
        .into_iter()
        .map(|(lost, missed)| {
            let (x, y) = (MARGIN + place(lost), MARGIN + SIDE - place(missed));
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#b00\" stroke-width=\"2\"/>\n</svg>",
        points.join(" ")
    );
    out
}

/// Pixels from the axis.
fn place(percent: f64) -> f64 {
    let decades = (percent.max(LEAST) / LEAST).log10();
    decades / (100.0 / LEAST).log10() * SIDE
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Class;

    #[test]
    fn draws_what_was_measured() {
        let one = |class, rank| Scored {
            path: String::new(),
            class,
            rank,
            probability: 0.5,
        };
        let drawn = svg(&[one(Class::Ham, -1.0), one(Class::Spam, 1.0)], "a < b");
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
        assert!(drawn.contains("a &lt; b"));
        // All ham lost and no spam missed, the perfect corner, nothing lost and all missed.
        assert!(
            drawn.contains("points=\"460.0,460.0 60.0,460.0 60.0,60.0\""),
            "{drawn}"
        );
    }
}
