//! What mails say, and that nobody's name can change what a mail is.

use flybridge::domain::ids::Slug;
use flybridge::services::mail::{
    AdminSummary, Failure, Line, ListId, Message, MessageId, Names, SetPassword, Switch, Switches, Totals, samples,
};

use proptest::test_runner::{Config as ProptestConfig, RngSeed};

use super::super::support::mime::Mail;
use super::{LINK, SENT, address, mail_to, sender};

/// Bytes of one mail at most, as it goes over the wire.
const SMALL: usize = 20_000;

fn compose(message: &Message) -> Vec<u8> {
    message.compose(&sender()).unwrap().formatted()
}

/// The same inputs in every run.
fn repeatable() -> ProptestConfig {
    ProptestConfig { cases: 512, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn every_mail_reads_as_agreed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, parts) in samples().unwrap() {
            insta::assert_snapshot!(format!("{name}.txt"), format!("Subject: {}\n\n{}", parts.subject, parts.text));
            insta::assert_snapshot!(format!("{name}.html"), parts.html);
        }
    });
}

#[test]
fn every_mail_is_small_whole_and_shows_nothing_from_elsewhere() {
    for (name, parts) in samples().unwrap() {
        let message = Message { parts: parts.clone(), ..mail_to("priya@saltmarsh.example", name) };
        let bytes = compose(&message);
        assert!(bytes.is_ascii() && bytes.len() < SMALL, "{name} has {} bytes", bytes.len());
        let mail = Mail::parse(&bytes);
        assert_eq!(mail.header("subject"), parts.subject.as_str());
        assert_eq!(mail.text("text/plain").trim_end(), parts.text.trim_end());
        assert_eq!(mail.text("text/html").trim_end(), parts.html.trim_end());
        for remote in ["<img", "<script", "<link", "url(", "src=", "@import"] {
            assert!(!parts.html.contains(remote), "{name} has {remote}");
        }
        assert_eq!(parts.html.matches("class=\"btn-a\"").count(), 1, "{name} has one button");
        assert!(parts.html.contains("We never ask for a password by mail."));
        let longest = parts.text.lines().filter(|line| !line.contains("://")).map(|line| line.chars().count()).max();
        assert!(longest <= Some(79), "{name}");
        let links = |text: &str| {
            text.split(|c: char| c.is_whitespace() || "\"<>".contains(c))
                .filter(|w| w.starts_with("https://"))
                .map(str::to_owned)
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(links(&parts.text), links(&parts.html), "{name}: the same links in both parts");
    }
}

#[test]
fn a_mail_carries_its_own_headers_and_no_others() {
    let slug: Slug = "saltmarsh-labs".parse().unwrap();
    let list = ListId::new(&Line::name("Saltmarsh Labs"), &slug, "flybridge.example");
    let message = Message { list: Some(list), ..mail_to("priya@saltmarsh.example", "run1.user1") };
    let mail = Mail::parse(&compose(&message));
    assert_eq!(
        mail.names(),
        ["date", "from", "to", "subject", "message-id", "auto-submitted", "list-id", "mime-version", "content-type"]
    );
    assert_eq!(mail.header("date"), "Sun, 22 Nov 2026 14:37:48 +0000");
    assert_eq!(mail.header("from"), "Flybridge <no-reply@flybridge.example>");
    assert_eq!(mail.header("to"), "\"Priya Raman\" <priya@saltmarsh.example>");
    assert_eq!(mail.header("message-id"), "<run1.user1@flybridge.example>");
    assert_eq!(mail.header("auto-submitted"), "auto-generated");
    assert_eq!(mail.header("list-id"), "Saltmarsh Labs <saltmarsh-labs.flybridge.example>");
    assert!(mail.text("text/plain").contains(LINK) && mail.text("text/html").contains(LINK));
}

#[test]
fn a_repeat_has_the_same_bytes() {
    let message = mail_to("priya@saltmarsh.example", "run1.user1");
    assert_eq!(compose(&message), compose(&message.clone()));
}

#[test]
fn letters_of_any_script_arrive() {
    let mut sample = SetPassword::sample();
    let by = Some(Line::name("Zoë Ångström"));
    sample.switches =
        Switches::new(Switch { organization: Line::name("潮間帯研究所"), by, by_reader: false, at: SENT }, vec![]);
    let slug: Slug = "chokantai".parse().unwrap();
    let list = ListId::new(&Line::name("潮間帯研究所"), &slug, "flybridge.example");
    let message = Message {
        to_name: Some(Line::name("王小明")),
        list: Some(list),
        parts: sample.render().unwrap(),
        ..mail_to("priya@saltmarsh.example", "id")
    };
    let mail = Mail::parse(&compose(&message));
    assert_eq!(mail.header("subject"), "Set your password for Sentry (潮間帯研究所)");
    assert_eq!(mail.header("list-id"), "潮間帯研究所 <chokantai.flybridge.example>");
    assert!(mail.header("to").contains("王小明"));
    for kind in ["text/plain", "text/html"] {
        assert!(mail.text(kind).contains("Zoë Ångström"), "{kind}");
    }
}

#[test]
fn no_name_and_no_subject_adds_a_header_a_line_or_markup() {
    let evil = "Evil\r\nBcc: victim@b.example\r\n\r\n<b>body</b>\n.\n\u{2028}https://a.example";
    let mut sample = SetPassword::sample();
    let by = Some(Line::name(evil));
    sample.name = Some(Line::name(evil));
    sample.switches =
        Switches::new(Switch { organization: Line::name(evil), by, by_reader: false, at: SENT }, vec![]);
    let slug: Slug = "evil".parse().unwrap();
    let message = Message {
        to_name: Some(Line::name(evil)),
        list: Some(ListId::new(&Line::name(evil), &slug, "flybridge.example\r\nBcc: x")),
        parts: sample.render().unwrap(),
        ..mail_to("priya@saltmarsh.example", "id")
    };
    let mut from = sender();
    from.name = Line::name(evil);
    let bytes = message.compose(&from).unwrap().formatted();
    let mail = Mail::parse(&bytes);
    assert!(!mail.names().iter().any(|name| *name == "bcc" || *name == "x"), "{:?}", mail.names());
    assert_eq!(mail.names().len(), 9);
    assert_eq!(mail.parts().len(), 2);
    assert!(mail.header("subject").starts_with("Set your password for Sentry (Evil Bcc: victim@b.example"));
    let text = mail.text("text/plain");
    assert!(!text.lines().any(|line| line == "." || line.starts_with("Bcc:")), "{text}");
    assert!(!mail.text("text/html").contains("<b>"));
}

#[test]
fn an_encoded_word_in_a_name_is_not_decoded_by_the_reader() {
    let mut sample = SetPassword::sample();
    let organization = Line::name("=?utf-8?b?RXZpbA0KQmNjOiB4?=");
    sample.switches = Switches::new(Switch { organization, by: None, by_reader: false, at: SENT }, vec![]);
    let message = Message { parts: sample.render().unwrap(), ..mail_to("priya@saltmarsh.example", "id") };
    let raw = String::from_utf8(compose(&message)).unwrap();
    assert!(!raw.to_lowercase().contains("=?utf-8?b?rxzp"), "{raw}");
}

proptest::proptest! {
    #![proptest_config(repeatable())]

    #[test]
    fn whatever_names_hold_the_mail_keeps_its_shape(name in ".{0,120}", organization in "(\\PC|[\r\n\t<>\"=?.]){0,120}") {
        let mut sample = SetPassword::sample();
        sample.name = Some(Line::name(&name));
        let by = Some(Line::name(&name));
        sample.switches = Switches::new(Switch { organization: Line::name(&organization), by, by_reader: false, at: SENT }, vec![]);
        let slug: Slug = "any".parse().unwrap();
        let message = Message {
            to_name: Some(Line::name(&name)),
            list: Some(ListId::new(&Line::name(&organization), &slug, "flybridge.example")),
            parts: sample.render().unwrap(),
            ..mail_to("priya@saltmarsh.example", "id")
        };
        let bytes = compose(&message);
        proptest::prop_assert!(bytes.is_ascii());
        let mail = Mail::parse(&bytes);
        proptest::prop_assert_eq!(mail.names().len(), 9);
        proptest::prop_assert_eq!(mail.header("subject"), message.parts.subject.as_str());
        proptest::prop_assert!(mail.header("to").trim_end_matches('>').ends_with("priya@saltmarsh.example"));
        proptest::prop_assert!(mail.header("list-id").ends_with("<any.flybridge.example>"));
        let text = mail.text("text/plain");
        proptest::prop_assert_eq!(text.trim_end(), message.parts.text.trim_end());
        proptest::prop_assert!(mail.text("text/html").contains(LINK));
    }

    #[test]
    fn every_address_that_we_take_can_be_mailed_to(text in "[a-zA-Z0-9ëß.!#$%&'*+/=?^_`{|}~-]{1,70}@[a-z0-9ü.-]{1,80}") {
        if let Ok(to) = text.parse() {
            let message = Message { to, ..mail_to("priya@saltmarsh.example", "id") };
            proptest::prop_assert!(message.compose(&sender()).is_ok(), "{text}");
        }
    }
}

#[test]
fn a_message_id_needs_no_quoting_and_makes_a_safe_file_name() {
    assert_eq!(MessageId::new("r1.u1", "flybridge.example").unwrap().as_str(), "r1.u1@flybridge.example");
    for (local, domain) in
        [("", "a.example"), ("a", ""), ("../a", "b"), (".a", "b"), ("a..b", "c"), ("a b", "c"), ("a\r\nX: y", "c")]
    {
        assert!(MessageId::new(local, domain).is_err(), "{local:?} {domain:?}");
    }
    assert!(MessageId::new(&"a".repeat(121), "b").is_err());
}

#[test]
fn the_largest_mails_stay_small() {
    let name = Line::name(&"W".repeat(500));
    let reason = Line::sentence(&"because ".repeat(100));
    let summary = AdminSummary {
        organization: name.clone(),
        totals: Totals { members: 10_000, sent: 0, failed: 9_999, cancelled: 1, left_out: 0, ready: 0 },
        failures: (0..9_999).map(|_| Failure { name: name.clone(), reason: reason.clone() }).collect(),
        ..AdminSummary::sample()
    };
    let switch = Switch { organization: name.clone(), by: Some(name.clone()), by_reader: false, at: SENT };
    let mut set_password = SetPassword::sample();
    set_password.switches = Switches::new(switch.clone(), vec![switch; 99]);
    for (id, parts) in [("a", summary.render().unwrap()), ("b", set_password.render().unwrap())] {
        let bytes = compose(&Message { parts, ..mail_to("priya@saltmarsh.example", id) });
        assert!(bytes.len() < SMALL, "{id} has {}", bytes.len());
    }
    assert!(summary.render().unwrap().text.contains("- and 9989 more, on the page"));
}

#[test]
fn a_person_without_a_name_is_greeted_too() {
    let mut sample = SetPassword::sample();
    for nobody in [None, Some(Line::name("\r\n"))] {
        sample.name = nobody;
        assert!(sample.render().unwrap().text.starts_with("Hello,\n"));
    }
    assert_eq!(Names::new(["A", "B"]).to_string(), "A and B");
    assert_eq!(address("priya@saltmarsh.example").masked().to_string(), "p***@saltmarsh.example");
}
