//! The look at every page finds what it is there to find.

use crate::support::chromium::axe::Rules;
use crate::support::chromium::{Browser, PHONE, run};

#[test]
fn of_a_page_are_found() {
    run(async {
        let browser = Browser::open(PHONE).await;
        let page = "<meta name=viewport content='width=device-width'><h1>One</h1><h1>Two</h1><main><div class=card \
                    style='width:9em'><img src='x:'><input id=a><b id=a>word</b><a href='/'></a>\
                    <pre>wide wide wide wide wide wide wide wide wide wide wide wide wide</pre></div></main>\
                    <script>console.error('a complaint')</script>";
        browser.goto(&format!("data:text/html,{page}")).await;
        let faults = browser.faults().await.join("\n");
        for expected in [
            "the language is not said",
            "the title is empty",
            "2 first headings",
            "an id stands twice: a",
            "no label for a",
            "no words on",
            "style or script stands in the page",
            "wider than the window",
            "out of its card",
            "a complaint",
        ] {
            assert!(faults.contains(expected), "{expected} is not among\n{faults}");
        }
    });
}

#[test]
fn of_accessibility_are_found_in_light_and_dark() {
    run(async {
        let browser = Browser::open(PHONE).await;
        let page = "<html lang=en><title>A page</title><style>body { background: white; color: black }\
                    .pale { color: silver } .small { font-size: 10px; margin: 0; padding: 0; width: 12px; height: 12px }\
                    @media (prefers-color-scheme: dark) { .night { color: lightgray } }</style>\
                    <main><h1>A page</h1><p class=pale>pale by day<p class=night>pale by night\
                    <p><img src='data:,'><input><button class=small>a</button><button class=small>b</button>\
                    <ul><p>no item</ul><table role=table><tr role=row><td>loose</table></main><p>outside";
        browser.goto(&format!("data:text/html,{page}")).await;
        let found = browser.violations(Rules::Page).await.join("\n");
        for expected in [
            "color-contrast: .pale",
            "in the dark: color-contrast: .night",
            "image-alt: img",
            "label: input",
            "list: ul",
            "target-size: button",
            "region: ",
        ] {
            assert!(found.contains(expected), "{expected} is not among\n{found}");
        }
        assert!(!found.contains("\ncolor-contrast: .night"), "{found}");
        let mail = browser.violations(Rules::Mail).await.join("\n");
        assert!(mail.contains("image-alt: img") && !mail.contains("region: "), "{mail}");
    });
}
