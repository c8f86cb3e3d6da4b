//! `ListEgress`, page by page. LiveKit's server takes a page token and ignores it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_protocol as proto;
use proto::{EgressInfo, ListEgressResponse, TokenPagination};

/// Egresses in a page. Much: who does not ask for the next page should miss nothing that is of today.
pub const PAGE: usize = 500;

/// Begins every token, so that another form can be told from this one.
const FORM: &str = "1";

/// Where a page ends: the last egress in it. New ones come before it, so that pages do not shift meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    started_at_ns: i64,
    egress_id: String,
}

impl Place {
    fn of(info: &EgressInfo) -> Self {
        Self { started_at_ns: info.started_at, egress_id: info.egress_id.clone() }
    }

    fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{FORM}:{}:{}", self.started_at_ns, self.egress_id))
    }

    fn of_token(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut parts = text.splitn(3, ':');
        if parts.next()? != FORM {
            return None;
        }
        Some(Self { started_at_ns: parts.next()?.parse().ok()?, egress_id: parts.next()?.to_owned() })
    }
}

/// The token is none that we gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchPage;

/// Cuts a page of at most `size` out of a list, newest first.
///
/// # Errors
/// The token is none of ours.
pub fn page(
    mut list: Vec<EgressInfo>,
    token: Option<&TokenPagination>,
    size: usize,
) -> Result<ListEgressResponse, NoSuchPage> {
    list.sort_by_cached_key(|info| std::cmp::Reverse(Place::of(info)));
    if let Some(token) = token.filter(|token| !token.token.is_empty()) {
        let after = Place::of_token(&token.token).ok_or(NoSuchPage)?;
        list.retain(|info| Place::of(info) < after);
    }
    let more = list.len() > size;
    list.truncate(size);
    let next = if more { list.last().map(Place::of) } else { None };
    let next_page_token = next.map(|place| TokenPagination { token: place.to_token() });
    Ok(ListEgressResponse { items: list, next_page_token })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(number: i64) -> EgressInfo {
        // Two at each moment.
        EgressInfo { egress_id: format!("EG_{number:04}"), started_at: number / 2, ..Default::default() }
    }

    fn ids(items: &[EgressInfo]) -> Vec<&str> {
        items.iter().map(|info| info.egress_id.as_str()).collect()
    }

    proptest! {
        #[test]
        fn pages_hold_each_once_newest_first_although_new_ones_come(count in 0_i64..40, size in 1_usize..12) {
            let mut there: Vec<EgressInfo> = (0..count).map(info).collect();
            let (mut seen, mut token, mut newest) = (Vec::new(), None, count);
            loop {
                let page = page(there.clone(), token.as_ref(), size).unwrap();
                prop_assert!(page.items.len() <= size);
                seen.extend(page.items);
                there.insert(0, info(newest));
                newest += 1;
                match page.next_page_token {
                    Some(next) => token = Some(next),
                    None => break,
                }
            }
            let wanted: Vec<EgressInfo> = (0..count).rev().map(info).collect();
            prop_assert_eq!(ids(&seen), ids(&wanted));
        }

        #[test]
        fn any_token_is_ours_or_refused(token in "\\PC{1,60}") {
            let _ = page(vec![info(1)], Some(&TokenPagination { token }), 10);
        }
    }

    #[test]
    fn a_strange_token_is_refused() {
        for token in ["nonsense", "Mjox", "!!!", &URL_SAFE_NO_PAD.encode("2:1:EG_1")] {
            let token = TokenPagination { token: token.to_owned() };
            assert_eq!(page(vec![], Some(&token), 10), Err(NoSuchPage));
        }
        assert!(page(vec![], Some(&TokenPagination::default()), 10).is_ok());
    }
}
