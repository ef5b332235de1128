//! axe-core, which holds the page that is open against the rules of WCAG 2.2 up to level AA and against good practice.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::Browser;

/// The rules of WCAG 2.2, levels A and AA.
const WCAG: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"];

/// What axe-core is asked to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// WCAG and good practice: a whole page.
    Page,
    /// WCAG alone: a mail, which has no landmarks.
    Mail,
    /// What depends on the colours.
    Colours,
}

impl Rules {
    fn options(self) -> Value {
        let only = match self {
            Self::Page => {
                let tags = [&WCAG[..], &["best-practice"]].concat();
                json!({ "type": "tag", "values": tags })
            }
            Self::Mail => json!({ "type": "tag", "values": WCAG }),
            Self::Colours => json!({ "type": "rule", "values": ["color-contrast", "link-in-text-block"] }),
        };
        // Off unless asked for. A frame shows what has been looked at as a mail.
        json!({ "runOnly": only, "rules": { "target-size": { "enabled": true } }, "iframes": false,
                "resultTypes": ["violations"] })
    }
}

const RUN: &str = r#"
    const [options, done] = [arguments[0], arguments[arguments.length - 1]];
    const line = (rule, node) => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\s+/g, " ")}`;
    axe.run(document, options)
      .then(({ violations }) => done(violations.flatMap((rule) => rule.nodes.map((node) => line(rule, node)))))
      .catch((error) => done([`axe-core fails: ${error}`]));
"#;

impl Browser {
    /// Where the page that is open breaks a rule, in light and in dark colours.
    pub(crate) async fn violations(&self, rules: Rules) -> Vec<String> {
        let mut found = self.axe(rules).await;
        self.set_dark(true).await;
        found.extend(self.axe(Rules::Colours).await.into_iter().map(|line| format!("in the dark: {line}")));
        self.set_dark(false).await;
        found
    }

    async fn axe(&self, rules: Rules) -> Vec<String> {
        let client = self.client();
        if client.execute("return !window.axe", vec![]).await.unwrap() == json!(true) {
            client.execute(&AXE, vec![]).await.unwrap();
        }
        let found = client.execute_async(RUN, vec![rules.options()]).await.unwrap();
        serde_json::from_value(found).unwrap()
    }
}

/// The text of the script, at the version that `tests/clients` names.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let packages: Value = serde_json::from_str(include_str!("../../../clients/package.json")).unwrap();
    let wanted = packages["dependencies"]["axe-core"].as_str().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/real-clients/node_modules/axe-core");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let installed: Value = serde_json::from_str(&read("package.json")).unwrap_or_default();
    assert!(
        installed["version"] == wanted,
        "axe-core {wanted} is not installed: run scripts/test (or scripts/real-clients --install) first"
    );
    read("axe.min.js")
});
