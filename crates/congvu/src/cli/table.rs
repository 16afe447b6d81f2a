//! Aligned columns.

/// Rows under a heading; the last column is not padded.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self {
            rows: vec![heading.iter().map(|text| (*text).to_owned()).collect()],
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| width(cell))
                .max()
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| widest(column).unwrap_or(0))
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, &wanted) in row.iter().zip(&widths) {
                line.push_str(&plain(cell));
                line.extend(std::iter::repeat_n(
                    ' ',
                    wanted.saturating_sub(width(cell)) + 2,
                ));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Characters shown. Names are kept in NFC, where a Vietnamese letter is one character.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Without what a terminal would obey: what strangers wrote (a queue's sender) is shown here too.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["NAME", "N"]);
        table.row(vec!["Văn thư".into(), "1".into()]);
        table.row(vec!["a\u{1b}[0m".into(), "10".into()]);
        assert_eq!(
            table.to_string(),
            "NAME     N\nVăn thư  1\na\u{fffd}[0m    10\n"
        );
    }
}
