//! Lists in pages and memory of bounded size.
//!
//! A collection of up to [`LOOK`] items is read whole and sorted for people. A larger one is read in the order of its
//! ids, at most [`LOOK`] items for one answer, and the line below the list says so.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::domain::ids::is_id;
use crate::http::pages::{Pager, thousands};
use crate::store::records::{Collection, Stored};
use crate::store::{MAX_SCAN, Store, StoreError};

/// Rows on a page.
pub const PAGE: usize = 50;

/// Items looked at for one answer.
pub const LOOK: usize = 5_000;

/// The part of the address of a list that says what of it to show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    /// What to search for.
    pub q: String,
    pub role: String,
    pub status: String,
    pub kind: String,
    /// Where the page begins: how many come before it in a sorted list, the item before it in any other.
    pub after: String,
}

impl ListQuery {
    /// The same list, another page of it.
    #[must_use]
    pub fn page(&self, after: &str) -> String {
        let mut query = Serializer::new(String::new());
        let fields = [("q", self.q.as_str()), ("role", &self.role), ("status", &self.status), ("kind", &self.kind)];
        for (name, value) in fields.into_iter().chain([("after", after)]) {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("?{}", query.finish())
    }

    /// The item after which the page begins.
    fn item(&self) -> Option<&str> {
        Some(self.after.as_str()).filter(|text| is_id(text))
    }
}

/// What was searched for, ready to compare.
pub struct Needle(String);

impl Needle {
    #[must_use]
    pub fn new(query: &str) -> Self {
        Self(query.trim().to_lowercase())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of `texts` contains it, in upper or lower case.
    #[must_use]
    pub fn fits(&self, texts: &[&str]) -> bool {
        self.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&self.0))
    }
}

/// A page of a sorted list, picked from items that come in any order. No more is kept than lies before its end.
pub struct Sorted<K, T> {
    skip: usize,
    kept: BTreeMap<K, T>,
    fitting: usize,
}

impl<K: Ord, T> Sorted<K, T> {
    /// The page that the query asks for, among the first [`LOOK`] items.
    #[must_use]
    pub fn new(query: &ListQuery) -> Self {
        let skip = query.after.parse().unwrap_or(0).min(LOOK - PAGE);
        Self { skip, kept: BTreeMap::new(), fitting: 0 }
    }

    /// `key` is unique among all items.
    pub fn offer(&mut self, key: K, item: impl FnOnce() -> T) {
        self.fitting += 1;
        let end = self.skip + PAGE;
        if self.kept.len() < end {
            self.kept.insert(key, item());
        } else if self.kept.last_key_value().is_some_and(|(last, _)| key < *last) {
            self.kept.insert(key, item());
            self.kept.pop_last();
        }
    }

    /// The page and the line below it.
    #[must_use]
    pub fn finish(self, query: &ListQuery) -> (Vec<T>, Pager) {
        let (skip, total) = (self.skip, self.fitting);
        let rows: Vec<T> = self.kept.into_values().skip(skip).collect();
        if rows.is_empty() {
            return (rows, Pager::default());
        }
        let end = skip + rows.len();
        let mut text = format!("{} to {} of {}", number(skip + 1), number(end), number(total));
        let goes_on = end < total && end + PAGE <= LOOK;
        if end < total && !goes_on {
            text.push_str(". Search to find the others");
        }
        let previous = (skip > 0).then(|| match skip.saturating_sub(PAGE) {
            0 => query.page(""),
            before => query.page(&before.to_string()),
        });
        (rows, Pager { text, previous, next: goes_on.then(|| query.page(&end.to_string())) })
    }
}

/// Hands the first [`LOOK`] items of a collection to `each`.
pub async fn look<T: Stored>(
    store: &Store,
    collection: &Collection<T>,
    mut each: impl FnMut(T),
) -> Result<(), StoreError> {
    let mut looked = 0;
    let mut after: Option<String> = None;
    while looked < LOOK {
        let page = store.list(collection, after.as_deref(), MAX_SCAN.min(LOOK - looked)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.item().to_owned());
        looked += page.len();
        for entry in page {
            each(entry.value);
        }
    }
    Ok(())
}

/// A page in the order of the ids.
pub struct Piece<T> {
    pub found: Vec<T>,
    /// Items looked at to find them.
    looked: usize,
    /// After which item to go on, when there is more.
    next: Option<String>,
    /// There is more because the look was cut, not because the page is full.
    cut: bool,
}

