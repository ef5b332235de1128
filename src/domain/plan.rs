//! What an organization pays for at Sentry, and what that means for leaving Fly.io.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The plan as recorded. What it amounts to at a moment is [`Plan::at`]: nothing depends on a job having run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "plan", rename_all = "snake_case")]
pub enum Plan {
    /// One year of the Team plan, paid by Fly.io.
    Sponsored { ends_at: Timestamp },
    /// Bought from Sentry, which ends the sponsorship for good.
    Paid { name: String, since: Timestamp },
}

/// What a [`Plan`] amounts to at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectivePlan {
    Sponsored {
        ends_at: Timestamp,
    },
    /// The free plan that an organization falls to when the sponsored year ends.
    Developer {
        since: Timestamp,
    },
    Paid {
        name: String,
        since: Timestamp,
    },
}

/// Leaving Fly.io is not possible while Fly.io sponsors the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Fly.io sponsors the plan until {until:?}")]
pub struct StillSponsored {
    pub until: Timestamp,
}

impl Plan {
    #[must_use]
    pub fn at(&self, now: Timestamp) -> EffectivePlan {
        match self {
            Self::Sponsored { ends_at } if now < *ends_at => EffectivePlan::Sponsored { ends_at: *ends_at },
            Self::Sponsored { ends_at } => EffectivePlan::Developer { since: *ends_at },
            Self::Paid { name, since } => EffectivePlan::Paid { name: name.clone(), since: *since },
        }
    }

    /// For the audit log.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Sponsored { ends_at } => format!("sponsored by Fly.io until {}", ends_at.to_jiff()),
            Self::Paid { name, .. } => format!("paid: {name}"),
        }
    }

    /// Whether the organization may leave Fly.io at `now`: after the sponsored year, or once upgraded.
    pub fn may_leave(&self, now: Timestamp) -> Result<(), StillSponsored> {
        match self.at(now) {
            EffectivePlan::Sponsored { ends_at } => Err(StillSponsored { until: ends_at }),
            EffectivePlan::Developer { .. } | EffectivePlan::Paid { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sponsored_year_ends_by_the_clock_alone() {
        let ends_at = Timestamp::from_seconds(1_000);
        let plan = Plan::Sponsored { ends_at };
        let before = Timestamp::from_millis(999_999);
        assert_eq!(plan.at(before), EffectivePlan::Sponsored { ends_at });
        assert_eq!(plan.may_leave(before), Err(StillSponsored { until: ends_at }));
        assert_eq!(plan.at(ends_at), EffectivePlan::Developer { since: ends_at });
        assert_eq!(plan.may_leave(ends_at), Ok(()));
    }

    #[test]
    fn a_paid_plan_may_leave_at_once() {
        let plan = Plan::Paid { name: "Team".to_owned(), since: Timestamp::EPOCH };
        assert_eq!(plan.may_leave(Timestamp::EPOCH), Ok(()));
    }
}
