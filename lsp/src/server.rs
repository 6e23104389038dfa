//! The LSP side: each handler puts one piece of work into the queue and waits for its answer, and
//! nothing else. No IO, no lock, no request to the client is awaited here (notes on the transport:
//! it runs all handlers in one task, and a handler that waits for the client can stop the world).

use crate::console::serial;
use crate::protocol::{
    BoardParams, CancelParams, ConsolePage, ConsoleParams, ConsoleReadParams, ConsoleSerialParams,
    ConsoleState, DeviceParams, Devices, FlashMap, JobStarted, LabRunParams, LabState,
    NewProjectMade, NewProjectParams, ProjectInfo, ProjectParams, RunParams, SlotDetails,
    SlotParams, Status, Verb, VerbInfo, VerbParams,
};
use crate::verbs::table::{self, Action, TABLE};
use crate::workspace::{ClientFeatures, Origin, Queue, Workspace, refused};
use crate::{lab, paths, progress, verbs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::ls_types::{
    CodeActionOrCommand, CodeActionParams, CodeActionProviderCapability, CodeLens, CodeLensOptions,
    CodeLensParams, CompletionOptions, CompletionParams, CompletionResponse,
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams,
    DidChangeWatchedFilesRegistrationOptions, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentLink, DocumentLinkOptions, DocumentLinkParams,
    DocumentSymbolParams, DocumentSymbolResponse, ExecuteCommandOptions, ExecuteCommandParams,
    FileSystemWatcher, FoldingRange, FoldingRangeParams, FoldingRangeProviderCapability,
    GlobPattern, GotoDefinitionParams, GotoDefinitionResponse, Hover, HoverParams,
    HoverProviderCapability, InitializeParams, InitializeResult, InitializedParams, InlayHint,
    InlayHintParams, LSPAny, Location, OneOf, PrepareRenameResponse, ReferenceParams, Registration,
    RenameOptions, RenameParams, ServerCapabilities, ServerInfo, TextDocumentIdentifier,
    TextDocumentPositionParams, TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
    WorkDoneProgressCancelParams, WorkDoneProgressOptions, WorkspaceEdit,
};
use tower_lsp::{Client, LanguageServer, LspService, Server};

/// Handlers that may wait for their answers at the same time.
const CONCURRENCY: usize = 64;
/// How long jobs may take to stop when the client has gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the client's process is looked for.
const PARENT_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Backend {
    client: Client,
    queue: Queue,
    roots: std::sync::OnceLock<Vec<PathBuf>>,
    was_shut_down: Arc<AtomicBool>,
}

/// What our extension says about itself when it starts the server.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InitOptions {
    /// It implements the commands, and shows plans in a modal.
    commands: bool,
}

impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let options: InitOptions = params
            .initialization_options
            .clone()
            .and_then(|options| serde_json::from_value(options).ok())
            .unwrap_or_default();
        let features = features_of(&params, &options);
        self.queue
            .tell(move |workspace| workspace.set_features(features));
        if self.roots.set(roots_of(&params)).is_err() {
            return Err(Error::invalid_request());
        }
        if let Some(parent) = params.process_id {
            watch_parent(parent);
        }
        Ok(InitializeResult {
            capabilities: capabilities(&options),
            server_info: Some(ServerInfo {
                name: "otaru".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            offset_encoding: None,
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        let roots = self.roots.get().cloned().unwrap_or_default();
        let client = self.client.clone();
        self.queue.tell(move |workspace| {
            workspace.look_for_projects(roots);
            if workspace.features().watches_files {
                tokio::spawn(watch_files(client));
            }
        });
    }

    async fn shutdown(&self) -> Result<()> {
        self.was_shut_down.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        self.queue.tell(move |workspace| {
            workspace.open(&document.uri, document.version, document.text);
        });
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let document = params.text_document;
        self.queue.tell(move |workspace| {
            workspace.change(&document.uri, document.version, params.content_changes);
        });
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.queue
            .tell(move |workspace| workspace.close(&params.text_document.uri));
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        let uris: Vec<Uri> = params
            .changes
            .into_iter()
            .map(|change| change.uri)
            .collect();
        self.queue
            .tell(move |workspace| workspace.files_changed(&uris));
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let at = params.text_document_position_params;
        self.queue
            .ask(move |workspace| workspace.hover(&at.text_document.uri, at.position))
            .await
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let at = params.text_document_position;
        let uri = at.text_document.uri;
        let items = self
            .queue
            .ask(move |workspace| workspace.completions(&uri, at.position));
        Ok(Some(CompletionResponse::Array(items.await?)))
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        let uri = params.text_document.uri;
        Ok(Some(
            self.queue
                .ask(move |workspace| workspace.lenses(&uri))
                .await?,
        ))
    }

    async fn code_action(
        &self,
        params: CodeActionParams,
    ) -> Result<Option<Vec<CodeActionOrCommand>>> {
        let uri = params.text_document.uri;
        Ok(Some(
            self.queue
                .ask(move |workspace| workspace.fixes(&uri, params.range))
                .await?,
        ))
    }

    async fn inlay_hint(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        let uri = params.text_document.uri;
        let hints = self
            .queue
            .ask(move |workspace| workspace.hints(&uri, params.range));
        Ok(Some(hints.await?))
    }

    async fn document_symbol(
        &self,
        params: DocumentSymbolParams,
    ) -> Result<Option<DocumentSymbolResponse>> {
        let uri = params.text_document.uri;
        let symbols = self.queue.ask(move |workspace| workspace.symbols(&uri));
        Ok(Some(DocumentSymbolResponse::Nested(symbols.await?)))
    }

    async fn folding_range(&self, params: FoldingRangeParams) -> Result<Option<Vec<FoldingRange>>> {
        let uri = params.text_document.uri;
        let folds = self.queue.ask(move |workspace| workspace.folds(&uri));
        Ok(Some(folds.await?))
    }

    async fn document_link(&self, params: DocumentLinkParams) -> Result<Option<Vec<DocumentLink>>> {
        let uri = params.text_document.uri;
        let links = self.queue.ask(move |workspace| workspace.links(&uri));
        Ok(Some(links.await?))
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let at = params.text_document_position;
        let found = self
            .queue
            .ask(move |workspace| workspace.references(&at.text_document.uri, at.position));
        Ok(Some(found.await?))
    }

    async fn goto_definition(
        &self,
        params: GotoDefinitionParams,
    ) -> Result<Option<GotoDefinitionResponse>> {
        let at = params.text_document_position_params;
        let found = self
            .queue
            .ask(move |workspace| workspace.definition(&at.text_document.uri, at.position));
        Ok(Some(GotoDefinitionResponse::Array(found.await?)))
    }

    async fn prepare_rename(
        &self,
        at: TextDocumentPositionParams,
    ) -> Result<Option<PrepareRenameResponse>> {
        self.queue
            .ask(move |workspace| workspace.prepare_rename(&at.text_document.uri, at.position))
            .await?
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let at = params.text_document_position;
        let uri = at.text_document.uri;
        self.queue
            .ask(move |workspace| workspace.rename(&uri, at.position, &params.new_name))
            .await?
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<LSPAny>> {
        let mut arguments = params.arguments;
        let argument = if arguments.is_empty() {
            LSPAny::Null
        } else {
            arguments.swap_remove(0)
        };
        let unknown = || Error::invalid_params(format!("there is no command {}", params.command));
        let entry = table::find(&params.command).ok_or_else(unknown)?;
        let answer = match entry.action {
            Action::Job(verb) => {
                let started = self.verb(verb, parsed(argument)?, Origin::Editor);
                started.await?.into()
            }
            Action::Ask(what) => {
                let mut asked: VerbParams = parsed(argument)?;
                asked.verb = Some(what);
                self.verb(Verb::Plan, asked, Origin::Editor).await?.into()
            }
            Action::Plan => self.plan(parsed(argument)?).await?.into(),
            Action::Run => self.run(required(argument)?).await?.into(),
            Action::Cancel => LSPAny::Bool(self.cancel(parsed(argument)?).await?),
            Action::Devices => json(&self.devices(parsed(argument)?).await?)?,
            Action::Console => json(&self.console(required(argument)?).await?)?,
            Action::NewProject => json(&self.new_project(required(argument)?).await?)?,
        };
        Ok(Some(answer))
    }
}

impl From<JobStarted> for LSPAny {
    fn from(started: JobStarted) -> Self {
        serde_json::json!({ "job": started.job })
    }
}

/// The first argument of a command; none at all is an empty one.
fn parsed<T: DeserializeOwned + Default>(argument: LSPAny) -> Result<T> {
    if argument.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(argument).map_err(|error| Error::invalid_params(error.to_string()))
}

/// An argument that cannot be left out.
fn required<T: DeserializeOwned>(argument: LSPAny) -> Result<T> {
    serde_json::from_value(argument).map_err(|error| Error::invalid_params(error.to_string()))
}

/// An answer as data.
fn json<T: Serialize>(answer: &T) -> Result<LSPAny> {
    serde_json::to_value(answer).map_err(|_error| Error::internal_error())
}

impl Backend {
    async fn verb(&self, verb: Verb, params: VerbParams, origin: Origin) -> Result<JobStarted> {
        self.queue
            .ask(move |workspace| workspace.start_verb(verb, params, origin))
            .await?
    }

    async fn build(&self, params: VerbParams) -> Result<JobStarted> {
        self.verb(Verb::Build, params, Origin::Extension).await
    }

    async fn upload(&self, params: VerbParams) -> Result<JobStarted> {
        self.verb(Verb::Upload, params, Origin::Extension).await
    }

    async fn plan(&self, params: VerbParams) -> Result<JobStarted> {
        self.verb(Verb::Plan, params, Origin::Extension).await
    }

    async fn clean(&self, params: VerbParams) -> Result<JobStarted> {
        self.verb(Verb::Clean, params, Origin::Extension).await
    }

    async fn link(&self, params: VerbParams) -> Result<JobStarted> {
        self.verb(Verb::Link, params, Origin::Extension).await
    }

    async fn size(&self, params: VerbParams) -> Result<JobStarted> {
        self.verb(Verb::Size, params, Origin::Extension).await
    }

    async fn doctor(&self, params: VerbParams) -> Result<JobStarted> {
        self.verb(Verb::Doctor, params, Origin::Extension).await
    }

    async fn new_project(&self, params: NewProjectParams) -> Result<NewProjectMade> {
        let made = tokio::task::spawn_blocking(move || verbs::new_project(&params)).await;
        let made = made.map_err(|_panicked| Error::internal_error())?;
        let made = made.map_err(refused)?;
        let folder = PathBuf::from(&made.folder);
        self.queue
            .tell(move |workspace| workspace.project_appeared(folder));
        Ok(made)
    }

    async fn run(&self, params: RunParams) -> Result<JobStarted> {
        self.queue
            .ask(move |workspace| workspace.run_plan(&params, Origin::Extension))
            .await?
    }

    async fn cancel(&self, params: CancelParams) -> Result<bool> {
        self.queue
            .ask(move |workspace| workspace.cancel(&params))
            .await?
    }

    #[expect(clippy::unused_async, reason = "handlers are async")]
    async fn verbs(&self) -> Result<Vec<VerbInfo>> {
        Ok(table::verbs())
    }

    async fn projects(&self) -> Result<Vec<ProjectInfo>> {
        self.queue.ask(|workspace| workspace.project_list()).await
    }

    async fn status(&self, params: ProjectParams) -> Result<Status> {
        self.queue
            .ask(move |workspace| workspace.status_of(params.project.as_deref()))
            .await?
    }

    async fn devices(&self, params: ProjectParams) -> Result<Devices> {
        let folder = self.folder(params).await?;
        // The manager may take its time: this answer is fetched in a task of its own, which a
        // cancel of the request leaves alone.
        let asked = folder.clone();
        let found = tokio::spawn(async move { verbs::devices(&asked).await });
        let found = found.await.map_err(|_panicked| Error::internal_error())?;
        let devices = found.devices.clone();
        self.queue
            .tell(move |workspace| workspace.set_devices(&folder, &found));
        Ok(devices)
    }

    async fn console(&self, params: ConsoleParams) -> Result<ConsoleState> {
        self.queue
            .ask(move |workspace| workspace.console(&params))
            .await?
    }

    async fn console_read(&self, params: ConsoleReadParams) -> Result<ConsolePage> {
        self.queue
            .ask(move |workspace| workspace.read_console(&params))
            .await?
    }

    async fn console_serial(&self, params: ConsoleSerialParams) -> Result<()> {
        self.queue
            .ask(move |workspace| workspace.choose_serial(&params))
            .await?
    }

    async fn serial_ports(&self) -> Result<Vec<PathBuf>> {
        tokio::task::spawn_blocking(serial::ports)
            .await
            .map_err(|_panicked| Error::internal_error())
    }

    async fn board(&self, params: BoardParams) -> Result<()> {
        let device = self.local(params.project, params.device).await?;
        of_device(async move { verbs::press(&device, params.button).await }).await
    }

    async fn flash_map(&self, params: DeviceParams) -> Result<FlashMap> {
        let device = self.local(params.project, params.device).await?;
        of_device(async move { verbs::map(&device).await }).await
    }

    async fn slot(&self, params: SlotParams) -> Result<SlotDetails> {
        let device = self.local(params.project, params.device).await?;
        of_device(async move { verbs::slot(&device, params.slot).await }).await
    }

    async fn lab(&self, params: DeviceParams) -> Result<LabState> {
        let meant =
            move |workspace: &mut Workspace| workspace.lab_of(params.project, params.device);
        let (folder, device) = self.queue.ask(meant).await??;
        let looked = device.clone();
        let possible = tokio::spawn(async move { lab::possible(&looked).await });
        let possible = possible
            .await
            .map_err(|_panicked| Error::internal_error())?;
        self.queue
            .ask(move |workspace| workspace.lab(folder, &device, possible))
            .await
    }

    async fn lab_run(&self, params: LabRunParams) -> Result<()> {
        self.queue
            .ask(move |workspace| workspace.run_lab(params))
            .await?
    }

    async fn lab_stop(&self, params: DeviceParams) -> Result<bool> {
        self.queue
            .ask(move |workspace| workspace.stop_lab(params.project, params.device))
            .await?
    }

    /// The device on this machine that a request is about.
    async fn local(
        &self,
        project: Option<String>,
        device: Option<String>,
    ) -> Result<verbs::LocalDevice> {
        let named = ProjectParams { project };
        self.queue
            .ask(move |workspace| workspace.local_device(&named, device))
            .await?
    }

    /// The text that the server has of an open document, to find out why it says what it says.
    async fn document_text(&self, params: TextDocumentIdentifier) -> Result<Option<String>> {
        self.queue
            .ask(move |workspace| workspace.text(&params.uri))
            .await
    }

    async fn folder(&self, params: ProjectParams) -> Result<PathBuf> {
        self.queue
            .ask(move |workspace| workspace.folder_of(params.project.as_deref()))
            .await?
    }

    #[expect(clippy::unused_async, reason = "handlers are async")]
    async fn cancel_progress(&self, params: WorkDoneProgressCancelParams) {
        if let Some(job) = progress::job_of(&params.token) {
            self.queue.tell(move |workspace| workspace.cancel_job(job));
        }
    }
}

/// What a device answers, in a task of its own, which a cancel of the request leaves alone.
async fn of_device<T: Send + 'static>(
    talk: impl Future<Output = std::result::Result<T, String>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(talk)
        .await
        .map_err(|_panicked| Error::internal_error())?
        .map_err(refused)
}

fn features_of(params: &InitializeParams, options: &InitOptions) -> ClientFeatures {
    let window = params.capabilities.window.as_ref();
    let watched = params
        .capabilities
        .workspace
        .as_ref()
        .and_then(|workspace| workspace.did_change_watched_files.as_ref());
    ClientFeatures {
        // Our extension shows jobs itself; twice would be noise.
        progress: !options.commands
            && window
                .and_then(|window| window.work_done_progress)
                .unwrap_or(false),
        watches_files: watched
            .and_then(|watched| watched.dynamic_registration)
            .unwrap_or(false),
    }
}

fn roots_of(params: &InitializeParams) -> Vec<PathBuf> {
    if let Some(folders) = params
        .workspace_folders
        .as_ref()
        .filter(|found| !found.is_empty())
    {
        return folders
            .iter()
            .filter_map(|folder| paths::path_of(&folder.uri))
            .collect();
    }
    // Old clients know only this one.
    #[expect(deprecated, reason = "Neovim 0.7 sends nothing else")]
    let root = params.root_uri.as_ref();
    root.and_then(paths::path_of).into_iter().collect()
}

fn capabilities(options: &InitOptions) -> ServerCapabilities {
    let commands = || TABLE.iter().map(|entry| entry.command.to_owned()).collect();
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(
            TextDocumentSyncKind::INCREMENTAL,
        )),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec!["[".to_owned(), "\"".to_owned(), "=".to_owned()]),
            ..CompletionOptions::default()
        }),
        code_lens_provider: Some(CodeLensOptions {
            resolve_provider: Some(false),
        }),
        code_action_provider: Some(CodeActionProviderCapability::Simple(true)),
        inlay_hint_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        document_link_provider: Some(DocumentLinkOptions {
            resolve_provider: Some(false),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        }),
        references_provider: Some(OneOf::Left(true)),
        definition_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        // Our extension has commands of these names itself; offering them twice is an error there.
        execute_command_provider: (!options.commands).then(|| ExecuteCommandOptions {
            commands: commands(),
            ..ExecuteCommandOptions::default()
        }),
        ..ServerCapabilities::default()
    }
}

