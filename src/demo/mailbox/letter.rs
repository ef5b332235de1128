//! Reading `.eml` files. Whatever lies in the folder, the answer is a letter or the reason why it is none.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use mail_parser::{Address, Message, MessageParser, PartType};
use tokio::fs;
use url::Url;

/// Longer files are not read.
const LARGEST: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub from: String,
    /// Addresses, separated by ", ".
    pub to: String,
    pub subject: String,
    /// As the mail's own header says, in UTC: `14:37:48 UTC, 14 March 2027`; empty when it does not say.
    pub date: String,
}

/// A mail, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub envelope: Envelope,
    pub html: Option<String>,
    pub text: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("there is no such file")]
    Missing,
    #[error("the file is longer than 1 MiB")]
    TooLong,
    #[error("the file cannot be read: {0}")]
    Io(String),
    #[error("the file has no sender, receiver or text as a mail has them")]
    NotAMail,
}

/// A file of the folder.
#[derive(Debug, Clone)]
pub struct Entry {
    pub file: String,
    pub letter: Result<Envelope, Unreadable>,
    /// When the file was written, in nanoseconds since 1970: the order of sending, finer than the mail's date.
    written: u128,
}

impl Entry {
    pub fn to(&self) -> &str {
        self.letter.as_ref().map_or("", |envelope| &envelope.to)
    }

    /// The page of this mail.
    pub fn href(&self) -> String {
        href(&self.file)
    }

    pub fn subject(&self) -> &str {
        self.letter.as_ref().map_or("", |envelope| &envelope.subject)
    }
}

/// The page of the mail in `file`, with whatever the name contains escaped.
pub(super) fn href(file: &str) -> String {
    let Ok(mut url) = Url::parse("http://mailbox.invalid/") else { return String::new() };
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(["mails", file]);
    }
    url.path().to_owned()
}

pub(super) async fn entries(folder: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    let Ok(mut files) = fs::read_dir(folder).await else { return entries };
    while let Ok(Some(found)) = files.next_entry().await {
        // A name that is not UTF-8 has no address on these pages.
        let Ok(file) = found.file_name().into_string() else { continue };
        if !is_mail_name(&file) {
            continue;
        }
        let Ok(metadata) = found.metadata().await else { continue };
        if !metadata.is_file() {
            continue;
        }
        let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let written = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let letter = bytes(folder, &file).await.and_then(|bytes| read_letter(&bytes)).map(|letter| letter.envelope);
        entries.push(Entry { file, letter, written });
    }
    entries.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| b.file.cmp(&a.file)));
    entries
}

/// The file `file` of the folder and of nowhere else.
pub(super) async fn bytes(folder: &Path, file: &str) -> Result<Vec<u8>, Unreadable> {
    if !is_mail_name(file) {
        return Err(Unreadable::Missing);
    }
    let path = folder.join(file);
    let metadata = fs::symlink_metadata(&path).await.map_err(|_| Unreadable::Missing)?;
    if !metadata.is_file() {
        return Err(Unreadable::Missing);
    }
    if metadata.len() > LARGEST {
        return Err(Unreadable::TooLong);
    }
    fs::read(&path).await.map_err(|error| Unreadable::Io(error.kind().to_string()))
}

/// No separator, no hidden file, the right ending.
fn is_mail_name(file: &str) -> bool {
    let plain = !file.starts_with('.') && !file.contains(['/', '\\', '\0']);
    plain && Path::new(file).extension().is_some_and(|ending| ending == "eml")
}

/// # Errors
/// When the bytes have no sender, no receiver or neither a text nor an HTML part.
pub fn read_letter(bytes: &[u8]) -> Result<Letter, Unreadable> {
    let message = MessageParser::default().parse(bytes).ok_or(Unreadable::NotAMail)?;
    let from = addresses(message.from());
    let to = addresses(message.to());
    let html = part(&message, PartSort::Html);
    let text = part(&message, PartSort::Plain);
    if from.is_empty() || to.is_empty() || (html.is_none() && text.is_none()) {
        return Err(Unreadable::NotAMail);
    }
    let subject = message.subject().unwrap_or_default().to_owned();
    let date = message.date().map(|date| said(date.to_timestamp())).unwrap_or_default();
    Ok(Letter { envelope: Envelope { from, to, subject, date }, html, text })
}

#[derive(Clone, Copy)]
enum PartSort {
    Html,
    Plain,
}

/// The first part of the sort. The parser's own choice would make one out of the other where it is missing.
fn part(message: &Message<'_>, sort: PartSort) -> Option<String> {
    message.parts.iter().find_map(|part| match (&part.body, sort) {
        // An empty part is what the parser makes of a mail that breaks off.
        (PartType::Html(text), PartSort::Html) | (PartType::Text(text), PartSort::Plain) => {
            Some(text.to_string()).filter(|text| !text.trim().is_empty())
        }
        _ => None,
    })
}

fn addresses(list: Option<&Address<'_>>) -> String {
    let all = list.into_iter().flat_map(Address::iter);
    let plain: Vec<&str> = all.filter_map(|mailbox| mailbox.address()).collect();
    plain.join(", ")
}

fn said(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime("%H:%M:%S UTC, %-d %B %Y").to_string()
}

/// The mail with its links leading out of the frame it is shown in.
pub(super) fn links_to_top(html: &str) -> String {
    const BASE: &str = "<base target=\"_top\">";
    // ASCII lower case keeps every byte's place.
    let head = html.to_ascii_lowercase().find("<head>").map(|at| at + "<head>".len());
    match head {
        Some(at) => format!("{}{BASE}{}", &html[..at], &html[at..]),
        None => format!("{BASE}{html}"),
    }
}
