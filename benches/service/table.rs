//! The table: each row a ratio to a baseline of the same run, the absolutes beside it, and whether the target is met.

use std::fmt::{self, Display, Write as _};

/// Which side of its target a ratio should be on.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    fn met(self, value: f64) -> bool {
        match self {
            Target::AtLeast(bound) => value >= bound,
            Target::AtMost(bound) => value <= bound,
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtLeast(bound) => write!(f, "≥ {bound}"),
            Target::AtMost(bound) => write!(f, "≤ {bound}"),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The figure that the target is about, and its unit (`×`, `MiB`).
    pub value: f64,
    pub unit: &'static str,
    pub target: Target,
    /// What was measured, in words.
    pub measured: String,
    /// And what it is compared with.
    pub baseline: String,
}

impl Row {
    /// A ratio of two rates or times of one kind.
    pub fn ratio(what: &str, (value, measured): (f64, String), (base, baseline): (f64, String), target: Target) -> Row {
        Row { what: what.to_owned(), value: value / base, unit: "×", target, measured, baseline }
    }

    fn cells(&self) -> [String; 6] {
        let value = format!("{:.2} {}", self.value, self.unit);
        let target = format!("{} {}", self.target, self.unit);
        let met = if self.target.met(self.value) { "yes" } else { "no" };
        [self.what.clone(), value, target, met.to_owned(), self.measured.clone(), self.baseline.clone()]
    }
}

/// A rate in words.
pub fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

const HEAD: [&str; 6] = ["row", "result", "target", "met", "measured", "baseline"];

/// The rows as a table of Markdown, whose columns also line up as plain text.
pub fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}
