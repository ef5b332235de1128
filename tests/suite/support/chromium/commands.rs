//! What only Chromium's driver knows: the console, the size of the page, pictures of all of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::{Browser, DESKTOP, View, artifacts};

/// About as wide as a page that shows documentation.
const PICTURE_WIDTH: u32 = 900;

/// A command below the session's address.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    async fn command(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Command { path, body }).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A command of the Chrome `DevTools` protocol.
    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// To the page as a whole, also when the frame is gone.
    pub(super) async fn leave_frames(&self) {
        self.command("frame", json!({ "id": null })).await;
    }

    pub(super) async fn set_size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Without motion, so that no picture is taken in the middle of one.
    pub(super) async fn set_dark(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Keeps a picture of the whole page, as long as it is.
    pub(super) async fn save_screenshot(&self, name: &str) {
        let View { name: view, width, height, .. } = self.view;
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let content = metrics["cssContentSize"]["height"].as_u64().and_then(|content| content.try_into().ok());
        self.picture(&artifacts("screenshots").join(view), name, (width, content.unwrap_or(height).max(height)))
            .await;
    }

    /// Keeps a picture of the top of the page for the documentation; `scripts/pictures` takes them from there.
    pub(crate) async fn save_picture(&self, name: &str, height: u32) {
        if self.view.name == DESKTOP.name {
            self.picture(&artifacts("pictures"), name, (PICTURE_WIDTH, height)).await;
        }
    }

    /// The window is made as large as the picture, since Chromium does not paint frames that are out of sight.
    async fn picture(&self, folder: &Path, name: &str, (width, height): (u32, u32)) {
        self.set_size(width, height).await;
        let answer = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await;
        self.set_size(self.view.width, self.view.height).await;
        let bytes = BASE64_STANDARD.decode(answer["data"].as_str().unwrap_or_default()).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// What the console holds since the last time: errors of scripts, violations of the content security policy,
    /// assets that do not load. That a page itself has a status like 403 is not an error.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let text = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        let answer =
            |text: &str| text.contains("the server responded with a status of") && !text.contains("/assets/");
        entries.iter().map(text).filter(|text| !answer(text)).collect()
    }
}

/// Tells the driver to end a session, without a runtime.
pub(super) fn end_session(driver: &str, session: &str) {
    let Some(address) = driver.strip_prefix("http://") else { return };
    let Ok(mut stream) = TcpStream::connect(address) else { return };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let request = format!("DELETE /session/{session} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ = stream.read(&mut [0; 1024]);
    }
}
