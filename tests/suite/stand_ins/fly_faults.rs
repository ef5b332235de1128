//! Fly.io failing on demand.

use axum::http::StatusCode;
use flybridge::demo::fly::{Endpoint, Fault};

use super::fly_support::{CLIENT, Fly, request};

#[tokio::test]
async fn each_endpoint_fails_alone_until_it_is_healed() {
    let fly = Fly::new();
    let (token, _) = fly.tokens("jun").await;
    fly.stand_in.fault(Endpoint::Info, Fault::Status { status: 503, retry_after: Some(7) });
    for _ in 0..2 {
        let failed = fly.info(&token).await;
        assert_eq!((failed.status, failed.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "7"));
    }
    let (_, refresh) = fly.tokens("jun").await;
    fly.stand_in.heal();
    assert_eq!(fly.info(&token).await.status, StatusCode::OK);
    assert_eq!(fly.stand_in.requests(Endpoint::Info), 3);

    fly.stand_in.fault_times(Endpoint::Token, Fault::Status { status: 429, retry_after: None }, 2);
    let limited = fly.refresh(&refresh).await;
    assert_eq!((limited.status, limited.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, ""));
    assert_eq!(fly.refresh(&refresh).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fly.refresh(&refresh).await.status, StatusCode::OK, "two times were asked for");

    fly.stand_in.fault(Endpoint::Authorize, Fault::Status { status: 500, retry_after: None });
    assert_eq!(fly.authorize(&request()).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn answers_can_be_of_a_wrong_kind() {
    let fly = Fly::new();
    let (token, _) = fly.tokens("jun").await;
    fly.stand_in.fault(Endpoint::Info, Fault::NotJson);
    let page = fly.info(&token).await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));

    fly.stand_in.fault(Endpoint::Info, Fault::WrongShape);
    assert!(fly.info(&token).await.json()["user_id"].is_null());

    fly.stand_in.fault(Endpoint::Info, Fault::Huge);
    assert_eq!(fly.info(&token).await.body.len(), 10 * 1024 * 1024);

    fly.stand_in.fault(Endpoint::Info, Fault::Redirect);
    let away = fly.info(&token).await;
    assert_eq!((away.status, away.header("location")), (StatusCode::FOUND, "/elsewhere"));
    assert_eq!(fly.stand_in.requests(Endpoint::Elsewhere), 0);
    super::get(&fly.router, "/elsewhere").await;
    assert_eq!(fly.stand_in.requests(Endpoint::Elsewhere), 1);
}

#[tokio::test]
async fn info_can_name_another_application_or_owner() {
    let fly = Fly::new();
    let (token, _) = fly.tokens("jun").await;
    fly.stand_in.fault(Endpoint::Info, Fault::WrongApplication);
    let info = fly.info(&token).await.json();
    assert_ne!(info["application"]["uid"], CLIENT);
    assert_eq!(info["user_id"], info["resource_owner_id"]);

    fly.stand_in.fault(Endpoint::Info, Fault::OtherResourceOwner);
    let info = fly.info(&token).await.json();
    assert_eq!(info["application"]["uid"], CLIENT);
    assert_ne!(info["user_id"], info["resource_owner_id"]);
}

#[tokio::test]
async fn an_answer_can_be_lost_after_it_took_effect() {
    let fly = Fly::new();
    let (_, refresh) = fly.tokens("jun").await;
    fly.stand_in.fault_times(Endpoint::Token, Fault::LoseAnswer, 1);
    assert_eq!(fly.refresh(&refresh).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(fly.refresh(&refresh).await.json()["error"], "invalid_grant", "the token was used up");
}

#[tokio::test]
async fn a_hanging_request_goes_on_when_released() {
    let fly = Fly::new();
    let (token, _) = fly.tokens("jun").await;
    fly.stand_in.fault(Endpoint::Info, Fault::Hang);
    let watch = async {
        fly.stand_in.hanging(2).await;
        fly.stand_in.release();
    };
    let (first, second, ()) = tokio::join!(fly.info(&token), fly.info(&token), watch);
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));

    // A client that goes away is not counted any more: one of the two is dropped, the other still hangs.
    let gone = fly.stand_in.clone();
    tokio::select! {
        _ = fly.info(&token) => panic!("it hangs"),
        () = gone.hanging(1) => {}
    }
    let heal = async {
        fly.stand_in.hanging(1).await;
        fly.stand_in.heal();
    };
    let (answer, ()) = tokio::join!(fly.info(&token), heal);
    assert_eq!(answer.status, StatusCode::OK);
}
