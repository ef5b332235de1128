//! Reading reports about mail that came back: `multipart/report` (RFC 6522) around `message/delivery-status` (RFC 3464)
//! and the mail, or its header, that it is about.

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _};

/// Message-IDs looked at in one report. A report about one of our mails has a few, whatever program wrote it.
const MOST_NAMES: usize = 16;

/// What happened, in the words of RFC 3464, section 2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It will not be delivered.
    Failed,
    /// It is not delivered yet, and still tried.
    Delayed,
    /// Good news, or none.
    Other,
}

/// A report about one mail to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub action: Action,
    /// The code of an SMTP server, where it was one that said no.
    pub code: Option<u16>,
    /// The enhanced code (RFC 3463) and what the server said; of a server of another kind, the enhanced code alone.
    pub said: String,
    /// What may be the Message-ID of the mail that it is about, without angle brackets.
    pub names: Vec<String>,
}

impl Report {
    /// None when `mail` is no such report, or one about several recipients at once: each of our mails has one.
    #[must_use]
    pub fn read(mail: &[u8]) -> Option<Self> {
        let message = MessageParser::default().parse(mail)?;
        // The second is for addresses outside ASCII (RFC 6533).
        let is_status = |kind: &str| ["message/delivery-status", "message/global-delivery-status"].contains(&kind);
        let status = message.parts.iter().find(|part| is_status(&kind_of(part)))?;
        let status = String::from_utf8_lossy(status.contents()).into_owned();
        let mut groups = groups(&status).into_iter();
        let about_mail = groups.next()?;
        let (recipient, None) = (groups.next()?, groups.next()) else { return None };
        let action = match field(&recipient, "action")?.to_ascii_lowercase().as_str() {
            "failed" => Action::Failed,
            "delayed" => Action::Delayed,
            _ => Action::Other,
        };
        let (code, text) = diagnosis(field(&recipient, "diagnostic-code").unwrap_or_default());
        let enhanced = field(&recipient, "status").map(first_word).unwrap_or_default();
        let text = text.strip_prefix(enhanced).unwrap_or(text).trim_start();
        let said = format!("{enhanced} {text}").trim().to_owned();
        let mut names = Vec::new();
        names.extend(field(&about_mail, "original-envelope-id").map(str::to_owned));
        names.extend(returned(&message));
        names.truncate(MOST_NAMES);
        Some(Self { action, code, said, names })
    }
}

/// `message/delivery-status`, in lower case.
fn kind_of(part: &MessagePart<'_>) -> String {
    let kind = part.content_type();
    let of = |kind: &mail_parser::ContentType<'_>| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default());
    kind.map(of).unwrap_or_default().to_ascii_lowercase()
}

/// The Message-IDs of the mail that was returned, whole or its header alone.
fn returned(report: &Message<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for part in &report.parts {
        let kind = kind_of(part);
        if let Some(inner) = part.message() {
            names.extend(inner.message_id().map(str::to_owned));
        } else if kind == "text/rfc822-headers" || kind == "message/global-headers" {
            let header = MessageParser::default().parse_headers(part.contents());
            names.extend(header.and_then(|header| header.message_id().map(str::to_owned)));
        }
    }
    names
}

type Group<'a> = Vec<(&'a str, String)>;

/// Groups of fields, parted by empty lines: one about the mail, then one for each recipient (RFC 3464, section 2.1).
fn groups(text: &str) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        if !open {
            groups.push(Group::new());
            open = true;
        }
        let Some(group) = groups.last_mut() else { continue };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            group.push((name.trim(), value.trim().to_owned()));
        }
    }
    groups
}

