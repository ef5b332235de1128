//! A sample of every mail, for the tests and for whoever changes the words.

use std::time::Duration;

use url::Url;

use super::contexts::{
    AdminSummary, AlreadyHasPassword, Failure, ForgotLink, PasswordChanged, PasswordEvent, Reminder, RenderError,
    SetPassword, Totals,
};
use super::line::{Line, Names};
use super::own_address::{AddressChanged, AddressEvent, ConfirmAddress, TestMail};
use super::parts::Parts;
use super::wording::{Switch, Switches};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;

/// 22 November 2026, 14:37:02 UTC.
const SWITCHED: Timestamp = Timestamp::from_seconds(1_795_358_222);
const DAY: Duration = Duration::from_hours(24);

/// Every mail under its name, as it reads for the people of the samples.
///
/// # Errors
/// When a template fails.
pub fn samples() -> Result<Vec<(&'static str, Parts)>, RenderError> {
    Ok(vec![
        ("set-password", SetPassword::sample().render()?),
        ("set-password-two-organizations", SetPassword::sample_of_two().render()?),
        ("reminder", Reminder::sample().render()?),
        ("already-has-password", AlreadyHasPassword::sample().render()?),
        ("password-changed", PasswordChanged::sample().render()?),
        ("forgot-link", ForgotLink::sample().render()?),
        ("confirm-address", ConfirmAddress::sample().render()?),
        ("test-mail", TestMail::sample().render()?),
        ("set-password-no-address", SetPassword::sample_without_address().render()?),
        ("address-added", AddressChanged::sample(AddressEvent::Added).render()?),
        ("address-removed", AddressChanged::sample(AddressEvent::Removed).render()?),
        ("address-replaced", AddressChanged::sample_of_replaced().render()?),
        ("admin-summary", AdminSummary::sample().render()?),
        ("admin-summary-left-out-on-purpose", AdminSummary::sample_with_left_out().render()?),
        ("admin-summary-nobody-left-out", AdminSummary::sample_without_failures().render()?),
    ])
}

#[expect(clippy::expect_used, reason = "the paths below are constants, and a test renders them all")]
fn page(path: &str) -> Url {
    Url::parse("https://flybridge.example").and_then(|base| base.join(path)).expect("a path is a URL")
}

#[expect(clippy::expect_used, reason = "the addresses below are constants, and a test renders them all")]
fn address(text: &str) -> EmailAddress {
    text.parse().expect("an address")
}

fn switch(organization: &str, by: &str, at: Timestamp) -> Switch {
    Switch { organization: Line::name(organization), by: Some(Line::name(by)), by_reader: false, at }
}

impl SetPassword {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: Some(Line::name("Priya")),
            switches: Switches::new(switch("Saltmarsh Labs", "Ines Marlow", SWITCHED), vec![]),
            link: page("/set-up/pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4Gm6Sa1"),
            sign_in_address: Some(address("q7m2x9k4v1w8z5t3@customer.fly.io")),
            link_life: DAY,
        }
    }

    /// To somebody whose address at Fly.io is another person's own.
    fn sample_without_address() -> Self {
        Self { sign_in_address: None, ..Self::sample() }
    }

    fn sample_of_two() -> Self {
        let second = switch("Harbour Tools", "Chloé Martin", SWITCHED.plus(DAY));
        let first = switch("Saltmarsh Labs", "Ines Marlow", SWITCHED);
        Self { name: None, switches: Switches::new(first, vec![second]), ..Self::sample() }
    }
}

impl Reminder {
    #[must_use]
    pub fn sample() -> Self {
        let SetPassword { name, switches, link, sign_in_address, link_life } = SetPassword::sample();
        Self { name, switches, link, sign_in_address, link_life }
    }
}

impl ConfirmAddress {
    fn sample() -> Self {
        Self {
            name: None,
            person: Line::name("Priya Raman"),
            address: address("priya@saltmarsh.example"),
            link: page("/confirm-address/u_1ab7c2.1.pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4Gm6Sa1"),
            link_life: DAY,
        }
    }
}

impl TestMail {
    fn sample() -> Self {
        Self {
            name: Some(Line::name("Ines")),
            organization: Line::name("Saltmarsh Labs"),
            asked_at: SWITCHED,
            preview: page("/organizations/saltmarsh-labs/auth/disable"),
        }
    }
}

impl AddressChanged {
    /// As it goes to the address that was replaced.
    fn sample_of_replaced() -> Self {
        let (before, shown) = (Some(address("priya@saltmarsh.example")), "r***@harbour.example".to_owned());
        Self { before, address: shown, signs_in: false, ..Self::sample(AddressEvent::Replaced) }
    }

    fn sample(event: AddressEvent) -> Self {
        Self {
            name: Some(Line::name("Priya")),
            event,
            address: "priya@saltmarsh.example".to_owned(),
            before: None,
            signs_in: true,
            at: SWITCHED,
            from: Line::name("203.0.113.80, Firefox on Linux"),
            account: page("/account"),
            forgot: page("/forgot"),
        }
    }
}

impl AlreadyHasPassword {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: Some(Line::name("Bram")),
            switches: Switches::new(switch("Saltmarsh Labs", "Ines Marlow", SWITCHED), vec![]),
            sign_in: page("/sign-in"),
            forgot: page("/forgot"),
            sign_in_address: Some(address("bram@saltmarsh.example")),
            password_set_at: SWITCHED.minus(DAY * 233),
        }
    }
}

impl PasswordChanged {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: Some(Line::name("Priya")),
            event: PasswordEvent::Set,
            at: SWITCHED.plus(Duration::from_secs(376)),
            from: Line::sentence("203.0.113.80, Firefox on Linux"),
            sign_in_address: Some(address("q7m2x9k4v1w8z5t3@customer.fly.io")),
            forgot: page("/forgot"),
        }
    }
}

impl ForgotLink {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: Some(Line::name("Priya")),
            organizations: Names::new(["Saltmarsh Labs", "Harbour Tools", "Kelp & Co"]),
            link: page("/set-up/pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4Gm6Sa1"),
            sign_in_address: Some(address("q7m2x9k4v1w8z5t3@customer.fly.io")),
            link_life: DAY,
            has_password: true,
        }
    }
}

impl AdminSummary {
    #[must_use]
    pub fn sample() -> Self {
        let failure = |name: &str, reason: &str| Failure { name: Line::name(name), reason: Line::sentence(reason) };
        Self {
            name: Some(Line::name("Ines")),
            organization: Line::name("Saltmarsh Labs"),
            switched_at: SWITCHED,
            totals: Totals { members: 412, sent: 406, failed: 3, cancelled: 3, left_out: 2, ready: 52 },
            failures: vec![
                failure(
                    "Leo Brandt",
                    "Their mail server says this mailbox does not exist (550). Ask them to mend it, then resend.",
                ),
                failure("Nadia Osei", "Their mail server refused us (554, policy)."),
                failure("Sam O’Connell", "Fly.io gave us no address."),
            ],
            run: page("/organizations/saltmarsh-labs/auth/disable/01KAP4PZ7M"),
        }
    }

    fn sample_with_left_out() -> Self {
        let totals = Totals { members: 412, sent: 407, failed: 0, cancelled: 5, left_out: 5, ready: 1 };
        Self { totals, failures: vec![], ..Self::sample() }
    }

    fn sample_without_failures() -> Self {
        let totals = Totals { members: 412, sent: 412, failed: 0, cancelled: 0, left_out: 0, ready: 1 };
        Self { totals, failures: vec![], ..Self::sample() }
    }
}
