//! The look at every page finds what it is there to find.

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
