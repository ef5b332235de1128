//! The commands beside `serve`, as an operator types them.

use flybridge::store::{Outcome, keys};

use super::{Records, organization};
use crate::support::ports::free_port;
use crate::support::process::{Home, MASTER_KEY, Node, program, run as run_command, stderr, stdout};
use crate::support::smtp::{Act, At, SmtpSink, Step};

/// Nobody is mailed.
fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

fn add(home: &Home, id: &str, slug: &str, plan: &str) -> std::process::Output {
    home.command(&["organizations", "add", "--id", id, "--slug", slug, "--name", "Saltmarsh Labs", "--plan", plan])
}

#[test]
fn organizations_are_added_listed_shown_and_changed() {
    let home = home();
    let added = add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh-labs", "sponsored:30");
    assert!(added.status.success(), "{}", stderr(&added));
    let line = stdout(&added);
    assert!(
        line.starts_with("saltmarsh-labs  n8k2vq5w0r7x3m1p  \"Saltmarsh Labs\"  fly  sponsored until "),
        "{line}"
    );
    assert!(add(&home, "d4t9y6z1c8b5h2j7", "harbour-tools", "paid:Team").status.success());

    let listed = stdout(&home.command(&["organizations", "list"]));
    let slugs: Vec<&str> = listed.lines().filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(slugs, ["harbour-tools", "saltmarsh-labs"]);

    let changed = home.command(&["organizations", "set-plan", "saltmarsh-labs", "paid:Business"]);
    assert!(stdout(&changed).ends_with("fly  paid: Business\n"), "{}", stdout(&changed));
    let shown = stdout(&home.command(&["organizations", "show", "saltmarsh-labs"]));
    assert!(shown.contains("paid: Business") && shown.contains("members known: 0"), "{shown}");
    assert!(shown.contains("generation:    1"), "{shown}");
}

