//! The style, the icon and the scripts, embedded in the binary. Their URLs carry a hash of the content, so a browser
//! may keep them for as long as it likes and still sees a new version at once.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The route that [`serve`] answers.
pub const ROUTE: &str = "/assets/{file}";

const PREFIX: &str = "/assets/";

/// A file as it goes to the browser.
#[derive(Debug)]
pub struct Asset {
    url: String,
    pub content_type: &'static str,
    pub body: &'static [u8],
}

impl Asset {
    /// `stem` and `extension` as in `flybridge` and `css`; the hash goes between them.
    fn new(stem: &str, extension: &str, content_type: &'static str, body: &'static [u8]) -> Self {
        let mut url = format!("{PREFIX}{stem}.");
        for byte in &digest::digest(&digest::SHA256, body).as_ref()[..8] {
            // Writing to a String cannot fail.
            let _ = write!(url, "{byte:02x}");
        }
        url.push('.');
        url.push_str(extension);
        Self { url, content_type, body }
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("flybridge", "css", "text/css; charset=utf-8", include_bytes!("../../assets/flybridge.css"))
});

static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("favicon", "svg", "image/svg+xml", include_bytes!("../../assets/favicon.svg")));

static LIVE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("live", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/live.js"))
});

static SUBMIT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("submit", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/submit.js"))
});

static STRENGTH: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("strength", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/strength.js"))
});

/// URL of the style sheet.
#[must_use]
pub fn style_url() -> &'static str {
    &STYLE.url
}

/// URL of the icon.
#[must_use]
pub fn icon_url() -> &'static str {
    &ICON.url
}

/// URL of the script that keeps the run page current.
#[must_use]
pub fn live_url() -> &'static str {
    &LIVE.url
}

/// URL of the script that sends the form of an answer to an application.
#[must_use]
pub fn submit_url() -> &'static str {
    &SUBMIT.url
}

/// URL of the script that says how a new password stands while it is typed.
#[must_use]
pub fn strength_url() -> &'static str {
    &STRENGTH.url
}

/// The asset at a URL path such as `/assets/flybridge.0123456789abcdef.css`; none for another hash or name.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    [&*STYLE, &*ICON, &*LIVE, &*SUBMIT, &*STRENGTH].into_iter().find(|asset| asset.url == path)
}

/// Answers [`ROUTE`].
pub async fn serve(Path(file): Path<String>) -> Response {
    match asset(&format!("{PREFIX}{file}")) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.body,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
