//! Applies events to actions: loads the state, asks `otaru-manager-rollout`, stores the answer.
//!
//! One event is one transaction, committed before anybody is told. What has to happen after the
//! commit (waking a held poll, telling watchers) is collected in [`Effects`].

use crate::app::App;
use crate::store::actions::StoredAction;
use crate::store::attempts::{Install, NewTransition};
use crate::store::devices::Kind;
use crate::store::{self, Conn};
use crate::{api, secret};
use otaru_manager_rollout::{Command, Event, Plan, Proof, Refusal, step};

/// What to do once the transaction is committed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    wake: Vec<i64>,
    actions: Vec<(String, String)>,
    devices: Vec<i64>,
}

impl Effects {
    /// The device's poll answer may have changed.
    pub(crate) fn wake(&mut self, device: i64) {
        self.wake.push(device);
    }

    /// Watchers should see this action.
    pub(crate) fn action_changed(&mut self, workspace: &str, id: &str) {
        self.actions.push((workspace.to_owned(), id.to_owned()));
    }

    /// Watchers should see this device again.
    pub(crate) fn device_changed(&mut self, device: i64) {
        self.devices.push(device);
    }

    /// Wakes and tells. Failing to tell is logged and hurts nobody but watchers.
    pub(crate) async fn run(self, app: &App) {
        for device in self.wake {
            app.presence.ring(device);
        }
        if let Err(error) = api::publish::changes(app, &self.actions, &self.devices).await {
            tracing::warn!(
                message = error.message,
                "could not tell watchers about a change"
            );
        }
    }
}

/// What a message of the device said besides its meaning.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Note<'a> {
    /// Text for people.
    pub(crate) text: Option<&'a str>,
    /// The failing firmware's last console lines, oldest first.
    pub(crate) console: &'a [&'a str],
    /// What it said about the install.
    pub(crate) install: Install,
}

/// The facts of an attempt that decide what its reports mean.
pub(crate) fn plan(app: &App, action: &StoredAction) -> Plan {
    let foreign_client = Kind::from_name(&action.device_kind) == Kind::Foreign;
    let proof = if action.is_foreign || foreign_client {
        Proof::DeviceWord
    } else {
        Proof::Required
    };
    Plan {
        // A digest in the database is always 64 hex digits; were it not, nothing could match it.
        digest: secret::parse_hex32(&action.digest).unwrap_or_default(),
        proof,
        already_running: action.already_running,
        confirm_deadline_ms: action.deadline_s.saturating_mul(1_000),
        limits: app.config.limits,
    }
}

/// Applies an event within a transaction. The inner error says that it does not apply.
pub(crate) async fn apply(
    app: &App,
    conn: &mut Conn,
    action: &mut StoredAction,
    (event, note): (Event, Note<'_>),
    effects: &mut Effects,
) -> sqlx::Result<Result<(), Refusal>> {
    let now_ms = app.now_ms();
    if event == Event::Retrieved && action.state.status == otaru_manager_rollout::Status::Pending {
        let device = store::devices::by_seq(conn, action.device_seq).await?;
        action.already_running =
            device.is_some_and(|device| device.confirmed_digest() == Some(action.digest.as_str()));
    }
    let next = match step(&action.state, &plan(app, action), event, now_ms) {
        Ok(next) => next,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if next.action == action.state && next.commands.is_empty() {
        return Ok(Ok(()));
    }
    // The state of the attempt that ends belongs to its history, not that of the one that follows.
    let mut shown = next.action.clone();
    if next.action.attempt != action.state.attempt {
        shown.phase = action.state.phase;
        shown.percent = action.state.percent;
        action.message = None;
    }
    action.state = next.action;
    if let Some(text) = note.text {
        action.message = Some(text.to_owned());
    }
    store::attempts::set_install(conn, action.ddi_id, &note.install).await?;
    for command in next.commands {
        match command {
            Command::Record { status, cause } => {
                let (ddi_id, text) = (action.ddi_id, note.text);
                let new = NewTransition {
                    ddi_id,
                    state: &shown,
                    status,
                    cause,
                    text,
                    now_ms,
                };
                store::attempts::record(conn, &new).await?;
                store::attempts::set_status(conn, ddi_id, status).await?;
            }
            Command::Progress => {
                store::attempts::progress(conn, action.ddi_id, &action.state, note.text).await?;
            }
            Command::EndAttempt { status, cause } => {
                store::attempts::end(conn, action.ddi_id, status, cause, now_ms).await?;
                store::attempts::append_console(conn, action.ddi_id, note.console).await?;
                effects.device_changed(action.device_seq);
            }
            Command::StartAttempt { number } => {
                action.ddi_id = store::attempts::start(conn, action.seq, number, now_ms).await?;
                shown = action.state.clone();
            }
            Command::WakeDevice => effects.wake(action.device_seq),
            Command::WantConfigData => {
                if action.state.verified {
                    let (version, digest) = (&action.version, &action.digest);
                    store::devices::set_running(conn, action.device_seq, version, digest).await?;
                }
                let (device, ddi_id) = (action.device_seq, action.ddi_id);
                store::devices::set_installed(conn, device, ddi_id).await?;
            }
        }
    }
    store::actions::save(conn, action, now_ms).await?;
    effects
        .actions
        .push((action.workspace.clone(), action.id.clone()));
    Ok(Ok(()))
}

/// Handles every action whose pause or deadline has passed.
pub(crate) async fn tick(app: &App) -> sqlx::Result<()> {
    let due = {
        let mut conn = app.store.reader().await?;
        store::actions::due(&mut conn, app.now_ms()).await?
    };
    for action in due {
        let mut effects = Effects::default();
        let mut tx = app.store.begin().await?;
        // Read again inside the transaction: it may have moved on since.
        let found = store::actions::by_id(&mut tx, &action.workspace, &action.id).await?;
        if let Some(mut action) = found {
            let event = (Event::Tick, Note::default());
            if let Err(refusal) = apply(app, &mut tx, &mut action, event, &mut effects).await? {
                tracing::debug!(action = action.id, ?refusal, "nothing to do at this time");
            }
        }
        tx.commit().await?;
        effects.run(app).await;
    }
    Ok(())
}
