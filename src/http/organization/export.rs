//! Whole lists to take away: the ledger of a run as CSV, the audit log as JSON lines. They are read page by page while they
//! are sent, so that a hundred thousand rows are never in memory at once. An answer that breaks off is seen to be broken.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use serde_json::json;

use super::audit::name;
use super::{Admin, NotEntered, Room, page_path, run_path};
use crate::clock::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::disable::{Delivery, Row};
use crate::http::pages::when::iso;
use crate::http::web::{Visitor, Web};
use crate::store::records::{Collection, Stored};
use crate::store::{MAX_SCAN, StoreError, keys};

/// The columns of [`members`]. Times are RFC 3339, in UTC.
const COLUMNS: &str = "member,name,address,mail,kind,attempts,resends,since,next_attempt_at,detail,server_said,server_said_at,\
                       reminders,reminded_at,password_since\r\n";

/// `GET /organizations/{slug}/auth/disable/{run}/members.csv` (RFC 4180), by id
pub async fn members(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path((slug, run)): Path<(String, String)>,
) -> Result<Response, NotEntered> {
    // The link stands on the page of the run, so that is where a sign-in leads back to.
    let entered = admin.enter(&web, &visitor, &slug, &run_path(&slug, &run), Room::Oversight).await?;
    let run = admin.run_of(&entered, &run).await?;
    let rows = keys::rows(&run.organization, &run.id);
    let file = format!("{}-{}.csv", entered.organization.slug, run.id);
    let body = whole(admin, rows, COLUMNS, csv_row);
    Ok(download(body, "text/csv; charset=utf-8; header=present", &file))
}

/// `GET /organizations/{slug}/audit.jsonl`, newest first
pub async fn audit(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
) -> Result<Response, NotEntered> {
    let entered = admin.enter(&web, &visitor, &slug, &page_path(&slug, "audit"), Room::Settings).await?;
    let log = keys::audit_log(&entered.organization.id);
    let file = format!("{}-audit.jsonl", entered.organization.slug);
    let body = whole(admin, log, "", json_line);
    Ok(download(body, "application/jsonl; charset=utf-8", &file))
}

/// All of a collection, each item as `write` puts it down.
fn whole<T: Stored + 'static>(
    admin: Arc<Admin>,
    collection: Collection<T>,
    head: &str,
    write: fn(&T, &mut String),
) -> Body {
    struct Progress {
        text: String,
        after: Option<String>,
        over: bool,
    }
    let begin = Progress { text: head.to_owned(), after: None, over: false };
    let admin = Arc::new((admin, collection));
    Body::from_stream(try_unfold(begin, move |mut progress| {
        let from = Arc::clone(&admin);
        async move {
            if progress.over {
                return Ok::<_, StoreError>(None);
            }
            let (admin, collection) = &*from;
            let page = admin.store.list(collection, progress.after.as_deref(), MAX_SCAN).await;
            let page = page.inspect_err(|error| tracing::warn!(%error, "a download breaks off"))?;
            for entry in &page {
                write(&entry.value, &mut progress.text);
            }
            let over = page.len() < MAX_SCAN;
            let after = page.last().map(|last| last.item().to_owned());
            Ok(Some((progress.text, Progress { text: String::new(), after, over })))
        }
    }))
}

fn download(body: Body, kind: &'static str, file: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    // Slugs and ids have nothing in them that would need quoting.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{file}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn csv_row(row: &Row, text: &mut String) {
    let time = |at: Option<Timestamp>| at.map(iso).unwrap_or_default();
    let answer = row.answer.as_ref();
    let cells = [
        row.user.to_string(),
        row.name.clone(),
        row.email.clone().unwrap_or_default(),
        row.status.as_str().to_owned(),
        match row.delivery {
            Delivery::SetUp => "set-up",
            Delivery::HasPassword => "has-password",
            Delivery::Unreachable => "unreachable",
            Delivery::LeftOut => "left-out",
        }
        .to_owned(),
        row.attempts.to_string(),
        row.resends.to_string(),
        iso(row.at),
        time(row.next_attempt_at),
        row.detail.clone().unwrap_or_default(),
        answer.map(|answer| answer.text.clone()).unwrap_or_default(),
        time(answer.map(|answer| answer.at)),
        row.reminders.to_string(),
        time(row.reminded_at),
        time(row.ready_at),
    ];
    text.push_str(&cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(","));
    text.push_str("\r\n");
}

/// A cell as spreadsheets and other programs read it. What a spreadsheet would take for a formula, and run, is made text by
/// a leading apostrophe.
fn cell(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let quoted = formula || text.contains([',', '"', '\r', '\n']) || text.trim() != text;
    if !quoted {
        return Cow::Borrowed(text);
    }
    let mark = if formula { "'" } else { "" };
    Cow::Owned(format!("\"{mark}{}\"", text.replace('"', "\"\"")))
}

fn json_line(entry: &AuditEntry, text: &mut String) {
    let line = json!({
        "at": iso(entry.at),
        "kind": name(entry.kind),
        "title": entry.kind.title(),
        "who": { "user": entry.who.user, "name": entry.who.name },
        "from": entry.from,
        "detail": entry.detail,
    });
    text.push_str(&line.to_string());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_text_whatever_it_begins_with() {
        for text in ["", "Leo Brandt", "o’c", "a=b", "1-2"] {
            assert_eq!(cell(text), text);
        }
        for (text, shown) in [
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "\"'＝1\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("Brandt, Leo", "\"Brandt, Leo\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            (" =1", "\" =1\""),
        ] {
            assert_eq!(cell(text), shown);
        }
    }
}