/// Asks the client to tell about files that change outside the editor.
async fn watch_files(client: Client) {
    let watch = |glob: &str| FileSystemWatcher {
        glob_pattern: GlobPattern::String(glob.to_owned()),
        kind: None,
    };
    let options = DidChangeWatchedFilesRegistrationOptions {
        watchers: ["**/Otaru.toml", "**/boards/*/board.toml", "**/*.pem"]
            .map(watch)
            .to_vec(),
    };
    let registration = Registration {
        id: "otaru-files".to_owned(),
        method: "workspace/didChangeWatchedFiles".to_owned(),
        register_options: serde_json::to_value(options).ok(),
    };
    if let Err(error) = client.register_capability(vec![registration]).await {
        tracing::debug!("the client does not watch files: {error}");
    }
}

/// Ends this process when the client's process has gone without a word. Where processes cannot be
/// looked for, the end of the input has to do.
fn watch_parent(parent: u32) {
    let process = PathBuf::from(format!("/proc/{parent}"));
    if !process.exists() {
        return;
    }
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(PARENT_INTERVAL);
        while process.exists() {
            tick.tick().await;
        }
        tracing::warn!("the editor's process {parent} has gone");
        #[expect(clippy::exit, reason = "nobody is left who could close the connection")]
        std::process::exit(1);
    });
}

