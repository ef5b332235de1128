//! The connector to Fly.io alone, without the program.

use std::time::Duration;

use flybridge::domain::secret::Secret;
use flybridge::services::upstream::fly::{FlyConnector, FlySettings};

/// Asks whoever listens at `origin`, such as `http://127.0.0.1:8080`.
pub(crate) fn fly_at(origin: &str) -> FlyConnector {
    let url = |path: &str| format!("{origin}{path}").parse().unwrap();
    let settings = FlySettings {
        client_id: "fly-client".to_owned(),
        client_secret: Secret::new("fly-client-secret-0123".to_owned()),
        authorize_url: url("/authorize"),
        token_url: url("/token"),
        token_info_url: url("/info"),
        scope: "read".to_owned(),
        timeout: Duration::from_secs(5),
        max_body: 65_536,
    };
    FlyConnector::new(settings, url("/callback")).unwrap()
}