#[tokio::test]
async fn what_is_kept_twice_is_verified_and_mended() {
    let home = home();
    assert!(add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh-labs", "sponsored:30").status.success());
    assert!(add(&home, "d4t9y6z1c8b5h2j7", "harbour-tools", "paid:Team").status.success());
    let fine = home.command(&["verify"]);
    assert!(fine.status.success(), "{}", stderr(&fine));
    assert_eq!(stdout(&fine), "2 organizations, 0 members and 0 rows of runs were looked at\neverything agrees\n");
    let store = home.open_store().await;
    let id = "n8k2vq5w0r7x3m1p".parse().unwrap();
    let mut txn = store.txn(keys::org(&id));
    txn.add(keys::member_count(&id), 3);
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    let broken = home.command(&["verify"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(
        stdout(&broken)
            .starts_with("saltmarsh-labs: 3 members are counted and 0 are there (can be mended)\n2 organizations")
    );
    assert!(stderr(&broken).contains("1 thing differs; --repair makes those right"), "{}", stderr(&broken));
    assert!(home.command(&["verify", "harbour-tools"]).status.success(), "the other one alone");
    assert_eq!(home.command(&["verify", "nobody"]).status.code(), Some(1));
    let mended = home.command(&["verify", "--repair"]);
    assert!(mended.status.success(), "{}", stderr(&mended));
    assert!(stdout(&mended).contains("(mended)"), "{}", stdout(&mended));
    assert!(stdout(&home.command(&["verify"])).ends_with("everything agrees\n"));
}

#[test]
fn keys_are_listed_rotated_and_revoked() {
    let home = home();
    let run = |words: &[&str]| {
        let output = home.command(words);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let listed = run(&["keys", "list"]);
    let stages = |text: &str| -> Vec<String> {
        let line = |line: &str| line.split("  ").skip(1).collect::<Vec<_>>().join(" ");
        text.lines()
            .filter(|text| text.contains("S256"))
            .map(|text| line(text).split(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(stages(&listed), ["ES256 current", "ES256 next", "RS256 current", "RS256 next"]);
    assert!(!listed.contains("take this over"));

    let rotated = run(&["keys", "rotate"]);
    let (es, rs) = (["ES256 current", "ES256 agreed", "ES256 next"], ["RS256 current", "RS256 agreed", "RS256 next"]);
    assert_eq!(stages(&rotated), [es, rs].concat());
    assert!(rotated.ends_with("within 5 minutes; restart them to have it at once.\n"), "{rotated}");

    let kid = listed.split("  ").next().unwrap();
    let revoked = run(&["keys", "revoke", kid]);
    assert!(!revoked.contains(kid), "{revoked}");
    assert_eq!(stages(&revoked), [&["ES256 current", "ES256 next"][..], &rs].concat());
    let told = run(&["keys", "list"]);
    assert_eq!(
        told.lines().filter(|line| line.ends_with("was chosen to sign next, by an operator")).count(),
        2,
        "{told}"
    );
    assert!(told.contains(&format!("{kid} was taken away by an operator")), "{told}");
    let unknown = home.command(&["keys", "revoke", kid]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("`keys list` shows all"), "{}", stderr(&unknown));
}

#[test]
fn a_master_key_is_replaced() {
    let home = home();
    let new = "c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c";
    let master = |keys: &str| std::fs::write(home.path("master.key"), keys).unwrap();
    let run = |words: &[&str]| {
        let output = home.command(words);
        assert!(output.status.success(), "{}", stderr(&output));
        (stdout(&output), stderr(&output))
    };
    let listed = run(&["keys", "list"]).0;
    assert!(run(&["keys", "master"]).0.ends_with("  the only master key\n"));
    master(&format!("{new}\n{MASTER_KEY}\n"));
    let told = run(&["keys", "master"]).0;
    assert!(told.contains("is sealed anew as soon as a node starts\n"), "{told}");
    assert!(told.ends_with("  keep it\n"), "{told}");

    let log = run(&["worker", "--once"]).1;
    assert!(log.contains("a round of sealing anew is over; another follows"), "{log}");
    let told = run(&["keys", "master"]).0;
    assert!(told.contains("0 people looked at, 0 sealed anew; a last look from "), "{told}");
    assert!(told.ends_with("  keep it\n"), "{told}");
    master(new);
    assert_eq!(run(&["keys", "list"]).0, listed, "the same signing keys");
    master(MASTER_KEY);
    let refused = home.command(&["keys", "list"]);
    assert!(stderr(&refused).contains("a master key that is not configured"), "{}", stderr(&refused));
}

#[test]
fn organizations_that_collide_or_do_not_exist_are_refused_in_words() {
    let home = home();
    assert!(add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh-labs", "sponsored:0").status.success());
    for (output, words) in [
        (add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh-labs", "paid:Team"), "n8k2vq5w0r7x3m1p exists already"),
        (add(&home, "d4t9y6z1c8b5h2j7", "saltmarsh-labs", "paid:Team"), "saltmarsh-labs belongs to another"),
        (home.command(&["organizations", "show", "nowhere"]), "`organizations list` shows all"),
        (home.command(&["organizations", "set-plan", "nowhere", "paid:Team"]), "there is no organization nowhere"),
    ] {
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    let typed = home.command(&["organizations", "set-plan", "saltmarsh-labs", "free"]);
    assert_eq!(typed.status.code(), Some(2));
    assert!(stderr(&typed).contains("write sponsored:DAYS or paid:NAME"), "{}", stderr(&typed));
}

#[test]
fn an_organization_added_again_keeps_its_first_short_name() {
    let home = home();
    assert!(add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh-labs", "sponsored:0").status.success());
    let again = add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh", "sponsored:0");
    assert_eq!(again.status.code(), Some(1), "{}", stdout(&again));
    let listed = stdout(&home.command(&["organizations", "list"]));
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.starts_with("saltmarsh-labs  "), "{listed}");
    // The name that was refused is free for others.
    let other = add(&home, "d4t9y6z1c8b5h2j7", "saltmarsh", "sponsored:0");
    assert!(other.status.success(), "{}", stderr(&other));
}

#[tokio::test]
async fn an_addition_that_died_half_way_is_completed() {
    let home = home();
    assert!(add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh-labs", "sponsored:0").status.success());
    let store = home.open_store().await;
    let listed = keys::organizations().item("saltmarsh-labs");
    let mut txn = store.txn(listed.key().partition().clone());
    txn.delete(listed.into_key());
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    assert_eq!(stdout(&home.command(&["organizations", "list"])), "");
    let again = add(&home, "n8k2vq5w0r7x3m1p", "saltmarsh-labs", "sponsored:0");
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));
    assert!(stdout(&home.command(&["organizations", "list"])).starts_with("saltmarsh-labs  "));
}

#[test]
fn check_config_says_that_all_is_well_and_touches_nothing() {
    let home = home();
    let checked = home.command(&["check-config"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(stdout(&checked).starts_with("The configuration is good: http://127.0.0.1:"), "{}", stdout(&checked));
    assert!(!home.path("flybridge.db").exists());
}

#[test]
fn check_config_says_that_nobody_can_sign_in_without_a_client() {
    let home = home();
    let text = home.configuration(8080);
    let (without, _) = text.split_once("[[clients]]").unwrap();
    let config = home.write(8080);
    std::fs::write(&config, without).unwrap();
    let checked = run_command(&config, &["check-config"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let said = stdout(&checked);
    assert!(said.contains("nobody can sign in yet"), "{said}");
    // What it shows fits behind what is there.
    let shown = said.split_once("for example\n").unwrap().1;
    let shown = shown.replace("secret_file = \"/run/secrets/sentry\"", "secret = \"5e0b91f7c3a84d26b8f10e6d\"");
    std::fs::write(&config, format!("{without}\n{shown}")).unwrap();
    let checked = run_command(&config, &["check-config"]);
    assert!(stdout(&checked).ends_with("with 1 client(s) of its own.\n"), "{}{}", stdout(&checked), stderr(&checked));
}

#[test]
fn the_help_describes_every_argument() {
    for (words, described) in [
        (vec!["organizations", "show", "--help"], vec!["<SLUG>"]),
        (vec!["organizations", "set-plan", "--help"], vec!["<SLUG>", "<PLAN>"]),
        (vec!["organizations", "add", "--help"], vec!["--id", "--slug", "--name", "--plan", "--config"]),
        (vec!["client", "rotate-secret", "--help"], vec!["<ID>", "--overlap"]),
        (vec!["client", "remove", "--help"], vec!["<ID>", "--yes"]),
        (vec!["health", "--help"], vec!["--address", "--config"]),
    ] {
        let help = stdout(&program().args(&words).output().unwrap());
        for argument in described {
            let mut lines = help.lines().skip_while(|line| !line.trim_start().starts_with(argument));
            let first = lines.next().unwrap_or_else(|| panic!("no {argument} in {help}"));
            let beside = first.split("  ").filter(|part| !part.trim().is_empty()).count() > 1;
            let below = lines.next().is_some_and(|line| line.starts_with("          ") && !line.trim().is_empty());
            assert!(beside || below, "{words:?} say nothing about {argument}: {help}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_tells_a_ready_node_from_none() {
    let ask = |address: String| program().args(["health", "--address", &address]).output().unwrap();
    let dead = ask(format!("127.0.0.1:{}", free_port()));
    assert_eq!(dead.status.code(), Some(1));
    assert!(stderr(&dead).contains("does not answer"), "{}", stderr(&dead));
    let home = home();
    let node = Node::start(&home).await;
    assert_eq!(ask(node.address().to_string()).status.code(), Some(0));
    let anywhere = program().arg("health").env("FLYBRIDGE_SERVER__LISTEN", format!("0.0.0.0:{}", node.port)).output();
    assert_eq!(anywhere.unwrap().status.code(), Some(0), "the address of the environment");
    let configured = |port| run_command(&home.write(port), &["health"]);
    assert_eq!(configured(node.port).status.code(), Some(0), "the address of the file");
    assert_eq!(configured(free_port()).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_does_what_is_due_and_stops() {
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address());
    let records = Records::of(home.open_store().await);
    records.seed(20).await;
    let run = records.click().await;

    sink.script_any_always(Step(At::Greeting, Act::Answer("554 5.7.1 not you")));
    let config = home.write(free_port());
    let stopped = run_command(&config, &["worker", "--once"]);
    assert_eq!(stopped.status.code(), Some(1), "{}", stderr(&stopped));
    assert!(stderr(&stopped).contains("Our mail server turned us away (554)"), "{}", stderr(&stopped));
    records.check_invariants(&run).await;
    assert_eq!(records.totals(&run).await.queued, 20);
    assert!(sink.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_alone_finishes_a_run() {
    let sink = SmtpSink::start().await;
    let home = Home::new(sink.address());
    let records = Records::of(home.open_store().await);
    records.seed(20).await;
    let run = records.click().await;
    let config = home.write(free_port());
    for _ in 0..2 {
        let worked = run_command(&config, &["worker", "--once"]);
        assert!(worked.status.success(), "{}", stderr(&worked));
        records.check_ledger(&run, 20).await;
        assert!(records.is_done(&run).await);
        assert_eq!(sink.messages().len(), 21, "everybody, and the summary");
    }
    let shown = stdout(&home.command(&["organizations", "show", "saltmarsh-labs"]));
    assert!(shown.contains("  password  ") && shown.contains(&format!("disable run:   {run}")), "{shown}");
    assert!(shown.contains(organization().as_str()));
}
