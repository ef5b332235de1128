//! Which passwords are good enough: long, and not among the first that somebody would try.
//!
//! Length and guessability only, no rules about kinds of characters (NIST SP 800-63B-4, section 3.1.1.2).

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use zeroize::Zeroizing;
use zxcvbn::feedback::Warning;
use zxcvbn::matching::Match;
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Entropy, zxcvbn};

use super::Password;

/// What is judged of a password: the first characters, which is what zxcvbn looks at anyway.
const WINDOW: usize = 100;
/// What is judged when many characters may stand for letters. zxcvbn tries every combination of what `1`, `!`, `@` and
/// the like may stand for, in every part of the text; 100 such characters would take half a second.
const SHORT_WINDOW: usize = 32;
/// Characters that zxcvbn takes for letters.
const STAND_INS: &str = "4@8({[<369&#1!|70$5+%2/";
/// With more different ones than this, the short window is used.
const MAX_STAND_INS: usize = 6;

/// Words of the context beyond this many, and longer ones than this, add nothing but time.
const MAX_WORDS: usize = 100;
const MAX_WORD: usize = 64;

/// What a new password must satisfy.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Fewest characters (Unicode code points after normalization).
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// Lowest strength that will do, 0 to 4.
    pub min_score: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self { min: 15, max: 256, min_score: 3 }
    }
}

/// Why a password will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weak {
    TooShort {
        min: usize,
    },
    TooLong {
        max: usize,
    },
    Guessable {
        /// 0 to 4.
        score: u8,
        hint: String,
    },
}

impl Weak {
    /// One or two plain sentences: what is wrong and what to do about it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::TooShort { min } => format!("Use at least {min} characters. Four or five words will do."),
            Self::TooLong { max } => format!("Use at most {max} characters."),
            Self::Guessable { hint, .. } => hint.clone(),
        }
    }
}

/// What became of the check of one password.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// 0 (tried at once) to 4 (beyond guessing).
    pub strength: u8,
    /// The password in the form to be hashed, or why it will not do.
    pub verdict: Result<Password, Weak>,
}

impl Policy {
    /// Checks a password as it was typed. Takes some milliseconds, and for the oddest ones 50: not for an async
    /// thread.
    #[must_use]
    pub fn assess(&self, raw: &str, context: &Context) -> Assessment {
        let Some(password) = Password::normalize(raw) else {
            return Assessment { strength: 0, verdict: Err(Weak::TooLong { max: self.max }) };
        };
        let characters = password.characters();
        if characters > self.max {
            return Assessment { strength: 0, verdict: Err(Weak::TooLong { max: self.max }) };
        }
        let words: Vec<&str> = context.words.iter().map(|(word, _)| word.as_str()).collect();
        let entropy = zxcvbn(&judged_part(password.expose()), &words);
        let rest = context.rest(password.expose());
        // Words of the context are worth one step at most, in whatever number and order: what else there is must be
        // nearly good enough by itself.
        let bound = rest.as_ref().map_or(4, |(rest, _)| u8::from(zxcvbn(&judged_part(rest), &words).score()) + 1);
        let strength = u8::from(entropy.score()).min(bound);
        let verdict = if characters < self.min {
            Err(Weak::TooShort { min: self.min })
        } else if strength < self.min_score {
            Err(Weak::Guessable { score: strength, hint: hint(&entropy, context, rest.map(|(_, source)| source)) })
        } else {
            Ok(password)
        };
        Assessment { strength, verdict }
    }
}

/// Lower case, without accents.
fn folded(text: &str) -> Zeroizing<String> {
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c));
    Zeroizing::new(plain.flat_map(char::to_lowercase).collect())
}

/// The part of a password that is judged. One that repeats itself is judged by two rounds, so that the end of a window
/// in the middle of a round does not look like something new.
fn judged_part(password: &str) -> Zeroizing<String> {
    let text: Zeroizing<Vec<char>> = Zeroizing::new(password.chars().collect());
    let period = (1..=text.len() / 2).find(|&period| text[period..] == text[..text.len() - period]);
    let rounds = period.map_or(text.len(), |period| 2 * period);
    let stand_ins = STAND_INS.chars().filter(|c| text[..text.len().min(WINDOW)].contains(c)).count();
    let window = if stand_ins > MAX_STAND_INS { SHORT_WINDOW } else { WINDOW };
    Zeroizing::new(text.iter().take(rounds.min(window)).collect())
}

/// Where a word of the context comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Service,
    Organization,
    Address,
    Person,
}

/// The words around a person that somebody would try first. They make a password no longer, only weaker.
#[derive(Debug, Clone)]
pub struct Context {
    /// Lower case, without repetition.
    words: Vec<(String, Source)>,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// The words that are tried everywhere: the names of the services involved.
    #[must_use]
    pub fn new() -> Self {
        let mut context = Self { words: Vec::new() };
        for name in ["sentry", "fly.io", "flybridge"] {
            context.add(name, Source::Service);
        }
        context
    }

