//! Message-IDs of our mails: the same for every attempt at one mail, and nobody else can make one.
//!
//! | mail | left of the @ |
//! |---|---|
//! | of a run | `<run>.<user>.m<times sent again>.<code>` |
//! | a reminder | `<run>.<user>.r<which, from 0>.<code>` |
//! | any other | `<code>` |
//!
//! The code is an HMAC over what the mail is. So a report that a mail came back names the row of the ledger it is about,
//! and proves that its author has seen that mail or was told of it by a server that has.

use std::sync::Arc;

use super::vault::{Purpose, Vault};
use crate::domain::disable::Letter;
use crate::domain::ids::{RunId, UserId, text_of};
use crate::domain::secret::same;

/// Which letter to which member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub run: RunId,
    pub user: UserId,
    pub letter: Letter,
}

impl Reference {
    fn identity(&self) -> String {
        match self.letter {
            Letter::SetUp { resend } => format!("run:{}:{}:{resend}", self.run, self.user),
            Letter::Reminder { number } => format!("reminder:{}:{}:{number}", self.run, self.user),
        }
    }
}

/// What a Message-ID is derived from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    Run(Reference),
    /// Anything that is the same for every attempt and different for every mail.
    Other(String),
}

pub struct MessageIds {
    vault: Arc<Vault>,
}

impl MessageIds {
    #[must_use]
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    /// The part left of the @. Lower case letters, digits and dots: some relays fold the case of Message-IDs.
    #[must_use]
    pub fn local(&self, cause: &Cause) -> String {
        match cause {
            Cause::Other(identity) => code(self.vault.mac(Purpose::MessageId, &[identity.as_bytes()])),
            Cause::Run(reference) => {
                let code = code(self.vault.mac(Purpose::MessageId, &[reference.identity().as_bytes()]));
                let (kind, number) = match reference.letter {
                    Letter::SetUp { resend } => ('m', resend),
                    Letter::Reminder { number } => ('r', number),
                };
                format!("{}.{}.{kind}{number}.{code}", reference.run, reference.user)
            }
        }
    }

    /// The letter that has this part left of the @, whichever master key it was made with. None for anything that is not
    /// of our making, and for mails that are of no run.
    #[must_use]
    pub fn read(&self, local: &str) -> Option<Reference> {
        let mut parts = local.split('.');
        let (run, user, which, given) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !which.is_ascii() || which.is_empty() {
            return None;
        }
        let (kind, number) = which.split_at(1);
        // One way to write each number, so that there is one name for each letter.
        let number: u32 = number.parse().ok().filter(|n: &u32| n.to_string() == number)?;
        let letter = match kind {
            "m" => Letter::SetUp { resend: number },
            "r" => Letter::Reminder { number },
            _ => return None,
        };
        let reference = Reference { run: run.parse().ok()?, user: user.parse().ok()?, letter };
        let identity = reference.identity();
        let parts = [identity.as_bytes()];
        let ours =
            self.vault.macs(Purpose::MessageId, &parts).any(|mac| same(code(mac).as_bytes(), given.as_bytes()));
        ours.then_some(reference)
    }
}

fn code(mac: [u8; 32]) -> String {
    let mut half = [0; 16];
    half.copy_from_slice(&mac[..16]);
    text_of(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::master_keys::MasterKeys;

    const OLD: &str = "u0Jf3mTn1wYd8QhR5sVbZ6xKcA2eLpGi7oUy9tMrNkE=";
    const NEW: &str = "9c41f07e3ab86d25e0147fd2936cb85a7de20b94c6f1583a0e97d46b2fc8153d";

    fn ids(masters: &str) -> MessageIds {
        let masters = MasterKeys::parse(masters).expect("keys");
        MessageIds::new(Arc::new(Vault::new(&masters).expect("a vault")))
    }

    fn reference(letter: Letter) -> Reference {
        Reference { run: "r1".parse().expect("an id"), user: "u1".parse().expect("an id"), letter }
    }

    #[test]
    fn what_we_made_is_read_again_also_after_the_master_key_was_replaced() {
        for letter in [Letter::SetUp { resend: 0 }, Letter::SetUp { resend: 12 }, Letter::Reminder { number: 1 }] {
            let local = ids(OLD).local(&Cause::Run(reference(letter)));
            assert_eq!(ids(OLD).read(&local), Some(reference(letter)), "{local}");
            assert_eq!(ids(&format!("{NEW}\n{OLD}")).read(&local), Some(reference(letter)));
            assert_eq!(ids(NEW).read(&local), None, "another installation's");
        }
    }

    #[test]
    fn nothing_else_is() {
        let ids = ids(OLD);
        let own = ids.local(&Cause::Run(reference(Letter::SetUp { resend: 0 })));
        let code = own.rsplit('.').next().expect("a code");
        let shared = ids.local(&Cause::Other("summary:r1".to_owned()));
        for local in [
            shared,
            format!("r1.u1.m1.{code}"),
            format!("r1.u1.r0.{code}"),
            format!("r1.u2.m0.{code}"),
            format!("r2.u1.m0.{code}"),
            format!("r1.u1.m00.{code}"),
            format!("r1.u1.m+0.{code}"),
            format!("r1.u1.m.{code}"),
            format!("r1.u1..{code}"),
            format!("r1.u1.é.{code}"),
            format!("{own}.x"),
            format!("r1.u1.m0.{}", &code[1..]),
            String::new(),
            "...".to_owned(),
        ] {
            assert_eq!(ids.read(&local), None, "{local}");
        }
    }
}
