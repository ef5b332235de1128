//! Who may not, and when not. Whatever is refused changes nothing.

use flybridge::demo::fly::{Endpoint, Fault};
use flybridge::demo::world::{BRAMS_PASSWORD, Role};
use flybridge::domain::organization::LoginMethod;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, PASSWORD, TestApp};
use crate::support::browser_client::Browser;

const DISABLE: &str = "/organizations/saltmarsh-labs/auth/disable";
const CONFIRM: [(&str, &str); 1] = [("confirm", "saltmarsh-labs")];

async fn signed_in(app: &TestApp, who: &str) -> Browser {
    let mut browser = app.browser();
    browser.sign_in_with_fly(who).await;
    browser.get("/forgot").await;
    browser
}

/// Nothing of the organization, of runs and of jobs is different.
async fn nothing_changes(app: &TestApp, mut asking: impl AsyncFnMut() -> Answer) -> Answer {
    // What Fly.io has just said of the admin is taken in; a mark tells workers to look, and they find nothing.
    let kept = |app: &TestApp| app.dump().without("member/").without("audit/").without("mark/");
    let before = kept(app);
    let answer = asking().await;
    assert_eq!(kept(app), before, "{}", answer.said());
    answer
}

#[tokio::test]
async fn a_member_is_told_to_ask_an_admin() {
    let app = TestApp::new().await;
    let mut leo = signed_in(&app, "leo").await;
    for path in [DISABLE, "/organizations/saltmarsh-labs/auth", "/organizations/saltmarsh-labs/auth/enable"] {
        assert_eq!(leo.get(path).await.status, 403, "{path}");
    }
    let answer = nothing_changes(&app, async || leo.post_form(DISABLE, &CONFIRM).await).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
}

