//! A value as written, before anybody asks what it means, with its place in the source text.
//!
//! A file gives typed values. A variable or a flag gives bare text; it becomes the same kind of
//! item, guided by the key, so that one set of checks serves all layers.

use std::ops::Range;

use toml::de::DeValue;

use super::keys::Kind;

/// A value and the bytes it was read from.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Item {
    /// What was written.
    pub(super) raw: Raw,
    /// Where, in bytes of the source text.
    pub(super) span: Range<usize>,
}

/// What was written.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Raw {
    /// Text, without quotes.
    Text(String),
    /// A whole number; `None` if it does not fit.
    Number(Option<i64>),
    /// `true` or `false`.
    Bool(bool),
    /// A list.
    List(Vec<Item>),
    /// A table in the order of its keys, each with the place of its name.
    Table(Vec<(String, Range<usize>, Item)>),
    /// Something that no setting uses, with the word for it.
    Other(&'static str),
}

impl Item {
    /// The word for what was written, with its article.
    pub(super) fn kind_word(&self) -> &'static str {
        match &self.raw {
            Raw::Text(_) => "text",
            Raw::Number(_) => "a number",
            Raw::Bool(_) => "a boolean",
            Raw::List(_) => "a list",
            Raw::Table(_) => "a table",
            Raw::Other(word) => word,
        }
    }

    /// An item from a parsed TOML value; `base` is added to each offset.
    pub(super) fn from_toml(value: &toml::Spanned<DeValue<'_>>, base: usize) -> Item {
        let shift = |span: Range<usize>| span.start + base..span.end + base;
        let raw = match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(int) => {
                Raw::Number(i64::from_str_radix(int.as_str(), int.radix()).ok())
            }
            DeValue::Float(_) => Raw::Other("a number with a fraction"),
            DeValue::Boolean(value) => Raw::Bool(*value),
            DeValue::Datetime(_) => Raw::Other("a date"),
            DeValue::Array(items) => {
                Raw::List(items.iter().map(|item| Item::from_toml(item, base)).collect())
            }
            DeValue::Table(table) => {
                let mut entries: Vec<_> = table
                    .iter()
                    .map(|(name, item)| {
                        (
                            name.get_ref().to_string(),
                            shift(name.span()),
                            Item::from_toml(item, base),
                        )
                    })
                    .collect();
                entries.sort_by_key(|(_, span, _)| span.start);
                Raw::Table(entries)
            }
        };
        Item { raw, span: shift(value.span()) }
    }

    /// An item from the bare text of a variable or a flag that stands at `base` of its source.
    ///
    /// Lists and tables are written as in TOML; a list of addresses may also be separated by
    /// commas.
    pub(super) fn from_bare(text: &str, base: usize, kind: Kind) -> Result<Item, toml::de::Error> {
        let span = base..base + text.len();
        let trimmed = text.trim();
        let lead = base + (text.len() - text.trim_start().len());
        let structured = matches!(
            kind,
            Kind::Addresses | Kind::Ips | Kind::Cpus | Kind::Aliases | Kind::MatchSymbols
        );
        if structured && trimmed.starts_with(['[', '{']) {
            return DeValue::parse(trimmed).map(|value| Item::from_toml(&value, lead));
        }
        if matches!(kind, Kind::Addresses | Kind::Ips) {
            return Ok(Item { raw: Raw::List(split(text, base)), span });
        }
        let textual = matches!(
            kind,
            Kind::Text | Kind::Path | Kind::OptionalPath | Kind::StoreUrl | Kind::Cpus
        );
        let quoted = trimmed.len() >= 2 && trimmed.starts_with('"') && trimmed.ends_with('"');
        let raw = match trimmed {
            _ if textual && !quoted => Raw::Text(text.to_owned()),
            _ if quoted => Raw::Text(trimmed[1..trimmed.len() - 1].to_owned()),
            "true" => Raw::Bool(true),
            "false" => Raw::Bool(false),
            digits if is_whole(digits) => Raw::Number(digits.parse().ok()),
            other => Raw::Text(other.to_owned()),
        };
        Ok(Item { raw, span })
    }
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The parts between commas, without blanks, each with its place.
fn split(text: &str, base: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start = 0;
    for part in text.split(',') {
        let word = part.trim();
        if !word.is_empty() {
            let at = base + start + (part.len() - part.trim_start().len());
            items.push(Item { raw: Raw::Text(word.to_owned()), span: at..at + word.len() });
        }
        start += part.len() + 1;
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str, kind: Kind) -> Raw {
        Item::from_bare(text, 7, kind).expect("well-formed").raw
    }

    #[test]
    fn bare_text_becomes_what_the_key_wants() {
        let count = Kind::Count { min: 0, max: 9 };
        assert_eq!(bare("7", count), Raw::Number(Some(7)));
        assert_eq!(bare("-7", count), Raw::Number(Some(-7)));
        assert_eq!(bare("99999999999999999999", count), Raw::Number(None));
        assert_eq!(bare("7", Kind::Text), Raw::Text("7".into()));
        assert_eq!(bare("true", Kind::Bool), Raw::Bool(true));
        assert_eq!(bare("\"auto\"", Kind::AutoCount { max: 2 }), Raw::Text("auto".into()));
        assert_eq!(bare("0-3", Kind::Cpus), Raw::Text("0-3".into()));
    }

    #[test]
    fn lists_keep_the_place_of_each_part() {
        let Raw::List(items) = bare("0xa, 0xb,", Kind::Addresses) else { panic!("a list") };
        let spans: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
        assert_eq!(spans, [7..10, 12..15]);
        let Raw::List(items) = bare(" [\"0xa\"]", Kind::Addresses) else { panic!("a list") };
        assert_eq!(items[0].span, 9..14);
        assert!(Item::from_bare("[1,", 0, Kind::Cpus).is_err());
    }
}
