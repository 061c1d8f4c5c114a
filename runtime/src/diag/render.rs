//! Turns a problem into text: headline, excerpt with the place underlined, reasons, ways out.
//!
//! The label stands on the line of the underline, one line a place, so that an excerpt reads in one
//! glance and a log keeps it together. Columns are characters; a tab is drawn as one blank.

use super::{Excerpt, Problem, Severity, Spot};

/// Source lines are cut to this many characters around the place.
const LINE_CHARS_MAX: usize = 100;
/// Characters kept in front of the place when a line is cut.
const LEAD_CHARS: usize = 24;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// The word in front of the code.
pub(super) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warn",
    }
}

/// The whole text, ending in a line break.
pub(super) fn problem(problem: &Problem, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("{code}{text}{RESET}") } else { text.to_owned() }
    };
    let word = severity_word(problem.severity);
    let hue = if problem.severity == Severity::Error { RED } else { YELLOW };
    let head = paint(hue, &format!("{word}[{}]", problem.code));
    let mut out = format!("{head}: {}\n", paint(BOLD, &problem.what));
    if let Some(excerpt) = &problem.where_ {
        draw(excerpt, &paint, &mut out);
    }
    for line in &problem.why {
        out.push_str(&format!("  {line}\n"));
    }
    let first = if problem.where_.is_some() { "help" } else { "fix" };
    for (index, line) in problem.fix.iter().enumerate() {
        let label = if index == 0 { first } else { "or" };
        let pad = " ".repeat(first.len() - label.len().min(first.len()));
        out.push_str(&format!("  {pad}{}: {line}\n", paint(CYAN, label)));
    }
    out
}

fn draw(excerpt: &Excerpt, paint: &dyn Fn(&str, &str) -> String, out: &mut String) {
    let digits = |line: usize| if line == 0 { 1 } else { line.to_string().len() };
    let gutter = excerpt.spots.iter().map(|s| digits(s.line)).max().unwrap_or(1);
    let blank = " ".repeat(gutter);
    let place = match excerpt.spots.first() {
        Some(spot) if spot.line > 0 => {
            format!("{}:{}:{}", excerpt.source, spot.line, spot.column)
        }
        _ => excerpt.source.clone(),
    };
    out.push_str(&format!(" {blank} {}\n", paint(DIM, &format!("╭─[{place}]"))));
    let mut drawn: Option<(usize, &str)> = None;
    for spot in &excerpt.spots {
        let (text, column) = window(spot);
        if drawn != Some((spot.line, spot.text.as_str()))
            || spot.text.chars().count() > LINE_CHARS_MAX
        {
            let number = if spot.line == 0 { String::new() } else { spot.line.to_string() };
            out.push_str(&format!(" {number:>gutter$} {} {text}\n", paint(DIM, "│")));
        }
        drawn = Some((spot.line, &spot.text));
        let lead = " ".repeat(column.saturating_sub(1));
        let mark = paint(CYAN, underline(spot.width).as_str());
        let line = format!(" {blank} {} {lead}{mark} {}", paint(DIM, "·"), spot.label);
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The part of the line that is shown, and the column of the place in it.
fn window(spot: &Spot) -> (String, usize) {
    let chars: Vec<char> = spot.text.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    if chars.len() <= LINE_CHARS_MAX {
        return (chars.into_iter().collect(), spot.column);
    }
    let start = (spot.column - 1).saturating_sub(LEAD_CHARS);
    let end = (start + LINE_CHARS_MAX).min(chars.len());
    let mut text: String = chars[start..end].iter().collect();
    let mut column = spot.column - start;
    if start > 0 {
        text.insert(0, '…');
        column += 1;
    }
    if end < chars.len() {
        text.push('…');
    }
    (text, column)
}

fn underline(width: usize) -> String {
    if width <= 1 {
        return "▲".to_owned();
    }
    let width = width.min(LINE_CHARS_MAX);
    let left = width / 2;
    format!("{}┬{}", "─".repeat(left), "─".repeat(width - left - 1))
}
