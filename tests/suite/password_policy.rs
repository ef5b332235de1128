//! Which passwords are good enough, and the form in which they are kept.

use flybridge::domain::password::{Context, HashParameters, Password, PasswordHash, Policy, Weak};
use proptest::prelude::*;

fn context() -> Context {
    Context::new()
        .organization("Saltmarsh Labs", "saltmarsh-labs")
        .address("marguerite.duras@northern-lights.example")
        .person("Marguerite Duras")
}

fn verdict(password: &str) -> Result<(), Weak> {
    Policy::default().assess(password, &context()).verdict.map(|_| ())
}

fn hint(password: &str) -> String {
    match verdict(password) {
        Err(weak @ Weak::Guessable { .. }) => weak.message(),
        other => panic!("{password}: {other:?}"),
    }
}

#[test]
fn good_passwords_pass() {
    for password in [
        "otter velvet ladder monsoon brick",
        "kA7#pq9!Lm2$xZ8v",
        "übergrößenträger gießkanne",
        "пять разных слов подряд тут",
        "猫と犬と鳥と魚と馬と牛と羊と山",
        "                    x 7 Q # m p",
    ] {
        assert_eq!(verdict(password), Ok(()), "{password}");
    }
}

#[test]
fn length_counts_characters_after_normalization() {
    let policy = Policy { min: 15, max: 20, min_score: 0 };
    let check = |password: &str| policy.assess(password, &Context::new()).verdict.map(|_| ());
    assert_eq!(check("kA7#pq9!Lm2$xZ"), Err(Weak::TooShort { min: 15 }));
    assert_eq!(check("kA7#pq9!Lm2$xZ8"), Ok(()));
    assert_eq!(check("kA7#pq9!Lm2$xZ8vkA7#"), Ok(()));
    assert_eq!(check("kA7#pq9!Lm2$xZ8vkA7#q"), Err(Weak::TooLong { max: 20 }));
    assert_eq!(check("äöüßéèêëñçøåæœð"), Ok(()), "15 characters, 30 bytes");
    assert_eq!(check(&"e\u{301}".repeat(15)), Ok(()), "15 characters out of 30 code points");
    assert_eq!(check(&"ﬃ".repeat(7)), Err(Weak::TooLong { max: 20 }), "21 characters out of 7");
    assert_eq!(check(&"x".repeat(100_000)), Err(Weak::TooLong { max: 20 }));
    assert_eq!(Weak::TooShort { min: 15 }.message(), "Use at least 15 characters. Four or five words will do.");
}

#[test]
fn the_longest_password_allowed_passes() {
    let words = "otter velvet ladder monsoon brick ".repeat(8);
    let longest: String = words.chars().take(256).collect();
    assert_eq!(longest.chars().count(), 256);
    assert_eq!(verdict(&longest), Ok(()));
    assert_eq!(verdict(&format!("{longest}.")), Err(Weak::TooLong { max: 256 }));
}

#[test]
fn the_words_around_a_person_are_named() {
    let organization = "This one is close to the name of your organization and a year, which is tried early. \
                        Add two or three words that have nothing to do with it.";
    assert_eq!(hint("saltmarshlabs2024"), organization);
    assert!(hint("Saltmarsh Labs!").contains("your organization,"), "{}", hint("Saltmarsh Labs!"));
    assert!(hint("S4ltm4rsh-L4bs1").contains("your organization"));
    assert!(hint("saltmarshlabssaltmarshlabs").contains("your organization"));
    assert!(hint("marguerite.duras").contains("your email address"));
    assert!(hint("northern-lights.example").contains("your email address"));
    assert!(hint("flybridgesentry").contains("the name of a service"));
    let nobody = Context::new().person("Wolfeschlegel Hausenbergerdorff");
    let weak = Policy::default().assess("wolfeschlegel1990", &nobody).verdict.unwrap_err();
    assert!(weak.message().contains("your name and a year"), "{}", weak.message());
    assert_eq!(Policy::default().assess("wolfeschlegel hausenbergerdorff q7", &Context::new()).verdict.err(), None);
}

#[test]
fn other_weaknesses_say_what_to_do() {
    assert!(hint("aaaaaaaaaaaaaaaaaaaa").starts_with("Repeating"));
    assert!(hint("passwordpassword").starts_with("Repeating"));
    assert!(hint("zxcvbnm,./';lkjhgf").contains("side by side on the keyboard"));
    assert!(hint("qwertyuiopasdfghjkl").contains("many people use"));
    assert!(hint("abcdefghijklmnopqrst").contains("Rows like abc"));
    for password in ["123456789012345678", "Password1234567", "iloveyouiloveyou1"] {
        let message = hint(password);
        assert!(message.ends_with('.') && message.len() > 40, "{message}");
    }
}

#[test]
fn strength_is_told_with_every_answer() {
    let strength = |password: &str| Policy::default().assess(password, &context()).strength;
    assert_eq!(strength(""), 0);
    assert_eq!(strength("aaaaaaaaaaaaaaaaaaaa"), 0);
    assert_eq!(strength("saltmarshlabs2024"), 1);
    assert_eq!(strength("kA7#pq9!"), 2, "told for a password that is too short as well");
    assert_eq!(strength("otter velvet ladder monsoon brick"), 4);
}

#[test]
fn many_and_long_words_of_context_are_bounded() {
    let mut context = Context::new();
    for i in 0..500 {
        context = context.organization(&format!("organization number {i} {}", "x".repeat(500)), &format!("org-{i}"));
    }
    let assessment = Policy::default().assess("otter velvet ladder monsoon brick", &context);
    assert_eq!(assessment.strength, 4);
}

