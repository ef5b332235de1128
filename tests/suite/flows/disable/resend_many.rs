//! A mail once more for more members than one commit takes.

use std::collections::BTreeMap;

use flybridge::domain::disable::RowStatus;
use flybridge::services::jobs::Work;

use super::{crowd, ledger, run_record, take_work, totals};
use crate::support::app::TestApp;

/// How often each address was mailed.
fn mailed(app: &TestApp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in app.new_mails() {
        *counts.entry(mail.to).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn every_chunk_is_committed_whole_and_a_dead_worker_is_replaced() {
    let app = crowd().await;
    let (mut ines, run) = app.leave().await;
    mailed(&app);
    ines.resend(&run, ("all", "not-ready")).await.location();
    let asked = totals(&app, &run).await;
    assert_eq!((asked.members, asked.sent, asked.queued), (250, 249, 0), "{asked:?}");

    // A worker that takes the job and dies.
    let jobs = take_work(&app).await;
    assert!(jobs.iter().any(|job| matches!(job.payload(), Work::Resend(_))));
    assert_eq!(totals(&app, &run).await, asked);
    app.advance(jobs[0].lease_until().since(app.store.now()));

    // Another does a chunk, and then takes the next one and dies.
    app.program.outbox.work_once().await.unwrap();
    let rows = ledger(&app, &run).await;
    let queued: Vec<usize> = (0..250).filter(|n| rows[*n].status == RowStatus::Queued).collect();
    assert!((190..=200).contains(&queued.len()) && queued.last().unwrap() < &200, "the first 200 rows: {queued:?}");
    let now = totals(&app, &run).await;
    assert_eq!(now.queued, i64::try_from(queued.len()).unwrap());
    assert!(now.add_up(), "{now:?}");
    let jobs = take_work(&app).await;
    let walk = jobs.iter().find_map(|job| if let Work::Resend(walk) = job.payload() { Some(walk) } else { None });
    assert_eq!(walk.unwrap().cursor.as_ref(), Some(&rows[199].user));
    // The mails of the first chunk leave, which does not end the run.
    while app.program.outbox.mail_once().await.unwrap() > 0 {
        assert!(totals(&app, &run).await.add_up());
    }
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["mailing"]);
    app.advance(jobs[0].lease_until().since(app.store.now()));
    app.work().await;

    let end = totals(&app, &run).await;
    assert_eq!((end.members, end.sent, end.failed, end.unsettled()), (250, 249, 1, 0), "{end:?}");
    let again = mailed(&app);
    assert_eq!((again.len(), again.values().max()), (248, Some(&1)), "all but Bram and Noor, once each");
    assert!(ledger(&app, &run).await.iter().all(|row| row.resends == u32::from(wants_mail(row))));
    assert_eq!(run_record(&app, &run).await.resending, 0);
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["done"]);
}

fn wants_mail(row: &flybridge::domain::disable::Row) -> bool {
    row.ready_at.is_none() && row.email.is_some()
}

#[tokio::test]
async fn turned_on_again_between_two_chunks() {
    let app = crowd().await;
    let (mut ines, run) = app.leave().await;
    mailed(&app);
    ines.resend(&run, ("all", "not-ready")).await.location();
    app.program.outbox.work_once().await.unwrap();
    let queued = totals(&app, &run).await.queued;
    assert!((190..=200).contains(&queued), "one chunk: {queued}");
    ines.enable("saltmarsh-labs").await.location();
    app.work().await;
    let end = totals(&app, &run).await;
    assert_eq!((end.members, end.sent, end.cancelled, end.failed), (250, 249 - queued, queued, 1), "{end:?}");
    assert!(end.add_up());
    assert_eq!(mailed(&app), BTreeMap::new(), "nothing of it leaves any more");
}