#[tokio::test]
async fn another_organizations_admin_learns_nothing() {
    let app = TestApp::new().await;
    let mut hana = signed_in(&app, "hana").await;
    let there = hana.get(DISABLE).await;
    let nowhere = hana.get("/organizations/no-such-place/auth/disable").await;
    assert_eq!((there.status.as_u16(), nowhere.status.as_u16()), (404, 404));
    let words = |answer: &Answer| answer.text().replace(answer.header("x-request-id"), "");
    assert_eq!(words(&there), words(&nowhere));
    let answer = nothing_changes(&app, async || hana.post_form(DISABLE, &CONFIRM).await).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn nobody_is_asked_to_sign_in() {
    let app = TestApp::new().await;
    let mut nobody = app.browser();
    nobody.get("/forgot").await;
    let answer = nothing_changes(&app, async || nobody.post_form(DISABLE, &CONFIRM).await).await;
    assert!(answer.location().starts_with("/sign-in?tx="));
}

#[tokio::test]
async fn what_was_typed_must_be_the_short_name() {
    let app = TestApp::new().await;
    let mut ines = signed_in(&app, "ines").await;
    for typed in ["", "saltmarsh", "Saltmarsh-Labs", "harbour-tools", "<script>alert(1)</script>", &"x".repeat(5_000)]
    {
        let answer = nothing_changes(&app, async || ines.post_form(DISABLE, &[("confirm", typed)]).await).await;
        assert_eq!(answer.status, 422, "{typed}");
        assert!(answer.shows("notice") && answer.shows("disable-form"), "{}", answer.said());
        assert!(!answer.text().contains("<script>alert"));
    }
    ines.post_form(DISABLE, &[("confirm", " saltmarsh-labs ")]).await.location();
    app.work().await;
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let app = TestApp::new().await;
    let mut ines = signed_in(&app, "ines").await;
    let mut hana = signed_in(&app, "hana").await;
    hana.get("/organizations/harbour-tools/auth/disable").await;
    let own = ines.csrf.clone();
    for csrf in ["", "x", hana.csrf.as_str(), &own[..own.len() - 1]] {
        let fields = [("confirm", "saltmarsh-labs"), ("csrf", csrf)];
        let answer =
            nothing_changes(&app, async || ines.post_bare(DISABLE, &fields, &[("origin", ISSUER)]).await).await;
        assert_eq!(answer.status, 403, "{csrf}");
        assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
    }
    let fields = [("confirm", "saltmarsh-labs"), ("csrf", own.as_str())];
    for headers in [
        vec![("sec-fetch-site", "cross-site"), ("origin", ISSUER)],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", "https://login.test.evil.test")],
        vec![("origin", "http://login.test")],
    ] {
        let answer = nothing_changes(&app, async || ines.post_bare(DISABLE, &fields, &headers).await).await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
}

#[tokio::test]
async fn a_sponsored_organization_is_409() {
    let app = TestApp::new().await;
    let mut mateo = signed_in(&app, "mateo").await;
    let path = "/organizations/tideline/auth/disable";
    let page = mateo.get(path).await;
    assert!(page.shows("why-not") && !page.shows("disable-form"), "{}", page.said());
    let answer = nothing_changes(&app, async || mateo.post_form(path, &[("confirm", "tideline")]).await).await;
    assert_eq!(answer.status, 409, "{}", answer.said());
    assert!(answer.heading().starts_with("Possible from "), "{}", answer.heading());
}

#[tokio::test]
async fn who_is_no_longer_an_admin_at_fly_is_refused() {
    let app = TestApp::new().await;
    let mut ines = signed_in(&app, "ines").await;
    app.fly.change(|world| world.set_role("ines", "saltmarsh-labs", Role::Member));
    let answer = nothing_changes(&app, async || ines.post_form(DISABLE, &CONFIRM).await).await;
    assert_eq!(answer.status, 403, "{}", answer.said());
    assert_eq!(app.member("ines", "saltmarsh-labs").await.role.as_str(), "member", "and we know it now");
    let mut chloe = signed_in(&app, "chloe").await;
    app.fly.change(|world| world.remove_member("chloe", "saltmarsh-labs"));
    let answer = nothing_changes(&app, async || chloe.post_form(DISABLE, &CONFIRM).await).await;
    assert_eq!(answer.status, 403, "{}", answer.said());
    assert!(app.member("chloe", "saltmarsh-labs").await.absent_since.is_some());
    // Signing in once more does not lead her in circles.
    let tx = chloe.begin("/sign-in").await;
    chloe.fly(&tx, "chloe").await;
    let answer = chloe.get(DISABLE).await;
    assert_eq!(answer.status, 403, "{}", answer.said());
    assert!(answer.heading().contains("did not confirm"), "{}", answer.heading());
}

#[tokio::test]
async fn fly_unreachable_is_503() {
    let app = TestApp::new().await;
    let mut ines = signed_in(&app, "ines").await;
    let status = |status| Fault::Status { status, retry_after: None };
    let faults =
        [status(500), status(429), Fault::Hang, Fault::NotJson, Fault::WrongShape, Fault::Huge, Fault::Redirect];
    for fault in faults {
        app.fly.fault(Endpoint::Info, fault);
        let answer = nothing_changes(&app, async || ines.post_form(DISABLE, &CONFIRM).await).await;
        assert_eq!(answer.status, 503, "{fault:?}: {}", answer.said());
        assert!(!answer.header("retry-after").is_empty());
        assert!(answer.attributes("href").contains(&DISABLE.to_owned()), "a way back");
        app.fly.heal();
    }
    ines.post_form(DISABLE, &CONFIRM).await.location();
    app.work().await;
}

#[tokio::test]
async fn who_withdrew_consent_at_fly_signs_in_there_again() {
    let app = TestApp::new().await;
    let mut ines = signed_in(&app, "ines").await;
    app.fly.revoke("ines");
    let answer = ines.post_form(DISABLE, &CONFIRM).await;
    let tx = answer.location().strip_prefix("/sign-in?tx=").unwrap().to_owned();
    assert_eq!(ines.fly(&tx, "ines").await.location(), DISABLE);
    ines.disable("saltmarsh-labs").await.location();
    app.work().await;
}

#[tokio::test]
async fn a_password_does_not_open_the_settings_of_an_organization_on_fly() {
    let app = TestApp::new().await;
    app.fly.change(|world| world.set_role("bram", "saltmarsh-labs", Role::Admin));
    signed_in(&app, "bram").await;
    let mut bram = app.browser();
    let tx = bram.begin(DISABLE).await;
    let email = app.address("bram");
    let answer = bram.password(&tx, &email, BRAMS_PASSWORD).await;
    assert_eq!(answer.location(), DISABLE);
    assert!(bram.get(DISABLE).await.location().starts_with("/sign-in?tx="));
    let answer = nothing_changes(&app, async || bram.post_form(DISABLE, &CONFIRM).await).await;
    assert!(answer.location().starts_with("/sign-in?tx="));
}

#[tokio::test]
async fn turning_fly_on_again_is_guarded_in_the_same_way() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let path = "/organizations/saltmarsh-labs/auth/enable";
    let before = app.dump();
    let page = ines.get(path).await;
    assert!(page.shows("enable-form"));
    assert!(page.attributes("href").contains(&run), "a way to leave it that opens for her");
    assert_eq!(app.dump(), before, "a GET changes nothing");
    let csrf = ines.csrf.clone();
    let fields = [("csrf", csrf.as_str())];
    assert_eq!(ines.post_bare(path, &[], &[("origin", ISSUER)]).await.status, 403);
    assert_eq!(ines.post_bare(path, &fields, &[("sec-fetch-site", "cross-site")]).await.status, 403);
    let mut leo = app.settle_in("leo").await;
    leo.get("/forgot").await;
    assert_eq!(leo.post_form(path, &[]).await.status, 403);
    app.advance(std::time::Duration::from_mins(6));
    assert!(ines.post_form(path, &[]).await.location().starts_with("/sign-in?tx="), "a fresh sign-in first");
    let organization = app.organization("saltmarsh-labs");
    let now = app.program.directory.organization(&organization).await.unwrap().unwrap().value;
    assert_eq!(now.login_method, LoginMethod::Password);
}

#[tokio::test]
async fn whoever_comes_with_fly_to_what_has_left_it_is_told_what_to_do() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    // A member: it is not the way in that is missing.
    for path in [run.as_str(), "/organizations/saltmarsh-labs/auth/enable", "/organizations/saltmarsh-labs/auth"] {
        let mut leo = signed_in(&app, "leo").await;
        let page = leo.get(path).await;
        assert_eq!((page.status.as_u16(), page.heading().as_str()), (403, "For admins"), "{path}: {}", page.said());
    }
    // An admin without a password sets one on the spot and is back.
    let path = "/organizations/saltmarsh-labs/auth";
    let mut chloe = signed_in(&app, "chloe").await;
    let page = chloe.get(path).await;
    assert_eq!((page.status.as_u16(), page.heading().as_str()), (403, "Fly.io no longer opens this page"));
    assert_eq!(page.element("error-id").as_deref(), Some(page.header("x-request-id")));
    let links = page.attributes("href");
    let now = links.iter().find(|href| href.starts_with("/set-up/now?tx=")).unwrap();
    assert!(links.contains(&run), "{links:?}");
    chloe.get(now).await;
    assert_eq!(chloe.post_form(now, &[("password", PASSWORD)]).await.location(), path);
    assert_eq!(chloe.get(path).await.status, 200);
    app.work().await;
    // With a password: to the form, and back.
    let mut chloe = signed_in(&app, "chloe").await;
    let page = chloe.get(path).await;
    let sign_in = page.attributes("href").into_iter().find(|href| href.starts_with("/sign-in?tx=")).unwrap();
    let tx = sign_in.strip_prefix("/sign-in?tx=").unwrap();
    assert_eq!(chloe.password(tx, &app.address("chloe"), PASSWORD).await.location(), path);
    // A sign-in of some time ago.
    let mut ines = signed_in(&app, "ines").await;
    app.advance(std::time::Duration::from_mins(6));
    let page = ines.get(path).await;
    assert!(page.attributes("href").iter().any(|href| href.starts_with("/sign-in/fly?tx=")), "{}", page.said());
}
