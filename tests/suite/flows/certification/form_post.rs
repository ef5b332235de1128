//! `oidcc-formpost-basic-certification-test-plan`: the modules of the Basic plan, answered in a form.

use super::suite::Mode;
use super::{again, code_reuse, core, hints, refresh, request_objects, scopes, tokens};

#[tokio::test]
async fn oidcc_formpost_server() {
    core::server(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_response_type_missing() {
    core::response_type_missing(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_idtoken_signature() {
    tokens::idtoken_signature(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_idtoken_unsigned() {
    tokens::idtoken_unsigned(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_userinfo_get() {
    tokens::userinfo_get(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_userinfo_post_header() {
    tokens::userinfo_post_header(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_userinfo_post_body() {
    tokens::userinfo_post_body(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_request_without_nonce_succeeds_for_code_flow() {
    core::ensure_request_without_nonce_succeeds_for_code_flow(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_scope_profile() {
    scopes::scope_profile(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_scope_email() {
    scopes::scope_email(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_scope_address() {
    scopes::scope_address(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_scope_phone() {
    scopes::scope_phone(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_scope_all() {
    scopes::scope_all(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_other_scope_order_succeeds() {
    core::ensure_other_scope_order_succeeds(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_display_page() {
    hints::display_page(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_display_popup() {
    hints::display_popup(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_prompt_login() {
    again::prompt_login(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_prompt_none_not_logged_in() {
    again::prompt_none_not_logged_in(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_prompt_none_logged_in() {
    again::prompt_none_logged_in(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_max_age_1() {
    again::max_age_1(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_max_age_10000() {
    again::max_age_10000(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_request_with_unknown_parameter_succeeds() {
    core::ensure_request_with_unknown_parameter_succeeds(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_id_token_hint() {
    hints::id_token_hint(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_login_hint() {
    hints::login_hint(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ui_locales() {
    hints::ui_locales(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_claims_locales() {
    hints::claims_locales(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_codereuse() {
    code_reuse::codereuse(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_codereuse_30seconds() {
    code_reuse::codereuse_30seconds(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_registered_redirect_uri() {
    core::ensure_registered_redirect_uri(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_post_request_succeeds() {
    core::ensure_post_request_succeeds(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_server_client_secret_post() {
    core::server_client_secret_post(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_request_uri_unsigned() {
    request_objects::request_uri_unsigned(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    request_objects::unsigned_request_object_supported_correctly_or_rejected_as_unsupported(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_request_object_with_redirect_uri() {
    request_objects::ensure_request_object_with_redirect_uri(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_refresh_token() {
    refresh::refresh_token(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_request_with_valid_pkce_succeeds() {
    request_objects::ensure_request_with_valid_pkce_succeeds(Mode::FormPost).await;
}