fn field<'a>(group: &'a Group<'_>, name: &str) -> Option<&'a str> {
    group.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// `smtp; 550 5.1.1 no such user` as code and text (RFC 3464, section 2.3.6). Of other kinds of servers, nothing.
fn diagnosis(text: &str) -> (Option<u16>, &str) {
    let Some((kind, said)) = text.split_once(';') else { return (None, "") };
    if !kind.trim().eq_ignore_ascii_case("smtp") {
        return (None, "");
    }
    let said = said.trim();
    let (code, rest) = said.split_at(said.find(|c: char| !c.is_ascii_digit()).unwrap_or(said.len()));
    match code.parse() {
        Ok(code @ 200..=599) => (Some(code), rest.trim_start_matches(['-', ' '])),
        _ => (None, said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(recipient: &str, returned: &str) -> String {
        format!(
            "From: MAILER-DAEMON@relay.example\r\nTo: login@login.test\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n--b\r\n\
             Content-Type: text/plain\r\n\r\nI am sorry.\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; relay.example\r\nArrival-Date: Sun, 22 Nov 2026 14:37:48 +0000\r\n\r\n{recipient}\r\n\
             \r\n--b\r\n{returned}\r\n--b--\r\n"
        )
    }

    const WHOLE: &str =
        "Content-Type: message/rfc822\r\n\r\nMessage-ID: <a.b.m0.c@login.test>\r\nSubject: x\r\n\r\nHello\r\n";
    const HEADER: &str =
        "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\nMessage-ID: <a.b.m0.c@login.test>\r\n";
    const FAILED: &str = "Final-Recipient: rfc822; leo@a.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
        Diagnostic-Code: smtp; 550 5.1.1 <leo@a.example>:\r\n    no such user";

    #[test]
    fn a_final_report_is_read_whatever_comes_back_with_it() {
        for returned in [WHOLE, HEADER] {
            let report = Report::read(report(FAILED, returned).as_bytes()).expect("a report");
            assert_eq!((report.action, report.code), (Action::Failed, Some(550)));
            assert_eq!(report.said, "5.1.1 <leo@a.example>: no such user");
            assert_eq!(report.names, ["a.b.m0.c@login.test"]);
        }
    }

    #[test]
    fn other_words_for_the_same_are_understood() {
        let of = |recipient: &str| Report::read(report(recipient, WHOLE).as_bytes());
        let delayed = of("FINAL-RECIPIENT: rfc822;x@y\r\nACTION: Delayed\r\nSTATUS: 4.4.1 (no answer)").expect("one");
        assert_eq!((delayed.action, delayed.code, delayed.said.as_str()), (Action::Delayed, None, "4.4.1"));
        let other = of("Final-Recipient: rfc822;x@y\r\nAction: delivered\r\nStatus: 2.0.0").expect("one");
        assert_eq!(other.action, Action::Other);
        let foreign = of("Final-Recipient: x400;x\r\nAction: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: x400; 1");
        assert_eq!(foreign.map(|report| (report.code, report.said)), Some((None, "5.0.0".to_owned())));
        let dashed = of("Final-Recipient: rfc822;x@y\r\nAction: failed\r\nStatus: 5.2.2\r\n\
                         Diagnostic-Code: smtp;552-5.2.2 full");
        assert_eq!(dashed.map(|report| (report.code, report.said)), Some((Some(552), "5.2.2 full".to_owned())));
    }

    #[test]
    fn what_is_no_report_about_one_mail_is_none() {
        let two = format!("{FAILED}\r\n\r\n{FAILED}");
        for text in
            [String::new(), "x".to_owned(), "Subject: hello\r\n\r\nI am away.\r\n".to_owned(), report(&two, WHOLE)]
        {
            assert_eq!(Report::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Report::read(report("Final-Recipient: rfc822;x@y\r\nStatus: 5.0.0", WHOLE).as_bytes()), None);
        assert_eq!(Report::read(&[0xff; 2_000]), None);
        let nothing_back = report(FAILED, "Content-Type: text/plain\r\n\r\nMessage-ID: <a@b>\r\n");
        assert_eq!(Report::read(nothing_back.as_bytes()).map(|report| report.names.len()), Some(0));
    }
}
