//! Ways to change a text that proves something.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What is done to a text that proves something.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A character that is replaced by another.
    Replace(Index, char),
    Insert(Index, char),
    Remove(Index),
    Swap(Index),
    Case(Index),
    /// Cut off after so many characters.
    Cut(Index),
    Twice,
    Reversed,
    Append(String),
    Prepend(String),
    /// The last part of another one, from a sign-in of somebody else.
    Splice(Index),
    Other(Vec<u8>),
}

/// No semicolon: what follows it is another cookie. No white space: around a value it means nothing.
fn character() -> impl Strategy<Value = char> {
    let plain = "AZaz09-_.=+/%~\"\\,:!{}";
    prop_oneof![4 => select(plain.chars().collect::<Vec<_>>()), 1 => "[\u{a1}-\u{ff}]".prop_map(|c| c.chars().next().unwrap())]
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), character()).prop_map(|(at, c)| Change::Replace(at, c)),
        2 => (at(), character()).prop_map(|(at, c)| Change::Insert(at, c)),
        2 => at().prop_map(Change::Remove),
        2 => at().prop_map(Change::Swap),
        2 => at().prop_map(Change::Case),
        2 => at().prop_map(Change::Cut),
        1 => Just(Change::Twice),
        1 => Just(Change::Reversed),
        1 => "[!-:<-~]{1,20}".prop_map(Change::Append),
        1 => "[!-:<-~]{1,20}".prop_map(Change::Prepend),
        2 => at().prop_map(Change::Splice),
        2 => prop::collection::vec(prop_oneof![Just(b'\t'), b'!'..=b':', b'<'..=b'~', 0x80..=0xff_u8], 0..120)
            .prop_map(Change::Other),
    ]
}

impl Change {
    /// `real` after the change, as the bytes of a header; none when nothing has changed.
    pub(super) fn of(&self, real: &str, other: &str) -> Option<Vec<u8>> {
        let mut characters: Vec<char> = real.chars().collect();
        let length = characters.len();
        match self {
            Self::Replace(at, c) => characters[at.index(length)] = *c,
            Self::Insert(at, c) => characters.insert(at.index(length + 1), *c),
            Self::Remove(at) => drop(characters.remove(at.index(length))),
            Self::Swap(at) => characters.swap(at.index(length - 1), at.index(length - 1) + 1),
            Self::Case(at) => {
                let c = &mut characters[at.index(length)];
                *c = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            }
            Self::Cut(at) => characters.truncate(at.index(length)),
            Self::Twice => characters.extend(real.chars()),
            Self::Reversed => characters.reverse(),
            Self::Append(text) => characters.extend(text.chars()),
            Self::Prepend(text) => characters = text.chars().chain(real.chars()).collect(),
            Self::Splice(at) => {
                let at = at.index(length.min(other.chars().count()));
                characters = real.chars().take(at).chain(other.chars().skip(at)).collect();
            }
            Self::Other(bytes) => return Some(bytes.clone()),
        }
        let changed: Vec<u8> = characters.iter().flat_map(|c| u8::try_from(u32::from(*c))).collect();
        // Half of one and half of the other may be the whole other one.
        (changed != real.as_bytes() && changed != other.as_bytes()).then_some(changed)
    }
}
