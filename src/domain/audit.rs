//! Who did what, when and from where, as an organization's admins and the operators read it.

use serde::{Deserialize, Serialize};

use super::organization::Actor;
use crate::clock::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    SignedIn,
    Refused,
    LoginMethodChanged,
    RunFinished,
    ResendFinished,
    LinkResent,
    RemindersSent,
    MailReturned,
    PasswordSet,
    AddressChanged,
    MemberLeftOut,
    MemberLetIn,
    MemberAdded,
    RoleChanged,
    OrganizationAdded,
    PlanChanged,
}

impl AuditKind {
    /// The words for pages.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::SignedIn => "Signed in",
            Self::Refused => "Refused",
            Self::LoginMethodChanged => "Login method changed",
            Self::RunFinished => "Run finished",
            Self::ResendFinished => "Resending finished",
            Self::LinkResent => "Link sent again",
            Self::RemindersSent => "Reminders sent",
            Self::MailReturned => "Mail came back",
            Self::PasswordSet => "Password set",
            Self::AddressChanged => "Address changed",
            Self::MemberLeftOut => "Member left out",
            Self::MemberLetIn => "Member let in",
            Self::MemberAdded => "Member added",
            Self::RoleChanged => "Role changed",
            Self::OrganizationAdded => "Organization added",
            Self::PlanChanged => "Plan changed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub kind: AuditKind,
    pub who: Actor,
    /// The network address; none for what the program does by itself.
    pub from: Option<String>,
    pub detail: String,
}
