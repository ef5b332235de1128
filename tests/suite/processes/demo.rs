//! The demo keeps to itself whatever is exported for a real deployment.

use std::path::Path;

use crate::support::demo::Demo;
use crate::support::process::{program, stderr, until};
use crate::support::smtp::SmtpSink;
use crate::support::visitor::Visitor;

/// From Sentry through Fly.io and back, where the page says who is signed in.
async fn sign_in(demo: &Demo) {
    let mut leo = Visitor::of(demo.flybridge.clone());
    let away = leo.get(&format!("{}/login", demo.sentry)).await;
    let signed_in = leo.sign_in_with_fly(away.location(), "leo").await;
    let back = leo.get(signed_in.location()).await;
    assert!(back.status < 400, "{}: {}", back.status, back.text);
    let home = leo.get(&demo.sentry).await;
    assert!(home.text.contains("id=\"sentry-user\""), "{}", home.text);
}

/// Leo comes to Sentry as a standard client does.
async fn sign_in_by_oidc(leo: &mut Visitor, demo: &Demo) {
    let away = leo.get(&format!("{}/login/oidc", demo.sentry)).await;
    let answer = leo.get(away.location()).await;
    let back = match answer.location() {
        // Flybridge knows him already.
        back if back.starts_with(&demo.sentry) => back.to_owned(),
        _ => leo.sign_in_with_fly(away.location(), "leo").await.location().to_owned(),
    };
    leo.get(&back).await.location();
    assert!(leo.get(&demo.sentry).await.text.contains("id=\"sentry-user\""));
}

/// Until Sentry's page says that Flybridge has signed him out.
async fn is_signed_out(leo: &Visitor, demo: &Demo) {
    let home = until("Sentry has signed Leo out", async || {
        let home = leo.clone().get(&demo.sentry).await.text;
        (!home.contains("id=\"sentry-user\"")).then_some(home)
    });
    assert!(home.await.contains("Flybridge signed you out"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_at_flybridge_and_leaving_fly_sign_out_at_a_client_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let demo = Demo::start(&data, &[], &[]);
    let mut leo = Visitor::of(demo.flybridge.clone());
    sign_in_by_oidc(&mut leo, &demo).await;
    let csrf = leo.get("/sign-out").await.csrf();
    assert!(leo.post("/sign-out", &[("csrf", &csrf), ("answer", "yes")]).await.location().ends_with("/signed-out"));
    is_signed_out(&leo, &demo).await;

    sign_in_by_oidc(&mut leo, &demo).await;
    leave(&demo, &data).await;
    is_signed_out(&leo, &demo).await;
}

/// An organization leaves; returns once its mails come into the demo's folder.
async fn leave(demo: &Demo, data: &Path) {
    let mut ines = Visitor::of(demo.flybridge.clone());
    ines.sign_in_with_fly("/sign-in", "ines").await;
    ines.disable("saltmarsh-labs").await;
    let mails = || std::fs::read_dir(data.join("mail")).unwrap().count();
    until("a mail is in the folder", async || (mails() > 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_of_a_real_deployment_do_nothing_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let sink = SmtpSink::start().await;
    let foreign = folder.path().join("real.db");
    let settings = [
        "FLYBRIDGE_SERVER__ISSUER=https://login.example.com".to_owned(),
        format!("FLYBRIDGE_STORE__URL=sqlite:{}", foreign.display()),
        "FLYBRIDGE_KEYS__MASTER=6d5f0c2a9be84417a3d0e1f26c58b7943fa1d29e07c6b5483e2d1f90a8b7c6d5".to_owned(),
        "FLYBRIDGE_FLY__CLIENT_ID=real-client".to_owned(),
        "FLYBRIDGE_FLY__CLIENT_SECRET=kestrel-7f3a90bd51c24e86-fly".to_owned(),
        "FLYBRIDGE_CLIENTS__SENTRY__SECRET=dunlin-b26e94d8c0735fa1-fly".to_owned(),
        "FLYBRIDGE_MAIL__TRANSPORT=smtp".to_owned(),
        format!("FLYBRIDGE_MAIL__SMTP__HOST={}", sink.address().ip()),
        format!("FLYBRIDGE_MAIL__SMTP__PORT={}", sink.address().port()),
        "FLYBRIDGE_MAIL__SMTP__SECURITY=none".to_owned(),
        "FLYBRIDGE_LOG__FORMAT=json".to_owned(),
    ];
    let demo = Demo::start(&data, &[], &settings);
    sign_in(&demo).await;
    leave(&demo, &data).await;
    assert!(sink.messages().is_empty());
    assert!(data.join("flybridge.db").exists() && !foreign.exists());
    let log = std::fs::read_to_string(data.join("log")).unwrap();
    assert!(log.starts_with('{'), "how to log is the one thing it takes: {log}");

    // What the folder holds was sealed with the demo's own key.
    assert!(demo.interrupt().success());
    let demo = Demo::start(&data, &[], &[]);
    Visitor::of(demo.flybridge.clone()).sign_in_with_fly("/sign-in", "ines").await.location();
}

#[test]
fn an_option_that_names_no_variable_is_refused() {
    for wrong in ["mail.per_second=1", "FLYBRIDGE_MAIL__PER_SECOND", "PATH=x"] {
        let refused = program().args(["demo", "--env", wrong]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
        assert!(stderr(&refused).contains("write FLYBRIDGE_<SECTION>__<KEY>=VALUE"), "{}", stderr(&refused));
    }
}
