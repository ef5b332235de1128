//! A mail server between the demo and its mailbox, which can be made to wait: so a run stays under way for as long as
//! somebody looks at it.

use std::path::Path;

use crate::support::smtp::{Act, At, SmtpSink, Step};

pub(super) struct PostOffice(SmtpSink);

impl PostOffice {
    pub(super) async fn open() -> Self {
        Self(SmtpSink::start().await)
    }

    /// What makes a demo send its mail here, patiently.
    pub(super) fn settings(&self) -> Vec<String> {
        let address = self.0.address();
        vec![
            "FLYBRIDGE_MAIL__TRANSPORT=smtp".to_owned(),
            format!("FLYBRIDGE_MAIL__SMTP__HOST={}", address.ip()),
            format!("FLYBRIDGE_MAIL__SMTP__PORT={}", address.port()),
            "FLYBRIDGE_MAIL__SMTP__SECURITY=none".to_owned(),
            "FLYBRIDGE_MAIL__SMTP__TIMEOUT=2 min".to_owned(),
            "FLYBRIDGE_WORKERS__LEASE=10 min".to_owned(),
            // Fewer than there are members, so that some mails are still queued while others are held.
            "FLYBRIDGE_WORKERS__CONCURRENCY=4".to_owned(),
        ]
    }

    /// The next mail to each of these waits here.
    pub(super) fn hold(&self, addresses: &[String]) {
        for address in addresses {
            self.0.script(address, Step(At::Data, Act::Hold));
        }
    }

    pub(super) fn release(&self) {
        self.0.release();
    }

    /// Puts the first `count` mails into the folder of the mailbox, once they have all come.
    pub(super) async fn deliver_to(&self, folder: &Path, count: usize) {
        for (number, mail) in self.0.wait_for(count).await.iter().enumerate() {
            std::fs::write(folder.join(format!("{number}.eml")), &mail.data).unwrap();
        }
    }
}