#[test]
fn the_same_keys_give_the_same_password() {
    let form = |raw: &str| Password::normalize(raw).expect("short").expose().to_owned();
    assert_eq!(form("Cafe\u{301} \u{212B}ngström ﬁsh ①"), form("Caf\u{e9} \u{c5}ngström fish 1"));
    assert_ne!(form("Password"), form("password"));
    assert_eq!(form("  spaces stay  "), "  spaces stay  ");
    assert!(Password::normalize(&"x".repeat(8 * 1024 + 1)).is_none());
    assert_eq!(format!("{:?}", Password::normalize("hunter2").unwrap()), "Password([secret])");
}

proptest! {
    #[test]
    fn any_text_is_assessed(text in "\\PC{0,60}") {
        let policy = Policy::default();
        let assessment = policy.assess(&text, &context());
        prop_assert!(assessment.strength <= 4);
        if let Ok(password) = assessment.verdict {
            prop_assert!(password.characters() >= policy.min && assessment.strength >= policy.min_score);
        }
    }

    #[test]
    fn a_hash_has_one_text(
        memory in 8_u32..=1_048_576, passes in 1_u32..=64, lanes in 1_u32..=64,
        salt in prop::collection::vec(any::<u8>(), 8..=64), output in prop::collection::vec(any::<u8>(), 16..=64),
    ) {
        let memory = memory.max(8 * lanes);
        let parameters = HashParameters::new(memory, passes, lanes).expect("within bounds");
        let hash = PasswordHash::new(parameters, salt, output).expect("within bounds");
        let text = hash.to_text();
        prop_assert!(PasswordHash::parse(&text).expect("parses") == hash);
        let json = serde_json::to_string(&hash).expect("serializes");
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert!(serde_json::from_str::<PasswordHash>(&json).expect("reads") == hash);
    }

    #[test]
    fn rubbish_is_no_hash(text in "\\PC{0,120}", tail in "[$a-z0-9=,+/]{0,80}") {
        prop_assert!(PasswordHash::parse(&text).is_err());
        let text = format!("$argon2id$v=19$m=19456,t=2,p=1${tail}");
        if let Ok(hash) = PasswordHash::parse(&text) {
            prop_assert_eq!(hash.to_text(), text);
        }
    }
}

#[test]
fn hashes_of_other_kinds_and_spellings_are_refused() {
    let good = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert!(PasswordHash::parse(good).is_ok());
    for (from, to) in [
        ("argon2id", "argon2i"),
        ("v=19", "v=16"),
        ("$v=19", ""),
        ("m=65536", "m=065536"),
        ("m=65536", "m=+65536"),
        ("m=65536", "m="),
        ("m=65536", "m=7"),
        ("m=65536", "m=1048577"),
        ("m=65536", "m=99999999999"),
        ("t=2", "t=0"),
        ("t=2,p=1", "p=1,t=2"),
        ("p=1", "p=1,keyid=AA"),
        ("c29tZXNhbHQ", "c29tZXNhbHQ="),
        ("c29tZXNhbHQ", "c29t"),
        ("PPc", "PPd"),
        ("PPc", "PPc$"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        assert!(PasswordHash::parse(&text).is_err(), "{text}");
    }
    assert_eq!(format!("{:?}", PasswordHash::parse(good).unwrap()), "[password hash]");
}

#[test]
fn the_defaults_are_enough() {
    assert!(HashParameters::default().is_enough());
    assert!(!HashParameters::new(18 * 1024, 2, 1).unwrap().is_enough());
    assert!(!HashParameters::new(19 * 1024, 1, 1).unwrap().is_enough());
}

#[test]
fn a_repeated_weak_password_stays_weak_at_every_length() {
    for password in ["saltmarshlabs", "saltmarshlabs ", "passw0rd", "sentry-fly-"] {
        for length in (2 * password.len()).max(15)..=256 {
            let repeated: String = password.chars().cycle().take(length).collect();
            let assessment = Policy::default().assess(&repeated, &context());
            assert!(assessment.verdict.is_err(), "{repeated}");
        }
    }
}

/// What password managers make, at its longest: judged by its beginning, and found good.
#[test]
fn long_random_passwords_pass() {
    let random: String = (0..256).map(|i: u32| char::from_u32(33 + (i * 37 + i / 94) % 94).unwrap()).collect();
    for length in [20, 32, 33, 64, 100, 101, 256] {
        let assessment = Policy::default().assess(&random[..length], &context());
        assert_eq!((assessment.strength, assessment.verdict.is_ok()), (4, true), "{length}");
    }
}

#[test]
fn words_of_the_context_make_no_password_in_any_number_or_order() {
    let context = || {
        Context::new()
            .organization("Saltmarsh Labs", "saltmarsh-labs")
            .person("Tomás Silva")
            .address("t2s7i4l9v6a3y0e8@customer.fly.io")
    };
    for weak in [
        "saltmarsh labs tomas silva",
        "Tomás Silva Saltmarsh Labs",
        "silva tomas silva tomas",
        "saltmarsh-labs sentry 2026",
        "flybridge sentry saltmarsh labs",
    ] {
        let assessed = Policy::default().assess(weak, &context());
        assert!(matches!(assessed.verdict, Err(Weak::Guessable { .. })), "{weak}: {}", assessed.strength);
    }
    for good in ["saltmarsh otter velvet ladder monsoon", "otter velvet ladder monsoon brick"] {
        assert!(Policy::default().assess(good, &context()).verdict.is_ok(), "{good}");
    }
}