/// Serves one client until it says `exit` or its side closes. True if it shut down in order.
pub async fn serve<I, O>(input: I, output: O) -> bool
where
    I: AsyncRead + Unpin,
    O: AsyncWrite,
{
    let was_shut_down = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&was_shut_down);
    let mut kept = None;
    let (service, socket) = LspService::build(|client| {
        let queue = Workspace::start(client.clone());
        kept = Some(queue.clone());
        Backend {
            client,
            queue,
            roots: std::sync::OnceLock::new(),
            was_shut_down: flag,
        }
    })
    .custom_method("otaru/verbs", Backend::verbs)
    .custom_method("otaru/projects", Backend::projects)
    .custom_method("otaru/status", Backend::status)
    .custom_method("otaru/build", Backend::build)
    .custom_method("otaru/upload", Backend::upload)
    .custom_method("otaru/plan", Backend::plan)
    .custom_method("otaru/clean", Backend::clean)
    .custom_method("otaru/link", Backend::link)
    .custom_method("otaru/size", Backend::size)
    .custom_method("otaru/doctor", Backend::doctor)
    .custom_method("otaru/newProject", Backend::new_project)
    .custom_method("otaru/run", Backend::run)
    .custom_method("otaru/cancel", Backend::cancel)
    .custom_method("otaru/devices", Backend::devices)
    .custom_method("otaru/console", Backend::console)
    .custom_method("otaru/board", Backend::board)
    .custom_method("otaru/flashMap", Backend::flash_map)
    .custom_method("otaru/slot", Backend::slot)
    .custom_method("otaru/consoleRead", Backend::console_read)
    .custom_method("otaru/consoleSerial", Backend::console_serial)
    .custom_method("otaru/serialPorts", Backend::serial_ports)
    .custom_method("otaru/lab", Backend::lab)
    .custom_method("otaru/labRun", Backend::lab_run)
    .custom_method("otaru/labStop", Backend::lab_stop)
    .custom_method("otaru/documentText", Backend::document_text)
    .custom_method("window/workDoneProgress/cancel", Backend::cancel_progress)
    .finish();
    Server::new(input, output, socket)
        .concurrency_level(CONCURRENCY)
        .serve(service)
        .await;
    if let Some(queue) = kept {
        stop_jobs(&queue).await;
    }
    was_shut_down.load(Ordering::Relaxed)
}

/// Cancels what still runs and waits for it, so that no compiler outlives the server.
async fn stop_jobs(queue: &Queue) {
    let Ok(tasks) = queue.ask(Workspace::close_down).await else {
        return;
    };
    let all = async {
        for task in tasks {
            if let Err(error) = task.await {
                tracing::warn!("a job did not end well: {error}");
            }
        }
    };
    if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
        tracing::warn!("left jobs behind that did not stop in time");
    }
}

/// Serves the client at the other end of standard input and output. Nothing else may print there.
///
/// # Errors
/// No runtime could be started.
pub fn serve_stdio() -> std::io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let in_order = runtime.block_on(serve(tokio::io::stdin(), tokio::io::stdout()));
    // A read of standard input may still be waiting in a thread that nobody can wake.
    runtime.shutdown_background();
    Ok(if in_order {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
