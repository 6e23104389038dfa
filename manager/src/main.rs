//! The `otaru-manager` program: serves a device manager on a folder.

use anyhow::{Context as _, bail};
use clap::Parser;
use otaru_manager::{Config, Manager, TlsFiles};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Device manager of Otaru: firmware versions, devices, fleets and their updates.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Folder of database and images; created if missing
    #[arg(long, default_value = "otaru-manager", env = "OTARU_MANAGER_DATA")]
    data: PathBuf,
    /// Address to listen on; beyond loopback it needs --tls-cert and --tls-key, or --insecure
    #[arg(long, default_value_t = SocketAddr::from(([127, 0, 0, 1], Config::PORT)))]
    listen: SocketAddr,
    /// Address under which devices and people reach the manager, if it is another one
    #[arg(long)]
    public_url: Option<String>,
    /// Certificate chain, PEM
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve plain HTTP beyond loopback
    #[arg(long)]
    insecure: bool,
    /// Proxy whose X-Forwarded-* headers are believed; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    trusted_proxy: Vec<IpAddr>,
    /// Seconds between polls of devices without long poll
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..86_400))]
    poll_interval: u64,
    /// Print a new one-time admin link
    #[arg(long)]
    new_admin_link: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    let arguments = Arguments::parse();
    let mut config = Config::new(&arguments.data);
    config.listen = arguments.listen;
    config.public_url = arguments.public_url;
    config.tls = match (arguments.tls_cert, arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => bail!("certificate and key go together"),
    };
    config.insecure = arguments.insecure;
    config.trusted_proxies = arguments.trusted_proxy;
    config.poll_interval = Duration::from_secs(arguments.poll_interval);

    let manager = Manager::open(config).await?;
    let listener = manager.bind().await?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let mut out = std::io::stdout();
    writeln!(out, "manager: {}", manager.url(address))?;
    if manager.is_first_start() || arguments.new_admin_link {
        let token = manager.new_admin_token().await?;
        writeln!(
            out,
            "admin link (good once, for 24 hours): {}",
            manager.admin_link(address, &token)
        )?;
    }
    manager.serve(listener, stop_signal()).await?;
    Ok(())
}

/// Ready when somebody asks the program to stop.
async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a way to be told, it runs until it is ended.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! { () = interrupt => {}, _ = terminate.recv() => {} }
            return;
        }
    }
    interrupt.await;
}
