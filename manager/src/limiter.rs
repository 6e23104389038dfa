//! Requests per client address: a token bucket each, in a table of bounded size.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Addresses remembered at once; more than that begin with a full bucket again.
const ADDRESSES_MAX: usize = 65_536;
/// A bucket holds this many seconds' worth of requests.
const BURST_S: u32 = 5;

/// Says whether an address may send another request.
#[derive(Debug)]
pub(crate) struct Limiter {
    per_s: Option<u32>,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of a request.
    level: u64,
    at_ms: i64,
}

impl Limiter {
    pub(crate) fn new(per_s: Option<u32>) -> Self {
        Self {
            per_s,
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one request from the address's bucket. Loopback is not limited: a proxy that runs
    /// there names its clients, and local tools are the owner's own.
    pub(crate) fn allows(&self, address: IpAddr, now_ms: i64) -> bool {
        let Some(per_s) = self.per_s.filter(|_| !address.to_canonical().is_loopback()) else {
            return true;
        };
        let full = u64::from(per_s) * u64::from(BURST_S) * 1_000;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            buckets.clear();
        }
        let bucket = buckets.entry(address).or_insert(Bucket {
            level: full,
            at_ms: now_ms,
        });
        let elapsed_ms = u64::try_from(now_ms.saturating_sub(bucket.at_ms)).unwrap_or(0);
        bucket.level = full.min(bucket.level.saturating_add(elapsed_ms * u64::from(per_s)));
        bucket.at_ms = now_ms;
        if bucket.level < 1_000 {
            return false;
        }
        bucket.level -= 1_000;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_passes_then_the_rate_holds() {
        let limiter = Limiter::new(Some(10));
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let passed = (0..100).filter(|_| limiter.allows(address, 0)).count();
        assert_eq!(passed, 50);
        assert!(!limiter.allows(address, 99));
        assert!(limiter.allows(address, 199));
        assert!(!limiter.allows(address, 199));
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        assert!(limiter.allows(other, 0));
    }

    #[test]
    fn loopback_and_no_limit_always_pass() {
        let limiter = Limiter::new(Some(1));
        let loopback: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert!((0..100).all(|_| limiter.allows(loopback, 0)));
    }
}
