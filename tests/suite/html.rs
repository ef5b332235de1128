//! Just enough of an HTML reader for our own pages: it knows tags and quoted attributes, and refuses what is not closed.

/// An opening tag.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    /// In their order; an attribute without a value has an empty one.
    pub(crate) attributes: Vec<(String, String)>,
    /// Names of the tags it stands in, outermost first.
    pub(crate) inside: Vec<String>,
    /// Position of the end of its element in the source.
    pub(crate) end: usize,
    /// Position right after the tag itself.
    pub(crate) start: usize,
}

impl Tag {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has_class(&self, class: &str) -> bool {
        self.attribute("class").is_some_and(|classes| classes.split(' ').any(|c| c == class))
    }
}

/// Elements that have no end tag, and the SVG ones we close in place.
const VOID: &[&str] = &["meta", "link", "input", "br", "rect", "path", "circle"];

/// All opening tags of a page, in order. Panics where tags are not nested properly or attributes are not quoted.
pub(crate) fn tags(source: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find('<') {
        let from = at + found;
        let to = from + closing_bracket(&source[from..]);
        let inner = &source[from + 1..to];
        at = to + 1;
        if inner.starts_with('!') {
            continue;
        }
        if let Some(name) = inner.strip_prefix('/') {
            let last = open.pop().unwrap_or_else(|| panic!("</{name}> closes nothing"));
            assert_eq!(tags[last].name, name, "</{name}> does not close <{}>", tags[last].name);
            tags[last].end = from;
            continue;
        }
        let inside = open.iter().map(|i| tags[*i].name.clone()).collect();
        let (name, attributes) = parts(inner.trim_end_matches('/'));
        if !VOID.contains(&name.as_str()) {
            open.push(tags.len());
        }
        tags.push(Tag { name, attributes, inside, end: at, start: at });
    }
    assert!(open.is_empty(), "<{}> is never closed", tags[open[0]].name);
    tags
}

/// Where the tag ends; a `>` inside quotes does not count.
fn closing_bracket(tag: &str) -> usize {
    let mut quoted = false;
    for (i, c) in tag.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return i,
            _ => {}
        }
    }
    panic!("a tag is never closed: {}", &tag[..tag.len().min(80)]);
}

fn parts(inner: &str) -> (String, Vec<(String, String)>) {
    let (name, mut rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return (name.to_owned(), attributes);
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        if let Some(value) = after.strip_prefix('=') {
            let value = value.strip_prefix('"').unwrap_or_else(|| panic!("{key} is not quoted in <{inner}>"));
            let (value, after) = value.split_once('"').unwrap();
            attributes.push((key.to_owned(), value.to_owned()));
            rest = after;
        } else {
            attributes.push((key.to_owned(), String::new()));
            rest = after;
        }
    }
}
