//! `manager serve`: the device manager in this process.

use crate::arguments::{Manager, Serve};
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_lsp_build::credentials::Credentials;
use otaru_lsp_project::ManagerUrl;
use otaru_manager::{Config, Manager as Server, OpenError, TlsFiles};
use serde_json::json;

/// `otaru manager`
pub(crate) async fn run(session: Session<'_>, verb: &Manager) -> Result<(), Failure> {
    match verb {
        Manager::Serve(serve) => serve_until_stopped(session, serve).await,
    }
}

async fn serve_until_stopped(session: Session<'_>, arguments: &Serve) -> Result<(), Failure> {
    log_to_stderr();
    let server = Server::open(config(arguments))
        .await
        .map_err(|error| open_failure(&error))?;
    let listener = server.bind().await.map_err(|error| open_failure(&error))?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::io("the listener has no address", &error))?;
    let url = server.url(address);
    let admin_link = if server.is_first_start() || arguments.new_admin_link {
        let token = server
            .new_admin_token()
            .await
            .map_err(|error| open_failure(&error))?;
        Some(server.admin_link(address, &token))
    } else {
        None
    };
    let logged_in = log_in(&server, &url).await?;
    session.output.object(
        "manager",
        json!({ "url": url, "admin_link": admin_link, "data": arguments.data, "login": logged_in }),
    );
    session.output.text(&format!("manager     {url}"));
    if let Some(link) = &admin_link {
        session
            .output
            .text(&format!("admin link  {link}  (good once, for 24 hours)"));
    }
    if logged_in {
        session
            .output
            .text("login       this command line has its own API key for it");
    }
    session.output.text("stop it with Control-C");
    server
        .serve(listener, stop_signal())
        .await
        .map_err(|error| open_failure(&error))
}

fn config(arguments: &Serve) -> Config {
    let mut config = Config::new(&arguments.data);
    config.listen = arguments.listen;
    config.public_url.clone_from(&arguments.public_url);
    config.insecure = arguments.insecure;
    config.trusted_proxies.clone_from(&arguments.trusted_proxy);
    config.tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        _ => None,
    };
    config
}

/// Who runs a manager owns it, so their command line is let in without a further step. A key that
/// is there already stays.
async fn log_in(server: &Server, url: &str) -> Result<bool, Failure> {
    let (Ok(url), Ok(credentials)) = (ManagerUrl::parse(url), Credentials::of_user()) else {
        return Ok(false);
    };
    let known = credentials.get(&url)?.is_some();
    if known && !server.is_first_start() {
        return Ok(false);
    }
    let key = server
        .bootstrap_api_key("command line")
        .await
        .map_err(|error| open_failure(&error))?;
    credentials.set(&url, &key)?;
    Ok(true)
}

/// Why a manager does not run.
pub(crate) fn open_failure(error: &OpenError) -> Failure {
    let code = match error {
        OpenError::Folder { .. } => "manager-folder",
        OpenError::Locked(_) => "manager-locked",
        OpenError::CorruptDatabase { .. } => "manager-database-damaged",
        OpenError::NewerDatabase(_) => "manager-database-newer",
        OpenError::Database(_) => "manager-database",
        OpenError::Insecure(_) => "manager-insecure",
        OpenError::Tls(_) => "manager-tls",
        OpenError::PublicUrl(_) => "manager-public-url",
        OpenError::Listen { .. } => "port-taken",
    };
    let failure = Failure::new(Exit::Failed, code, error.to_string());
    if matches!(error, OpenError::Listen { .. }) {
        return failure.hint("choose another one: `--listen 127.0.0.1:8481`");
    }
    failure
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // Somebody who set up logging before us knows better.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init()
        .unwrap_or_default();
}

/// Ready when somebody asks the program to stop.
pub(crate) async fn stop_signal() {
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
