//! Imports point one way, files stay readable.

use std::path::{Path, PathBuf};

/// The modules at the top of the crate and how high they stand. A module may use those at its own height or below.
const RANKS: &[(&str, u8)] = &[
    ("clock", 0),
    ("random", 0),
    ("telemetry", 0),
    ("domain", 1),
    ("store", 2),
    ("config", 3),
    ("services", 4),
    ("http", 5),
    ("demo", 6),
    ("cli", 6),
];

/// Lines of a file at most.
const LONGEST: usize = 400;

/// Files that may be longer, each with its reason.
const LONG: &[(&str, &str)] = &[("src/store.rs", "the whole contract of the store, to be read in one piece")];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// `src/http/server.rs` belongs to `http`; `src/lib.rs` and `src/main.rs` to none.
fn module(path: &Path) -> Option<String> {
    let second = path.components().nth(1)?.as_os_str().to_str()?;
    let name = second.trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// The top modules that `text` names by `crate::`, comments and string literals left out.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(group_heads(group)),
                None => found.push(head(rest)),
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn head(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// Of `a::{b, c}, d::e}` the heads `a` and `d`.
fn group_heads(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![head(text.trim_start())];
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(head(text[at + 1..].trim_start())),
            _ => {}
        }
    }
    heads
}

fn violations(path: &Path, text: &str) -> Vec<String> {
    let Some(own) = module(path) else { return Vec::new() };
    let Some(height) = rank(&own) else { return vec![format!("{}: give `{own}` a rank", path.display())] };
    let mut found = Vec::new();
    for used in imports(text) {
        // A macro of the crate, such as `crate::name!`, belongs to no module and has no rank.
        if rank(&used).is_some_and(|other| other > height) {
            found.push(format!("{}: `{own}` must not use `{used}`", path.display()));
        }
    }
    found
}

#[test]
fn imports_point_one_way() {
    let found: Vec<_> = sources().iter().flat_map(|(path, text)| violations(path, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_upward_import_is_found_however_it_is_written() {
    let store = Path::new("src/store/keys.rs");
    for text in [
        "use crate::services::mail::Mail;",
        "use crate::{clock::Clock, http::state::State};",
        "fn f(x: &crate::cli::Serve) {}",
        "pub(crate) use crate::config::Config;",
        "use crate::{domain::{ids::UserId, user}, services};",
    ] {
        assert_eq!(violations(store, text).len(), 1, "{text}");
    }
    for text in [
        "use crate::domain::ids::UserId;",
        "// crate::services is above",
        "$crate::http::x!()",
        "use crate::store::Key;",
    ] {
        assert!(violations(store, text).is_empty(), "{text}");
    }
    assert_eq!(violations(Path::new("src/novelty.rs"), ""), ["src/novelty.rs: give `novelty` a rank"]);
}

#[test]
fn files_stand_beside_their_folders() {
    let found: Vec<_> = sources().into_iter().map(|(path, _)| path).filter(|path| path.ends_with("mod.rs")).collect();
    assert!(found.is_empty(), "write foo.rs beside foo/ instead of {found:?}");
}

#[test]
fn files_stay_short_enough_to_read() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let reason = LONG.iter().find(|(long, _)| Path::new(long) == path);
        match reason {
            None => assert!(lines <= LONGEST, "{} has {lines} lines, and {LONGEST} are the limit", path.display()),
            Some(_) => assert!(lines > LONGEST, "{} is short again: take it off the list", path.display()),
        }
    }
}
