//! `Range` and its conditions, as far as downloads need them.

use axum::http::{HeaderMap, header};
use std::ops::Range;

/// Which bytes were asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them.
    Whole,
    /// These.
    Part(Range<u64>),
    /// None that exist.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range`. What is not understood, and several ranges at once, are answered
/// with the whole, as the standard allows.
pub(super) fn wanted(headers: &HeaderMap, tag: &str, len: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(spec) = text(&header::RANGE) else {
        return Wanted::Whole;
    };
    // Only our own strong tag says that the client has the beginning of the same bytes.
    if headers.contains_key(header::IF_RANGE) && text(&header::IF_RANGE) != Some(tag) {
        return Wanted::Whole;
    }
    parse(spec, len).unwrap_or(Wanted::Whole)
}

fn parse(spec: &str, len: u64) -> Option<Wanted> {
    let (unit, set) = spec.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit are a position behind any end.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let range = if first.is_empty() {
        let suffix = number(last)?;
        len.saturating_sub(suffix)..len
    } else {
        let first = number(first)?;
        let end = if last.is_empty() {
            len
        } else {
            number(last)?.saturating_add(1)
        };
        if end <= first {
            // An end before the beginning makes the header invalid, so it is ignored.
            return if first >= len {
                Some(Wanted::Unsatisfiable)
            } else {
                None
            };
        }
        first..end.min(len)
    };
    Some(if range.start >= range.end {
        Wanted::Unsatisfiable
    } else {
        Wanted::Part(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const TAG: &str = "\"abc\"";

    fn of(range: &str, if_range: Option<&str>) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, HeaderValue::from_str(tag).unwrap());
        }
        wanted(&headers, TAG, 100)
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        for (spec, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=10-", Wanted::Part(10..100)),
            ("bytes=90-1000", Wanted::Part(90..100)),
            ("bytes=-5", Wanted::Part(95..100)),
            ("bytes=-500", Wanted::Part(0..100)),
            ("Bytes=99-99", Wanted::Part(99..100)),
            ("bytes=100-", Wanted::Unsatisfiable),
            ("bytes=100-200", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=7-3", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
        ] {
            assert_eq!(of(spec, None), expected, "{spec}");
        }
    }

    #[test]
    fn if_range_of_another_file_gets_the_whole() {
        assert_eq!(of("bytes=10-", Some(TAG)), Wanted::Part(10..100));
        assert_eq!(of("bytes=10-", Some("\"other\"")), Wanted::Whole);
        assert_eq!(of("bytes=10-", Some("W/\"abc\"")), Wanted::Whole);
    }
}
