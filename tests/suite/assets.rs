//! The embedded files, through a router.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use flybridge::http::assets;
use tower::ServiceExt;

#[tokio::test]
async fn assets_may_be_kept_and_old_names_are_gone() {
    let router = axum::Router::new().route(assets::ROUTE, get(assets::serve));
    let ask = |path: String| {
        let router = router.clone();
        async move { router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap() }
    };
    let expected = [
        (assets::style_url(), "text/css; charset=utf-8"),
        (assets::icon_url(), "image/svg+xml"),
        (assets::live_url(), "text/javascript; charset=utf-8"),
        (assets::strength_url(), "text/javascript; charset=utf-8"),
    ];
    for (url, content_type) in expected {
        let answer = ask(url.to_owned()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], content_type);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        assert_eq!(body, assets::asset(url).unwrap().body);
    }
    for path in ["/assets/flybridge.css", "/assets/flybridge.0000000000000000.css", "/assets/..%2fCargo.toml"] {
        assert_eq!(ask(path.to_owned()).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
