//! What a failed attempt means for the queue.
//!
//! The question behind every rule: *about whom does the failure say something?*
//!
//! | until | what fails | outcome |
//! |---|---|---|
//! | MAIL is answered | no connection, 4xx, connection lost, no answer in time | `Temporary`, scope `Server` |
//! | | TLS does not come about, 5xx to STARTTLS, STARTTLS not offered | `Blocked(Tls)` |
//! | | 5xx in the greeting or to EHLO | `Blocked(Refused)` |
//! | | 5xx to AUTH, no way to sign in that we know | `Blocked(Credentials)` |
//! | | 5xx to MAIL | `Blocked(Sender)` |
//! | the last byte before the final dot | 4xx, connection lost, no answer in time | `Temporary`, scope `Message` |
//! | | 5xx to RCPT or DATA | `Rejected` |
//! | the answer to the final dot | 4xx | `Temporary`, scope `Message` |
//! | | 5xx | `Rejected` |
//! | | connection lost, no answer in time | `Unclear` |
//! | anywhere | 530, 534, 535, 538 (RFC 4954, section 6) | `Blocked(Credentials)`, or `Tls` when STARTTLS is asked for |
//!
//! - Before RCPT the server knows the connection and the sender, which all mails share. So a 5xx to MAIL is about us
//!   and would meet every mail alike: it stops the queue instead of failing hundreds of people. A 4xx there makes
//!   the queue wait and uses up nobody's attempts.
//! - A connection that carried mail before proves nothing at MAIL, since servers also refuse there once a session has
//!   had its share. A fresh connection is asked first.
//! - From RCPT on a 5xx counts against this one recipient, even "relay access denied" and "your address is on a list",
//!   which may be about us. The code and the words do not tell these apart from a refusal by one recipient's own
//!   server, and the reverse mistake is worse: one address could hold up everybody's mail. Where it does meet
//!   everybody, the run page lists them all with the reason, and one button sends again.
//! - 421 announces a closed connection (RFC 5321, section 3.8). From RCPT on it is the message's own, too, or one mail
//!   that a filter chokes on would hold up the queue for good.
//! - After the final dot only an answer tells who has the mail (RFC 5321, section 4.5.3.2.6 asks for patience there).
//!   Without one the mail may have been delivered: the caller repeats it with the same Message-ID and link.

use super::answer::{enhanced_code, fit_to_show};
use crate::domain::email::EmailAddress;

/// How far an attempt got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Reaching the server, its greeting, EHLO.
    Connect,
    Encrypt,
    SignIn,
    Mail,
    Recipient,
    Data,
    /// The content is on its way, the final dot behind it; who has the mail now, only an answer tells.
    HandedOver,
}

/// What went wrong, before it is judged.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no.
    Answer { code: u16, text: String },
    /// The connection could not be made or broke, or what came was not SMTP.
    Lost(String),
    /// No answer in time.
    TimedOut,
    /// No encrypted connection.
    Tls(String),
    /// No way to sign in that we know.
    NoMechanism,
    /// The server does not take addresses outside ASCII (RFC 6531).
    NoInternationalAddresses,
    /// The address or the text cannot be brought into a mail.
    Unsendable(String),
}

/// Whom a temporary failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All mail: nothing was said about this one, so it should wait with the others and count no attempt.
    Server,
    /// This mail alone.
    Message,
}

/// What stands in the way of all mail until somebody mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// User name and password, or none where some are needed.
    Credentials,
    Tls,
    /// The server does not let us send from our address.
    Sender,
    /// The server wants nothing to do with us.
    Refused,
}

/// Why a mail did not go out. `sentence` is for an admin's eyes, `answer` is what the server said, masked and bounded;
/// both may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Try again later.
    #[error("{sentence}")]
    Temporary { scope: Scope, code: Option<u16>, answer: String, sentence: String },
    /// Final for this address and message.
    #[error("{sentence}")]
    Rejected { code: Option<u16>, answer: String, sentence: String },
    /// All mail has to wait until the obstacle is gone; no attempt counts.
    #[error("{sentence}")]
    Blocked { obstacle: Obstacle, code: Option<u16>, answer: String, sentence: String },
    /// It may have been delivered. Send it again with the same Message-ID.
    #[error("{sentence}")]
    Unclear { answer: String, sentence: String },
}

