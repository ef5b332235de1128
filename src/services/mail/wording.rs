//! How mails put names, dates and spans into words.

use std::time::Duration;

use super::line::{Line, Names};
use crate::clock::Timestamp;

/// "Hello Priya," or, where nobody told us a name, "Hello,".
pub(super) fn greeting(name: Option<&Line>) -> String {
    match name {
        Some(name) if !name.is_empty() => format!("Hello {name},"),
        _ => "Hello,".to_owned(),
    }
}

/// "22 November 2026", in UTC.
pub(super) fn date(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %B %Y").to_string()
}

/// "22 November 2026, 14:43 UTC".
pub(super) fn date_and_time(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// "24 hours", "1 hour", "3 days", "90 minutes": the largest unit that is exact, hours up to two days.
#[must_use]
pub fn span(span: Duration) -> String {
    let minutes = span.as_secs().div_ceil(60);
    let (count, unit) = match minutes {
        m if m % 1440 == 0 && m > 2880 => (m / 1440, "day"),
        m if m % 60 == 0 && m > 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// One organization that left Fly.io Auth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    pub organization: Line,
    /// The admin who clicked; nobody where the operator or Sentry's own back end did it.
    pub by: Option<Line>,
    /// Whether that is who reads the mail.
    pub by_reader: bool,
    pub at: Timestamp,
}

/// The organizations one mail is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switches(Vec<Switch>);

impl Switches {
    #[must_use]
    pub fn new(first: Switch, rest: Vec<Switch>) -> Self {
        let mut all = vec![first];
        all.extend(rest);
        Self(all)
    }

    /// "A", "A and B", "A, B and C".
    #[must_use]
    pub fn organizations(&self) -> Names {
        self.0.iter().map(|switch| switch.organization.clone()).collect()
    }

    /// The verb that fits [`Self::organizations`].
    #[must_use]
    pub fn verb<'a>(&self, singular: &'a str, plural: &'a str) -> &'a str {
        if self.0.len() > 1 { plural } else { singular }
    }

    /// Who decided, and when: one sentence, or one for each organization where they differ.
    #[must_use]
    pub fn decision(&self) -> String {
        let told = |switch: &Switch| (decider(switch), date(switch.at));
        let mut said: Vec<(String, String)> = self.0.iter().map(told).collect();
        said.dedup();
        if let [(by, on)] = said.as_slice() {
            return format!("{by} decided this on {on}.");
        }
        let sentences = self.0.iter().take(4).map(|switch| {
            format!("{} decided this for {} on {}.", decider(switch), switch.organization, date(switch.at))
        });
        sentences.collect::<Vec<_>>().join(" ")
    }

    /// Whom to ask about it: "Ines Marlow or another admin of Saltmarsh Labs".
    #[must_use]
    pub fn whom_to_ask(&self) -> String {
        let others = self.0.iter().filter(|switch| !switch.by_reader);
        let mut people: Vec<&Line> = others.filter_map(|switch| switch.by.as_ref()).collect();
        people.sort_unstable();
        people.dedup();
        let place = match self.0.as_slice() {
            [only] => only.organization.as_str(),
            _ => "one of these organizations",
        };
        match people.as_slice() {
            [person] => format!("{person} or another admin of {place}"),
            [] if self.0.iter().any(|switch| switch.by_reader) => format!("another admin of {place}"),
            _ => format!("an admin of {place}"),
        }
    }
}

fn decider(switch: &Switch) -> String {
    if switch.by_reader {
        return "You".to_owned();
    }
    switch.by.as_ref().map_or_else(|| "The operator of Flybridge".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(organization: &str, by: Option<&str>, day: i64) -> Switch {
        let at = Timestamp::from_seconds(1_795_358_622 + day * 86_400);
        Switch { organization: Line::name(organization), by: by.map(Line::name), by_reader: false, at }
    }

    #[test]
    fn a_decision_names_everyone_once() {
        let one = Switches::new(switch("A", Some("Ines Marlow"), 0), vec![]);
        assert_eq!(one.decision(), "Ines Marlow decided this on 22 November 2026.");
        assert_eq!(one.whom_to_ask(), "Ines Marlow or another admin of A");
        let same = Switches::new(switch("A", Some("Ines"), 0), vec![switch("B", Some("Ines"), 0)]);
        assert_eq!(same.decision(), "Ines decided this on 22 November 2026.");
        let two = Switches::new(switch("A", Some("Ines"), 0), vec![switch("B", None, 1)]);
        assert_eq!(
            two.decision(),
            "Ines decided this for A on 22 November 2026. The operator of Flybridge decided this for B on 23 November 2026."
        );
        assert_eq!(two.whom_to_ask(), "Ines or another admin of one of these organizations");
        assert_eq!(two.verb("signs", "sign"), "sign");
        let own = Switches::new(Switch { by_reader: true, ..switch("A", Some("Ines Marlow"), 0) }, vec![]);
        assert_eq!(own.decision(), "You decided this on 22 November 2026.");
        assert_eq!(own.whom_to_ask(), "another admin of A");
        let nobody = Switches::new(switch("A", None, 0), vec![]);
        assert_eq!(nobody.whom_to_ask(), "an admin of A");
    }

    #[test]
    fn spans_are_said_in_the_unit_that_fits() {
        for (seconds, words) in
            [(86_400, "24 hours"), (3_600, "1 hour"), (259_200, "3 days"), (5_400, "90 minutes"), (60, "1 minute")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
    }
}
