//! Source texts and places in them: what an error points at.

use std::ops::Range;

use crate::diag::{Excerpt, Spot};

/// A text that settings came from: a file, one environment variable, one flag.
#[derive(Clone, Debug)]
pub(super) struct SourceText {
    /// What stands in the head of an excerpt.
    pub(super) name: String,
    /// The whole text.
    pub(super) text: String,
    /// True for files, where a line number means something.
    pub(super) numbered: bool,
}

impl SourceText {
    /// A file, under the name that the user gave it.
    pub(super) fn file(name: impl Into<String>, text: impl Into<String>) -> SourceText {
        SourceText { name: name.into(), text: text.into(), numbered: true }
    }

    /// A text of one line that is not in a file.
    pub(super) fn line(name: &str, text: impl Into<String>) -> SourceText {
        SourceText { name: name.to_owned(), text: text.into(), numbered: false }
    }

    /// Line and column from 1, in characters, of a byte offset.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.floor(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The place of a byte range; a range over several lines is underlined up to the end of the
    /// first.
    pub(super) fn spot(&self, span: &Range<usize>, label: impl Into<String>) -> Spot {
        let start = self.floor(span.start);
        let (line, column) = self.position(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let text = self.text[line_start..line_end].trim_end_matches('\r');
        let end = self.floor(span.end).min(line_start + text.len()).max(start);
        Spot {
            line: if self.numbered { line } else { 0 },
            column,
            width: self.text[start..end].chars().count(),
            text: masked(text),
            label: label.into(),
        }
    }

    /// An excerpt with one place.
    pub(super) fn excerpt(&self, span: &Range<usize>, label: impl Into<String>) -> Excerpt {
        Excerpt { source: self.name.clone(), spots: vec![self.spot(span, label)] }
    }

    /// The offset, moved back to a character boundary inside the text.
    fn floor(&self, offset: usize) -> usize {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// The line with the password of a URL drawn as stars, as many as it has characters: excerpts go
/// into logs, and columns must stay.
fn masked(line: &str) -> String {
    let password = || {
        let authority = line.find("://")? + 3;
        let end =
            line[authority..].find(['/', '"', '\'', ' ']).map_or(line.len(), |at| authority + at);
        let at_sign = authority + line[authority..end].rfind('@')?;
        let colon = authority + line[authority..at_sign].find(':')?;
        Some(colon + 1..at_sign)
    };
    match password() {
        Some(span) => {
            let stars = "*".repeat(line[span.clone()].chars().count());
            format!("{}{stars}{}", &line[..span.start], &line[span.end..])
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_and_lines_count_from_one() {
        let source = SourceText::file("f", "a = 1\r\nµ = \"ü\"\nlast");
        let at = source.text.find("\"ü\"").expect("there");
        let spot = source.spot(&(at..at + 4), "here");
        assert_eq!((spot.line, spot.column, spot.width), (2, 5, 3));
        assert_eq!(spot.text, "µ = \"ü\"");
        assert_eq!(source.spot(&(0..1), "").text, "a = 1");
    }

    #[test]
    fn a_password_is_stars_of_the_same_width() {
        for (line, shown) in [
            ("url = \"nats://u:pä@h:4222\"", "url = \"nats://u:**@h:4222\""),
            ("url = \"nats://u@h\" # a:b@c", "url = \"nats://u@h\" # a:b@c"),
            ("X=wss://h:1/ws", "X=wss://h:1/ws"),
            ("plain", "plain"),
        ] {
            let source = SourceText::file("f", line);
            assert_eq!(source.spot(&(0..1), "").text, shown);
        }
    }

    #[test]
    fn a_range_ends_with_its_first_line_and_never_leaves_the_text() {
        let source = SourceText::file("f", "list = [\n1,\n]\n");
        let spot = source.spot(&(7..13), "");
        assert_eq!((spot.line, spot.column, spot.width), (1, 8, 1));
        let end = source.spot(&(99..120), "");
        assert_eq!((end.line, end.column, end.width), (4, 1, 0));
    }
}