impl SendError {
    /// What an admin reads.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match self {
            Self::Temporary { sentence, .. }
            | Self::Rejected { sentence, .. }
            | Self::Blocked { sentence, .. }
            | Self::Unclear { sentence, .. } => sentence,
        }
    }

    /// What the server, or the network, said, with the code in front.
    #[must_use]
    pub fn said(&self) -> String {
        let code = match self {
            Self::Temporary { code, .. } | Self::Rejected { code, .. } | Self::Blocked { code, .. } => *code,
            Self::Unclear { .. } => None,
        };
        match code {
            Some(code) => format!("{code} {}", self.answer()),
            None => self.answer().to_owned(),
        }
    }

    /// What the server, or the network, said.
    #[must_use]
    pub fn answer(&self) -> &str {
        match self {
            Self::Temporary { answer, .. }
            | Self::Rejected { answer, .. }
            | Self::Blocked { answer, .. }
            | Self::Unclear { answer, .. } => answer,
        }
    }
}

/// Turns faults into outcomes. Knows the mail to keep its link out of them, and the sender to name it.
pub(super) struct Judge<'a> {
    pub(super) mail: &'a str,
    pub(super) sender: &'a EmailAddress,
}

impl Judge<'_> {
    pub(super) fn judge(&self, stage: Stage, fault: Fault) -> SendError {
        match fault {
            Fault::Answer { code, text } => self.judge_answer(stage, code, &text),
            Fault::Lost(text) => self.judge_silence(stage, &text, "broke off"),
            Fault::TimedOut => self.judge_silence(stage, "no answer in time", "gave no answer in time"),
            Fault::Tls(text) => self.blocked(Obstacle::Tls, None, &text),
            Fault::NoMechanism => {
                self.blocked(Obstacle::Credentials, None, "no way to sign in that we know is offered")
            }
            Fault::NoInternationalAddresses => SendError::Rejected {
                code: None,
                answer: "SMTPUTF8 is not offered".to_owned(),
                sentence:
                    "Our mail server cannot carry an address with letters outside a to z. Ask them for another \
                    address, then resend."
                        .to_owned(),
            },
            Fault::Unsendable(text) => SendError::Rejected {
                code: None,
                answer: self.shown(&text),
                sentence: "No mail can be sent to this address. Ask them for another one, then resend.".to_owned(),
            },
        }
    }

    fn judge_answer(&self, stage: Stage, code: u16, text: &str) -> SendError {
        let permanent = code >= 500;
        match (stage, permanent) {
            (_, true) if matches!(code, 530 | 534 | 535 | 538) => {
                self.blocked(wanted_by(code, text), Some(code), text)
            }
            (Stage::Connect, true) => self.blocked(Obstacle::Refused, Some(code), text),
            (Stage::Encrypt, true) => self.blocked(Obstacle::Tls, Some(code), text),
            (Stage::SignIn, true) => self.blocked(Obstacle::Credentials, Some(code), text),
            (Stage::Mail, true) => self.blocked(Obstacle::Sender, Some(code), text),
            (_, true) => SendError::Rejected {
                code: Some(code),
                answer: self.shown(text),
                sentence: rejection(stage, code, text, self.sender.domain()),
            },
            (_, false) => SendError::Temporary {
                scope: scope(stage),
                code: Some(code),
                answer: self.shown(text),
                sentence: delay(stage, code, text),
            },
        }
    }

    fn judge_silence(&self, stage: Stage, text: &str, what: &str) -> SendError {
        let answer = self.shown(text);
        match stage {
            Stage::HandedOver => SendError::Unclear {
                answer,
                sentence: format!(
                    "The mail was handed over, but the connection {what}, so it may have arrived. We send the same \
                     mail again."
                ),
            },
            Stage::Connect => SendError::Temporary {
                scope: Scope::Server,
                code: None,
                sentence: "Our mail server cannot be reached. Mail waits and goes out when it is back.".to_owned(),
                answer,
            },
            _ => SendError::Temporary {
                scope: scope(stage),
                code: None,
                sentence: format!("The connection to our mail server {what}. We try again."),
                answer,
            },
        }
    }

    fn blocked(&self, obstacle: Obstacle, code: Option<u16>, text: &str) -> SendError {
        let number = code.map_or_else(String::new, |code| format!(" ({code})"));
        let sentence = match obstacle {
            Obstacle::Credentials => format!(
                "Our mail server does not accept how we sign in{number}. Mend its user name and password in the \
                 configuration."
            ),
            Obstacle::Tls => format!(
                "The connection to our mail server could not be encrypted{number}. Check its host, port, kind of \
                 encryption and certificate."
            ),
            Obstacle::Sender => format!(
                "Our mail server does not let us send as {}{number}. Mend the sender in the configuration, or ask \
                 the server's operator to allow it.",
                self.sender
            ),
            Obstacle::Refused => {
                format!("Our mail server turned us away{number}. Ask its operator to allow this machine.")
            }
        };
        SendError::Blocked {
            obstacle,
            code,
            answer: self.shown(text),
            sentence: format!("{sentence} Mail waits until then."),
        }
    }

    pub(super) fn shown(&self, text: &str) -> String {
        fit_to_show(text, self.mail)
    }
}

