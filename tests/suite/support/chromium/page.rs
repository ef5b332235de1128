//! What every page has to be, whatever it says.

use super::Browser;
use super::axe::Rules;

/// Finds what is wrong with the page that is open. It runs beside the page, so it also works where the page's own
/// scripts are off.
const LOOK: &str = r#"
    const wrong = [];
    const expect = (truth, text) => { if (!truth) wrong.push(text); };
    const all = (css) => [...document.querySelectorAll(css)];
    const name = (element) => element.id || element.name || element.outerHTML.slice(0, 60);

    expect(document.documentElement.lang === "en", "the language is not said");
    expect(document.title.trim().length > 0, "the title is empty");
    expect(all("h1").length === 1, `${all("h1").length} first headings`);
    expect(all("main").length === 1, `${all("main").length} main parts`);

    const ids = all("[id]").map((element) => element.id);
    expect(new Set(ids).size === ids.length, `an id stands twice: ${ids.filter((id, i) => ids.indexOf(id) !== i)}`);

    for (const field of all(":is(input:not([type=hidden]), select, textarea, progress, meter):not([aria-hidden=true])"))
      expect(field.labels?.length > 0 || field.hasAttribute("aria-labelledby"), `no label for ${name(field)}`);
    for (const element of all("[aria-describedby], [aria-labelledby]"))
      for (const attribute of ["aria-describedby", "aria-labelledby"])
        for (const id of (element.getAttribute(attribute) ?? "").split(" ").filter(Boolean))
          expect(document.getElementById(id), `${name(element)} points to ${id}, which is not there`);
    for (const link of all("a[href], button"))
      expect((link.textContent + (link.getAttribute("aria-label") ?? "")).trim(), `no words on ${name(link)}`);
    expect(all("[style], style, script:not([src])").length === 0, "style or script stands in the page");

    const levels = all("h1, h2, h3").map((heading) => Number(heading.tagName[1]));
    levels.forEach((level, i) => expect(level <= (levels[i - 1] ?? 0) + 1, "a level of headings is left out"));

    for (const number of all("[data-live]"))
      expect(!number.closest("[aria-live], [role=status], [role=alert]"), `every change of ${name(number)} is read out`);

    const width = document.documentElement.clientWidth;
    expect(document.documentElement.scrollWidth <= width, `wider than the window: ${document.documentElement.scrollWidth} > ${width}`);
    for (const card of all(".card"))
      for (const inner of card.querySelectorAll("*:not(.vh, caption, thead, thead *)"))
        expect(inner.getBoundingClientRect().right <= card.getBoundingClientRect().right, `out of its card: ${name(inner)}`);
    for (const button of all(".button")) {
      const { width, height } = button.getBoundingClientRect();
      expect(height <= width, `a column of letters: ${name(button)}`);
    }
    return wrong;
"#;

impl Browser {
    /// Looks at the page that is open as a whole, in light and in dark colours, and keeps a picture of it.
    pub(crate) async fn look(&self, name: &str) {
        self.wait_for("h1").await;
        let mut wrong = self.faults().await;
        // It waits for promises, which do not come true without scripts; the page is the same.
        if self.view.scripts {
            wrong.extend(self.violations(Rules::Page).await);
        }
        self.save_screenshot(name).await;
        let (url, view) = (self.url().await, self.view.name);
        assert!(wrong.is_empty(), "the page {name} ({url}, {view}): {wrong:#?}");
    }

    /// What is wrong with the page that is open, and what the console has said since it was last asked.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let wrong = self.client().execute(LOOK, vec![]).await.unwrap();
        let mut wrong: Vec<String> = serde_json::from_value(wrong).unwrap();
        wrong.extend(self.complaints().await);
        wrong
    }

    /// The page in dark colours, and back.
    pub(crate) async fn look_in_the_dark(&self, name: &str) {
        self.set_dark(true).await;
        self.save_screenshot(&format!("{name}-dark")).await;
        self.set_dark(false).await;
    }

    /// What can be used on the page, in its order, named as by [`Browser::tab_order`].
    pub(crate) async fn usable(&self) -> Vec<String> {
        const USABLE: &str = "return [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]\
                              .filter((it) => it.type !== 'hidden' && it.tabIndex >= 0 && it.checkVisibility())\
                              .map((it) => it.id || it.name || it.textContent.trim())";
        serde_json::from_value(self.client().execute(USABLE, vec![]).await.unwrap()).unwrap()
    }

    /// What the tab key visits from the top of the page, by id, name or words, and whether one sees that it is there.
    pub(crate) async fn tab_order(&self) -> Vec<String> {
        const FOCUSED: &str = "const at = document.activeElement; if (at === document.body) return '';\
                               const { outlineStyle, outlineWidth } = getComputedStyle(at);\
                               const { width, height, top, bottom } = at.getBoundingClientRect();\
                               const seen = outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 &&\
                                 width > 8 && height > 8 && bottom > 0 && top < innerHeight;\
                               return (at.id || at.name || at.textContent.trim()) + (seen ? '' : ' (not to be seen)')";
        let mut order: Vec<String> = vec![];
        loop {
            self.client().active_element().await.unwrap().send_keys("\u{e004}").await.unwrap();
            let at = self.client().execute(FOCUSED, vec![]).await.unwrap();
            let at = at.as_str().unwrap_or_default().to_owned();
            if at.is_empty() || order.first() == Some(&at) || order.len() > 100 {
                return order;
            }
            order.push(at);
        }
    }
}
