//! What a manager is started with.

use otaru_manager_rollout::Limits;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Settings of a manager. [`Config::new`] has the defaults of the embedded use: loopback, one
/// folder, no TLS.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of database, images and unfinished uploads. Created if missing.
    pub data_dir: PathBuf,
    /// Address to listen on. Anything but loopback needs [`Config::tls`] or [`Config::insecure`].
    pub listen: SocketAddr,
    /// Address under which devices and people reach the manager, such as
    /// `https://updates.example.org`. Without it links follow the request's `Host`.
    pub public_url: Option<String>,
    /// Serve plain HTTP beyond loopback. For a network that is trusted by other means.
    pub insecure: bool,
    /// Certificate and key; with them only TLS is spoken.
    pub tls: Option<TlsFiles>,
    /// Proxies whose `X-Forwarded-*` headers are believed, besides loopback.
    pub trusted_proxies: Vec<IpAddr>,
    /// Pause between polls that clients without long poll are told to make, below 24 hours.
    pub poll_interval: Duration,
    /// Largest artifact, in bytes.
    pub artifact_size_max: u64,
    /// Requests per second and client address, loopback excepted; `None` for no limit.
    pub requests_per_s: Option<u32>,
    /// Longest silences of a device before an attempt times out.
    pub limits: Limits,
    /// Where the time comes from.
    pub clock: Clock,
}

/// Files of the TLS identity, both PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Private key: PKCS #8, PKCS #1 or SEC1.
    pub key: PathBuf,
}

impl Config {
    /// Default port on loopback.
    pub const PORT: u16 = 8480;

    /// The defaults, with this folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, Self::PORT)),
            public_url: None,
            insecure: false,
            tls: None,
            trusted_proxies: Vec::new(),
            poll_interval: Duration::from_mins(1),
            artifact_size_max: 1 << 30,
            requests_per_s: Some(200),
            limits: Limits::default(),
            clock: Clock::system(),
        }
    }
}

/// The time, in milliseconds since 1970. Tests and simulations bring their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self::from_fn(|| {
            let since = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    /// A clock that asks this function.
    pub fn from_fn(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Milliseconds since 1970, UTC.
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now_ms())
    }
}

/// A time as RFC 3339 text in UTC.
pub(crate) fn rfc3339(time_ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(time_ms).unwrap_or(0));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}