impl<T: Stored> Piece<T> {
    /// The first items that fit, after the one that the query names.
    pub async fn read(
        store: &Store,
        collection: &Collection<T>,
        query: &ListQuery,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Self, StoreError> {
        let mut piece = Self { found: vec![], looked: 0, next: None, cut: false };
        let mut after = query.item().map(str::to_owned);
        let mut batch = PAGE + 1;
        loop {
            let page = store.list(collection, after.as_deref(), batch).await?;
            let full = page.len() == batch;
            for entry in page {
                let item = entry.item().to_owned();
                if fits(&entry.value) {
                    if piece.found.len() == PAGE {
                        return Ok(piece);
                    }
                    piece.found.push(entry.value);
                    piece.next = Some(item.clone());
                }
                after = Some(item);
                piece.looked += 1;
            }
            if !full {
                return Ok(Self { next: None, ..piece });
            }
            if piece.looked >= LOOK {
                return Ok(Self { next: after, cut: true, ..piece });
            }
            // Few fit, so the next look is a wider one.
            batch = MAX_SCAN.min(LOOK - piece.looked);
        }
    }

    /// The links below the page; `text` is the line for a look that was not cut.
    #[must_use]
    pub fn pager(&self, query: &ListQuery, text: impl FnOnce(usize) -> String) -> Pager {
        let text = match (self.cut, self.found.len()) {
            (true, n) => {
                let found = if n == 0 { "None".to_owned() } else { number(n) };
                format!("{found} among the {} looked at. Go on to look further", number(self.looked))
            }
            (false, 0) => String::new(),
            (false, n) => text(n),
        };
        Pager { text, previous: None, next: self.next.as_deref().map(|next| query.page(next)) }
    }
}

fn number(n: usize) -> String {
    thousands(u64::try_from(n).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(total: usize, query: &ListQuery) -> (Vec<usize>, Pager) {
        let mut sorted = Sorted::new(query);
        // 7 and the totals below have no common divisor, so this visits each number once.
        for n in (0..total).map(|n| n * 7 % total) {
            sorted.offer(n, || n);
        }
        sorted.finish(query)
    }

    fn after(after: &str) -> ListQuery {
        ListQuery { q: "o’c & co".to_owned(), after: after.to_owned(), ..ListQuery::default() }
    }

    #[test]
    fn a_sorted_list_falls_into_pages_without_gap_or_overlap() {
        let (first, pager) = page_of(120, &after(""));
        assert_eq!(first, (0..50).collect::<Vec<_>>());
        assert_eq!((pager.text.as_str(), pager.previous), ("1 to 50 of 120", None));
        assert_eq!(pager.next.as_deref(), Some("?q=o%E2%80%99c+%26+co&after=50"));
        let (second, pager) = page_of(120, &after("50"));
        assert_eq!(second, (50..100).collect::<Vec<_>>());
        assert_eq!(pager.previous.as_deref(), Some("?q=o%E2%80%99c+%26+co"));
        let (third, pager) = page_of(120, &after("100"));
        assert_eq!(third, (100..120).collect::<Vec<_>>());
        assert_eq!((pager.text.as_str(), pager.next), ("101 to 120 of 120", None));
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let mut sorted = Sorted::new(&after("50"));
        for n in 0..10_000 {
            sorted.offer(n, || n);
            assert!(sorted.kept.len() <= 100);
        }
    }

    #[test]
    fn the_last_page_says_that_there_are_others() {
        let (rows, pager) = page_of(6_000, &after("999999"));
        assert_eq!(rows, (LOOK - PAGE..LOOK).collect::<Vec<_>>());
        assert_eq!(pager.text, "4,951 to 5,000 of 6,000. Search to find the others");
        assert_eq!(pager.next, None);
    }

    #[test]
    fn an_empty_list_has_no_pages() {
        let (rows, pager) = page_of(0, &after("nonsense"));
        assert!(rows.is_empty() && pager.text.is_empty() && pager.next.is_none());
    }

    #[test]
    fn a_needle_is_found_in_any_case() {
        let needle = Needle::new("  MARLOW ");
        assert!(needle.fits(&["Ines Marlow", ""]) && needle.fits(&["", "ines@MARLOW.example"]));
        assert!(!needle.fits(&["Leo Brandt", "leo@saltmarsh.example"]));
        assert!(Needle::new(" ").fits(&[]));
    }

    #[test]
    fn only_ids_become_part_of_a_key() {
        assert_eq!(after("u_7ef1v6").item(), Some("u_7ef1v6"));
        assert_eq!(after("../x").item(), None);
        assert_eq!(after("").item(), None);
    }
}