/// Before RCPT nobody was named yet.
fn scope(stage: Stage) -> Scope {
    if stage < Stage::Recipient { Scope::Server } else { Scope::Message }
}

/// 530 serves both "sign in first" (RFC 4954, section 6) and "STARTTLS first" (RFC 3207, section 4).
fn wanted_by(code: u16, text: &str) -> Obstacle {
    let starttls = text.to_ascii_uppercase().contains("STARTTLS");
    if code == 538 || (code == 530 && starttls) { Obstacle::Tls } else { Obstacle::Credentials }
}

/// What an admin reads when a mail that a server had taken came back. `code` is the server's, where it is known, and `text`
/// begins with the enhanced code (RFC 3463).
pub(in crate::services) fn came_back(code: Option<u16>, text: &str, our_domain: &str) -> String {
    // An enhanced code of class 4 with a final report says that the server tried for days (RFC 3464, section 2.3.3).
    if enhanced_code(text).is_some_and(|(class, ..)| class == 4) {
        return "The mail came back: their mail server could not be reached, or did not take it, for too long. Ask them to \
                mend it, then resend."
            .to_owned();
    }
    format!("The mail came back. {}", rejection(Stage::Recipient, code.unwrap_or(550), text, our_domain))
}

/// What an admin reads when the mail servers on the way say that they are still trying.
pub(in crate::services) fn is_late() -> &'static str {
    "The mail is late: their mail server has not taken it yet, and ours goes on trying."
}

/// Why one recipient was refused, by the enhanced code (RFC 3463, section 3) or else by the plain one.
fn rejection(stage: Stage, code: u16, text: &str, our_domain: &str) -> String {
    let mend = "Ask them to mend it, then resend.";
    match (enhanced_code(text), code) {
        (Some((_, 1, 2 | 10) | (_, 4, 4)), _) | (None, 556) => {
            format!("The domain of this address takes no mail ({code}). Ask them for another address, then resend.")
        }
        (Some((_, 1, _)), _) => format!("Their mail server says this mailbox does not exist ({code}). {mend}"),
        (Some((_, 2, 1)), _) => format!("Their mail server says this mailbox is switched off ({code}). {mend}"),
        (Some((_, 2, 2)), _) | (None, 552) => {
            format!("Their mailbox is full ({code}). Ask them to make room, then resend.")
        }
        (None, 550 | 551 | 553) if stage == Stage::Recipient && !speaks_of_policy(text) => {
            format!("Their mail server says this mailbox does not exist ({code}). {mend}")
        }
        (Some((_, 7, _)), _) | (None, 550 | 554) => format!(
            "Their mail server refused us ({code}, policy). Ask its admin to allow {our_domain}, then resend."
        ),
        _ => format!("Their mail server refused this mail ({code}). Ask its admin why, then resend."),
    }
}

/// RFC 5321, section 4.2.3 uses 550 both for "no such mailbox" and for "refused for policy reasons".
fn speaks_of_policy(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words =
        ["policy", "spam", "block", "denied", "relay", "reputation", "blacklist", "not allowed", "authenticat"];
    words.iter().any(|word| text.contains(word))
}

fn delay(stage: Stage, code: u16, text: &str) -> String {
    match (scope(stage), enhanced_code(text)) {
        (Scope::Server, _) => format!("Our mail server asked us to wait ({code})."),
        (Scope::Message, Some((_, 2, 2))) => format!("Their mailbox is full for now ({code})."),
        (Scope::Message, _) => format!("Their mail server asked us to wait ({code})."),
    }
}