    #[must_use]
    pub fn organization(mut self, name: &str, slug: &str) -> Self {
        self.add(name, Source::Organization);
        self.add(slug, Source::Organization);
        self
    }

    /// An e-mail address: the part before the `@`, and the domain.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        match address.rsplit_once('@') {
            Some((local, domain)) => {
                self.add(local, Source::Address);
                self.add(domain, Source::Address);
            }
            None => self.add(address, Source::Address),
        }
        self
    }

    /// A person's name.
    #[must_use]
    pub fn person(mut self, name: &str) -> Self {
        self.add(name, Source::Person);
        self
    }

    /// The phrase as it is, written together, and each of its words.
    fn add(&mut self, phrase: &str, source: Source) {
        let phrase: String = phrase.nfkc().flat_map(char::to_lowercase).take(MAX_WORD).collect();
        let parts = || phrase.split(|c: char| !c.is_alphanumeric());
        let together: String = parts().collect();
        for word in [phrase.as_str(), &together].into_iter().chain(parts()) {
            let known = self.words.iter().any(|(other, _)| other == word);
            if word.chars().count() >= 3 && !known && self.words.len() < MAX_WORDS {
                self.words.push((word.to_owned(), source));
            }
        }
    }

    /// The password without the words of the context, and where the longest of those came from; none when it holds
    /// none of them. Case and accents do not count: "Tomas" is "Tomás".
    fn rest(&self, password: &str) -> Option<(Zeroizing<String>, Source)> {
        let mut words: Vec<(String, Source)> =
            self.words.iter().map(|(word, source)| (folded(word).to_string(), *source)).collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        let mut rest = folded(password);
        let mut longest = None;
        for (word, source) in words {
            if rest.contains(&word) {
                longest = longest.or(Some(source));
                rest = Zeroizing::new(rest.replace(&word, " "));
            }
        }
        longest.map(|source| (Zeroizing::new(rest.split_whitespace().collect::<Vec<_>>().join(" ")), source))
    }

    fn source_of(&self, word: &str) -> Option<Source> {
        self.words.iter().find(|(known, _)| known == word).map(|(_, source)| *source)
    }
}

/// What makes the password easy, and the one thing to do about it.
fn hint(entropy: &Entropy, context: &Context, removed: Option<Source>) -> String {
    let matches = flatten(entropy.sequence());
    let dated = matches.iter().any(|m| matches!(m.pattern, MatchPattern::Date(_) | MatchPattern::Regex(_)));
    let source = matches.iter().find_map(|m| match &m.pattern {
        MatchPattern::Dictionary(found) => context.source_of(&found.matched_word),
        _ => None,
    });
    let close_to = match source.or(removed) {
        Some(Source::Organization) => "the name of your organization",
        Some(Source::Address) => "your email address",
        Some(Source::Person) => "your name",
        Some(Source::Service) => "the name of a service you use it for",
        None => return general_hint(entropy).to_owned(),
    };
    let year = if dated { " and a year" } else { "" };
    format!(
        "This one is close to {close_to}{year}, which is tried early. \
         Add two or three words that have nothing to do with it."
    )
}

/// The matches, with those inside of repetitions.
fn flatten(sequence: &[Match]) -> Vec<&Match> {
    let mut all: Vec<&Match> = sequence.iter().collect();
    for found in sequence {
        if let MatchPattern::Repeat(repeat) = &found.pattern {
            all.extend(repeat.base_matches.iter());
        }
    }
    all
}

fn general_hint(entropy: &Entropy) -> &'static str {
    match entropy.feedback().and_then(zxcvbn::feedback::Feedback::warning) {
        Some(Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess) => {
            "These keys lie side by side on the keyboard, which is tried early. \
             Use four or five words that have nothing to do with each other."
        }
        Some(Warning::RepeatsLikeAaaAreEasyToGuess | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess) => {
            "Repeating the same thing makes a password longer but hardly harder to guess. \
             Use four or five different words that have nothing to do with each other."
        }
        Some(Warning::SequencesLikeAbcAreEasyToGuess) => {
            "Rows like abc or 6543 are tried early. \
             Use four or five words that have nothing to do with each other."
        }
        Some(Warning::RecentYearsAreEasyToGuess | Warning::DatesAreOftenEasyToGuess) => {
            "Years and dates are tried early. Add two or three words that have nothing to do with them."
        }
        Some(Warning::NamesAndSurnamesByThemselvesAreEasyToGuess | Warning::CommonNamesAndSurnamesAreEasyToGuess) => {
            "Names are tried early. Add two or three words that have nothing to do with them."
        }
        Some(
            Warning::ThisIsATop10Password
            | Warning::ThisIsATop100Password
            | Warning::ThisIsACommonPassword
            | Warning::ThisIsSimilarToACommonlyUsedPassword,
        ) => {
            "This one is close to a password that many people use, which is tried early. \
             Use four or five words that have nothing to do with each other."
        }
        Some(Warning::AWordByItselfIsEasyToGuess) | None => {
            "This one would be guessed quickly. Add two or three words that have nothing to do with it."
        }
    }
}
