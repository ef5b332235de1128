//! Browsers that are known to their person: each keeps a sealed cookie since a password was right in it, and its attempts
//! are counted apart from those of the rest of the world (OWASP, "Slow down online guessing attacks with device cookies").
//! So nobody else, from however many networks, can delay a person who signs in where they have signed in before.
//!
//! The cookie replaces no password. It counts for one sign-in address and for the password that was set when it was made;
//! a copy of it shares the one bucket. For other addresses, known or not, it is as good as none, and costs the same.

use std::time::Duration;

use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{UserId, random_text};
use crate::domain::user::User;
use crate::http::sign_in::finish::Finish;
use crate::http::web::{Visitor, Web};
use crate::services::vault::Purpose;
use crate::store::{StoreError, keys};

const COOKIE: &str = "fb_device";
const LIFETIME: Duration = Duration::from_hours(180 * 24);

#[derive(Serialize, Deserialize)]
struct Device {
    id: String,
    user: UserId,
    /// When the password was set that was right in this browser.
    password_of: Timestamp,
    until: Timestamp,
}

/// Lets `response` make the browser known to `user`, whose password of the time `password_of` was right in it, with the
/// address that they typed there.
#[must_use]
pub fn remembered(
    web: &Web,
    (user, address): (&User, Option<&EmailAddress>),
    password_of: Timestamp,
    mut response: Response,
) -> Response {
    let at_fly = || user.email.as_deref().and_then(|email| email.parse::<EmailAddress>().ok());
    let address = address.cloned().or_else(at_fly);
    let id = random_text(&*web.random);
    let device = Device { id, user: user.id.clone(), password_of, until: web.clock.now().plus(LIFETIME) };
    if let (Some(address), Ok(plain)) = (address, serde_json::to_vec(&device)) {
        let context = context(&address.normalized());
        let sealed = web.vault.seal_text(Purpose::CookieSeal, &context, &plain, &*web.random);
        web.cookies().set(COOKIE, &sealed, Some(LIFETIME)).apply(&mut response);
    }
    response
}

/// The id of the browser, if it is known to the person who signs in with `address`.
pub async fn recognize(
    web: &Web,
    finish: &Finish,
    visitor: &Visitor,
    address: &EmailAddress,
) -> Result<Option<String>, StoreError> {
    let Some(device) = open(web, visitor, &address.normalized()) else { return Ok(None) };
    // The address may be somebody else's by now.
    let user = finish.directory.user_by_address(address).await?;
    if user.is_none_or(|user| user.value.id != device.user) {
        return Ok(None);
    }
    let credential = finish.store.read(&keys::credential(&device.user)).await?;
    Ok(credential.filter(|entry| entry.value.set_at == device.password_of).map(|_| device.id))
}

fn open(web: &Web, visitor: &Visitor, account: &str) -> Option<Device> {
    let sealed = visitor.cookies.one(&web.cookies().name(COOKIE))?;
    let plain = web.vault.open_text(Purpose::CookieSeal, &context(account), sealed).ok()?;
    let device: Device = serde_json::from_slice(plain.expose()).ok()?;
    (web.clock.now() < device.until).then_some(device)
}

fn context(account: &str) -> String {
    format!("{COOKIE} {account}")
}
