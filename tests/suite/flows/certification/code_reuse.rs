//! A code that is used twice.

use std::time::Duration;

use super::suite::{Done, Mode, Suite, check_description, code};
use crate::support::relying_party::{Rp, refused};

/// The second use fails as the specification has it (RFC 6749, section 5.2).
async fn used_twice(mode: Mode, after: Duration) -> (Suite, Rp, Done) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client);
    let sent = suite.sign_in(&request).await;
    let done = suite.finish(&client, &request, &client.redeem(code(&sent)).await).await;
    suite.app.advance(after);
    let second = client.redeem(code(&sent)).await;
    refused(&second, 400, "invalid_grant");
    check_description(second.json()["error_description"].as_str().unwrap());
    (suite, client, done)
}

pub(super) async fn codereuse(mode: Mode) {
    used_twice(mode, Duration::ZERO).await;
}

/// What the first use gave ends too (RFC 6749, section 4.1.2).
pub(super) async fn codereuse_30seconds(mode: Mode) {
    let (_suite, client, done) = used_twice(mode, Duration::from_secs(30)).await;
    let answer = client.userinfo(&done.tokens.access).await;
    assert!(answer.status.is_client_error(), "{}", answer.said());
}
