//! What the README tells an operator to write and type.

use std::fs;

use crate::support::process::{Home, program, stderr, stdout};

const README: &str = include_str!("../../../README.md");

/// As good as what `openssl rand -hex 32` gives.
const SECRET: &str = "5e0b91f7c3a84d26b8f10e6d72c95a3f4817de60ab39c2f5d4061b7e98a32cf8";

/// The words of the line that starts so; quotes keep a word together.
fn command(start: &str) -> Vec<String> {
    let line = README.lines().find(|line| line.starts_with(start)).unwrap();
    let mut words: Vec<String> = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The block of that language.
fn block(language: &str) -> &'static str {
    let start = README.split_once(&format!("```{language}\n")).unwrap().1;
    start.split_once("```").unwrap().0
}

#[test]
fn its_configuration_and_its_commands_work_as_they_stand() {
    let home = Home::new("127.0.0.1:9".parse().unwrap());
    let folder = home.path("secrets");
    fs::create_dir(&folder).unwrap();
    for name in ["flybridge-master", "fly", "sentry"] {
        fs::write(folder.join(name), SECRET).unwrap();
    }
    let config = home.path("flybridge.toml");
    fs::write(&config, block("toml").replace("/run/secrets", folder.to_str().unwrap())).unwrap();
    for start in ["flybridge check-config", "flybridge organizations add"] {
        let words = command(start);
        assert!(words.contains(&"flybridge.toml".to_owned()), "{words:?}");
        let typed = program().args(&words[1..]).current_dir(config.parent().unwrap()).output().unwrap();
        assert!(typed.status.success(), "{words:?}: {}", stderr(&typed));
        assert_ne!(stdout(&typed), "");
    }
}
