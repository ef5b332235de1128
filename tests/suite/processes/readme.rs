//! What the README tells an operator to write and type.

use std::fs;
use std::path::PathBuf;

use crate::support::process::{Home, program, stderr, stdout};

const README: &str = include_str!("../../../README.md");

/// As good as what `openssl rand -hex 32` gives.
const SECRET: &str = "5e0b91f7c3a84d26b8f10e6d72c95a3f4817de60ab39c2f5d4061b7e98a32cf8";

/// The words of the command that starts so; quotes keep a word together, and a backslash goes on in the next line.
fn command(start: &str) -> Vec<String> {
    let readme = README.replace("\\\n", " ");
    let line = readme.lines().find(|line| line.starts_with(start)).unwrap();
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

/// Its configuration in a folder of its own.
fn home() -> (Home, PathBuf) {
    let home = Home::new("127.0.0.1:9".parse().unwrap());
    let folder = home.path("secrets");
    fs::create_dir(&folder).unwrap();
    for name in ["flybridge-master", "fly", "sentry"] {
        fs::write(folder.join(name), SECRET).unwrap();
    }
    let config = home.path("flybridge.toml");
    fs::write(&config, block("toml").replace("/run/secrets", folder.to_str().unwrap())).unwrap();
    (home, config)
}

#[test]
fn its_configuration_and_its_commands_work_as_they_stand() {
    let (_home, config) = home();
    let organizations = ["flybridge organizations add", "flybridge organizations set-plan"];
    let starts = ["flybridge check-config", organizations[0], organizations[1], "flybridge client add"];
    for start in starts {
        let words = command(start);
        assert!(words.contains(&"flybridge.toml".to_owned()), "{words:?}");
        let typed = program().args(&words[1..]).current_dir(config.parent().unwrap()).output().unwrap();
        assert!(typed.status.success(), "{words:?}: {}", stderr(&typed));
        assert_ne!(stdout(&typed), "");
    }
}

#[test]
fn what_it_types_into_the_container_fits_image_and_compose_file() {
    const COMPOSE: &str = include_str!("../../../docker-compose.yml");
    let words = command("docker compose exec");
    let (service, binary, inside) = (&words[3], &words[4], "/etc/flybridge/flybridge.toml");
    assert!(COMPOSE.contains(&format!("\n  {service}:\n    build: .\n")));
    assert!(COMPOSE.contains(&format!(":{inside}:ro")) && words.iter().any(|word| word == inside), "{words:?}");
    assert!(include_str!("../../../Dockerfile").contains(&format!("ENTRYPOINT [\"{binary}\"]")));
    let (home, config) = home();
    let config = config.display().to_string();
    let typed: Vec<&str> =
        words[5..].iter().map(|word| if word == inside { &config } else { word.as_str() }).collect();
    let added = program().args(&typed).current_dir(home.path("")).output().unwrap();
    assert!(added.status.success(), "{typed:?}: {}", stderr(&added));
    let start = "#   docker compose exec flybridge /flybridge organizations add ";
    assert!(COMPOSE.lines().any(|line| line.starts_with(start)), "its own words are the same");
}
