//! `oidcc-basic-certification-test-plan`, in the order of the plan.
//!
//! For registered clients the suite leaves out `idtoken_signature`, `idtoken_unsigned` and `request_uri_unsigned` (whose
//! full name goes on with "supported correctly or rejected as unsupported"), for which it registers clients of its own.

use super::suite::Mode;
use super::{again, code_reuse, core, hints, refresh, request_objects, scopes, tokens};

#[tokio::test]
async fn oidcc_server() {
    core::server(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_response_type_missing() {
    core::response_type_missing(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_idtoken_signature() {
    tokens::idtoken_signature(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_idtoken_unsigned() {
    tokens::idtoken_unsigned(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_userinfo_get() {
    tokens::userinfo_get(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_userinfo_post_header() {
    tokens::userinfo_post_header(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_userinfo_post_body() {
    tokens::userinfo_post_body(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    core::ensure_request_without_nonce_succeeds_for_code_flow(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_profile() {
    scopes::scope_profile(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_email() {
    scopes::scope_email(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_address() {
    scopes::scope_address(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_phone() {
    scopes::scope_phone(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_all() {
    scopes::scope_all(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_other_scope_order_succeeds() {
    core::ensure_other_scope_order_succeeds(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_display_page() {
    hints::display_page(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_display_popup() {
    hints::display_popup(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_prompt_login() {
    again::prompt_login(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in() {
    again::prompt_none_not_logged_in(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in() {
    again::prompt_none_logged_in(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_max_age_1() {
    again::max_age_1(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_max_age_10000() {
    again::max_age_10000(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    core::ensure_request_with_unknown_parameter_succeeds(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    hints::id_token_hint(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_login_hint() {
    hints::login_hint(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ui_locales() {
    hints::ui_locales(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_claims_locales() {
    hints::claims_locales(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_codereuse() {
    code_reuse::codereuse(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    code_reuse::codereuse_30seconds(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri() {
    core::ensure_registered_redirect_uri(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds() {
    core::ensure_post_request_succeeds(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_server_client_secret_post() {
    core::server_client_secret_post(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_request_uri_unsigned() {
    request_objects::request_uri_unsigned(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    request_objects::unsigned_request_object_supported_correctly_or_rejected_as_unsupported(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_object_with_redirect_uri() {
    request_objects::ensure_request_object_with_redirect_uri(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_refresh_token() {
    refresh::refresh_token(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    request_objects::ensure_request_with_valid_pkce_succeeds(Mode::Query).await;
}
