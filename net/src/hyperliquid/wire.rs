//! How the venue's JSON is read: single values, and objects and lists that are read straight into their place.
//!
//! serde's derived structures need a `Vec` for each list. Here an object is a [`Keyed`] that is handed its keys one
//! by one, and a list a closure that is handed its elements, so a frame of a thousand fills goes into the
//! caller's own vector and nothing is allocated on the way.

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::Error as _};
use shards::{Address, Coin, Decimal, Text};
use std::borrow::Cow;
use std::fmt::{self, Display};
use std::marker::PhantomData;

/// An object whose keys are handed to `value` in the order of the text.
pub(crate) trait Keyed<'de> {
    /// Reads the value of `key`, or ignores it: see [`ignore`].
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Skips a value that nobody asked for.
pub(crate) fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// Reads an object into a [`Keyed`].
pub(crate) struct Object<'t, T>(pub(crate) &'t mut T);

impl<'de, T: Keyed<'de>> DeserializeSeed<'de> for Object<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Keyed<'de>> Visitor<'de> for Object<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Words(key)) = map.next_key()? {
            self.0.value(&key, &mut map)?;
        }
        Ok(())
    }
}

/// Reads a list and hands each element to `take`.
pub(crate) struct Each<T, F> {
    take: F,
    element: PhantomData<T>,
}

/// A list of `T`, each handed to `take`; what `take` refuses makes the whole text an error.
pub(crate) fn each<T, E: Display, F: FnMut(T) -> Result<(), E>>(take: F) -> Each<T, F> {
    Each { take, element: PhantomData }
}

impl<'de, T: Deserialize<'de>, E: Display, F: FnMut(T) -> Result<(), E>> DeserializeSeed<'de>
    for Each<T, F>
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, E: Display, F: FnMut(T) -> Result<(), E>> Visitor<'de>
    for Each<T, F>
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element()? {
            (self.take)(element).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Text that borrows from the input unless it was escaped.
#[derive(Debug, Default)]
pub(crate) struct Words<'a>(pub(crate) Cow<'a, str>);

/// An exact decimal: a string, as the venue writes them, or a JSON number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dec(pub(crate) Decimal);

/// A label of an open set, cut to what fits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Short<const N: usize>(pub(crate) Text<N>);

/// The name of a coin. A longer one than fits is refused: cut, two coins could become one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoinName(pub(crate) Coin);

/// An address, in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addr(pub(crate) Address);

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Words<'de>, E> {
        Ok(Words(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Words<'de>, E> {
        Ok(Words(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words<'a>, D::Error> {
        deserializer.deserialize_str(WordsVisitor)
    }
}

struct DecVisitor;

impl DecVisitor {
    fn parse<E: de::Error>(text: &str) -> Result<Dec, E> {
        match Decimal::parse(text.as_bytes()) {
            Ok(decimal) => Ok(Dec(decimal)),
            Err(error) => Err(E::custom(format_args!("{text:?}: {error}"))),
        }
    }
}

impl Visitor<'_> for DecVisitor {
    type Value = Dec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Dec, E> {
        DecVisitor::parse(text)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Dec, E> {
        Ok(Dec(Decimal::from(number)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Dec, E> {
        Ok(Dec(Decimal::new(i128::from(number), 0)))
    }

    /// The shortest text of a float is what the sender wrote, for up to 15 digits. Not the venue's way, so its
    /// allocation is no matter.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Dec, E> {
        DecVisitor::parse(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Dec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Dec, D::Error> {
        deserializer.deserialize_any(DecVisitor)
    }
}

/// Reads a string and makes something of it in place.
struct StrVisitor<T, F>(F, PhantomData<T>);

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for StrVisitor<T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// Reads a string through `make`, whose error text stands in the decode error.
pub(crate) fn from_str<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    make: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(StrVisitor(make, PhantomData))
}

impl<'de, const N: usize> Deserialize<'de> for Short<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Short<N>, D::Error> {
        from_str(deserializer, |text| Ok(Short(Text::new(text))))
    }
}

impl<'de> Deserialize<'de> for CoinName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CoinName, D::Error> {
        from_str(deserializer, |text| {
            let coin = Coin::new(text);
            if coin.as_str() == text {
                Ok(CoinName(coin))
            } else {
                Err(format!("a coin name of {} bytes: too long", text.len()))
            }
        })
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Addr, D::Error> {
        from_str(deserializer, |text| match text.parse() {
            Ok(address) => Ok(Addr(address)),
            Err(error) => Err(format!("not an address: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn decimal(json: &str, wanted: &str) {
        let found = match serde_json::from_str::<Dec>(json) {
            Ok(Dec(decimal)) => decimal.to_string(),
            Err(_) => "error".to_owned(),
        };
        assert_eq!(found, wanted, "{json}");
    }

    #[test]
    fn decimals_are_strings_or_numbers() {
        decimal("\"0.00205\"", "0.00205");
        decimal("\"-11676987.0\"", "-11676987");
        decimal("86006", "86006");
        decimal("-3", "-3");
        decimal("0.1", "0.1");
        decimal("85801.5", "85801.5");
        decimal("1e-7", "0.0000001");
        decimal("\"1e5\"", "error");
        decimal("\"\"", "error");
        decimal("null", "error");
        decimal("true", "error");
        decimal("1e300", "error");
    }

    #[test]
    fn long_coins_are_refused_and_long_labels_cut() {
        let long = format!("\"{}\"", "x".repeat(60));
        assert!(serde_json::from_str::<CoinName>(&long).is_err());
        assert!(serde_json::from_str::<CoinName>("\"xyz:CL\"").is_ok());
        let Short(label) = serde_json::from_str::<Short<15>>(&long).expect("a label");
        assert_eq!(label.as_str(), "xxxxxxxxxxxxxxx");
    }
}
