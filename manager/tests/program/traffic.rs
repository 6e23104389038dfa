//! Devices that update, fail, lie and are canceled at random, and remember what the manager has
//! acknowledged.

use crate::process::{Api, Program};
use otaru_image::{ImageBuilder, Label, SigningKey, Version};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

const DEVICES: usize = 6;
const VERSION: &str = "1.1.0";
const PHASES: [&str; 5] = ["downloading", "verifying", "parked", "installing", "trial"];
const ENDED: [&str; 4] = ["succeeded", "failed", "reverted", "canceled"];

/// A small generator, so that a seed repeats the choices of a run.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// The manager has gone, perhaps in the middle of a request.
#[derive(Debug)]
struct Gone;

/// What the device will do with an action after some phases.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Confirm,
    Fail,
    /// Report success before the new firmware has run.
    Lie,
    Cancel,
}

/// One action, as its device and its operator know it.
#[derive(Debug)]
struct Known {
    id: String,
    /// Status after the last request that was acknowledged.
    acknowledged: &'static str,
    /// Status after a request that may or may not have been carried out.
    in_flight: Option<&'static str>,
    trial_acknowledged: bool,
    confirm_sent: bool,
}

#[derive(Debug)]
struct Current {
    ddi_id: i64,
    /// Phases reported so far.
    phase: usize,
    /// Phases to report before the ending.
    last_phase: usize,
    ending: Ending,
}

#[derive(Debug)]
struct Device {
    id: String,
    url: String,
    token: String,
    random: Random,
    known: Vec<Known>,
    current: Option<Current>,
    /// A deployment was asked for, and the answer did not come.
    deploying: bool,
}

/// All devices of the test.
pub(crate) struct Fleet {
    api: Api,
    digest: String,
    devices: Vec<Mutex<Device>>,
    answers: AtomicU64,
    kill_at: AtomicU64,
    enough: Notify,
}

impl Fleet {
    pub(crate) async fn set_up(program: &Program, random: &mut Random) -> Self {
        let api = program.api().await;
        let key = SigningKey::from_seed([42; 32]);
        let number = Version {
            major: 1,
            minor: 1,
            revision: 0,
            build: 0,
        };
        let image = ImageBuilder::new(vec![3; 5_000], number)
            .label(Label::new(VERSION).expect("a label"))
            .sign(&key)
            .expect("it can be signed");
        let digest = hex(&Sha256::digest(&image));
        api.make("/firmwares", json!({"name": "counter"})).await;
        api.make(
            "/keys",
            json!({"name": "k", "public_key": key.public().to_hex()}),
        )
        .await;
        let body = json!({"version": VERSION, "size": image.len(), "sha256": digest, "file_name": "a.img"});
        let upload = api.make("/firmwares/counter/uploads", body).await;
        let path = format!("/uploads/{}", upload["id"].as_str().expect("an id"));
        let request = api
            .request(Method::PATCH, &path)
            .header("upload-offset", 0)
            .body(image);
        let response = request.send().await.expect("it answers");
        assert_eq!(response.status(), StatusCode::CREATED);
        let mut devices = Vec::new();
        for _ in 0..DEVICES {
            let made = api.make("/devices", json!({})).await;
            let text = |name: &str| made[name].as_str().expect("a text").to_owned();
            let device = Device {
                id: text("id"),
                url: text("ddi_url"),
                token: text("token"),
                random: Random::new(random.below(u64::from(u32::MAX))),
                known: Vec::new(),
                current: None,
                deploying: false,
            };
            let fleet_call = device.request(&api, Method::GET, "").send().await;
            assert_eq!(fleet_call.expect("it answers").status(), StatusCode::OK);
            let data = json!({"data": {"otaru.version": "1.0.0", "otaru.digest": "00"}});
            let told = device
                .request(&api, Method::PUT, "/configData")
                .json(&data)
                .send()
                .await;
            assert_eq!(told.expect("it answers").status(), StatusCode::OK);
            devices.push(Mutex::new(device));
        }
        let (answers, kill_at) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self {
            api,
            digest,
            devices,
            answers,
            kill_at,
            enough: Notify::new(),
        }
    }

    /// Lets all devices talk at once, and kills the manager after so many answers.
    pub(crate) async fn run_until_killed(self: &Arc<Self>, program: &mut Program, answers: u64) {
        let kill_at = self.answers.load(Ordering::SeqCst) + answers;
        self.kill_at.store(kill_at, Ordering::SeqCst);
        let mut tasks = JoinSet::new();
        for index in 0..self.devices.len() {
            let fleet = Arc::clone(self);
            tasks.spawn(async move {
                let mut device = fleet.devices[index].lock().await;
                while fleet.step(&mut device).await.is_ok() {}
            });
        }
        tokio::select! {
            () = self.enough.notified() => {}
            // A panic of a device goes on here; without one the manager has gone by itself.
            ended = tasks.join_next() => panic!("a device stopped too early: {ended:?}"),
        }
        program.kill();
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no device panics");
        }
        self.kill_at.store(u64::MAX, Ordering::SeqCst);
        assert!(self.answers.load(Ordering::SeqCst) >= kill_at);
    }

    /// Lets every device finish what it has begun.
    pub(crate) async fn finish_all(&self) {
        for device in &self.devices {
            let mut device = device.lock().await;
            while device.current.is_some() || device.known.iter().any(Known::is_open) {
                self.step(&mut device)
                    .await
                    .expect("nobody kills the manager now");
            }
        }
    }

    /// Compares what the manager says with what it has acknowledged.
    pub(crate) async fn check(&self, round: u32) {
        for device in &self.devices {
            let mut device = device.lock().await;
            let path = format!("/actions?device={}", device.id);
            let listed = self.api.get(&path).await;
            let mut listed: BTreeMap<String, Value> = listed
                .as_array()
                .expect("a list")
                .iter()
                .map(|action| {
                    (
                        action["id"].as_str().expect("an id").to_owned(),
                        action.clone(),
                    )
                })
                .collect();
            for known in &device.known {
                let action = listed.remove(&known.id);
                let action = action.unwrap_or_else(|| panic!("round {round}: {known:?} is lost"));
                known.check(&action, round);
            }
            let unknown: Vec<_> = listed.into_keys().collect();
            let expected = usize::from(device.deploying);
            assert!(
                unknown.len() <= expected,
                "round {round}: nobody asked for {unknown:?}"
            );
            device.deploying = false;
            device.known.extend(unknown.into_iter().map(Known::new));
        }
    }

    /// The next thing a device does.
    async fn step(&self, device: &mut Device) -> Result<(), Gone> {
        if device.current.is_none() {
            return self.begin(device).await;
        }
        let current = device.current.as_ref().expect("it was just looked at");
        let id = current.ddi_id;
        if current.phase < current.last_phase {
            let phase = PHASES[current.phase];
            let trial = phase == "trial";
            let line = if trial {
                format!("otaru phase=trial digest={}", self.digest)
            } else {
                format!("otaru phase={phase}")
            };
            self.feedback(device, ("proceeding", "none"), &line, phase)
                .await?;
            device.last().trial_acknowledged |= trial;
            device.current.as_mut().expect("it is there").phase += 1;
            return Ok(());
        }
        let (last_phase, ending) = (current.last_phase, current.ending);
        let confirmed = format!("otaru phase=confirmed digest={}", self.digest);
        match ending {
            Ending::Confirm => {
                device.last().confirm_sent = true;
                self.feedback(device, ("closed", "success"), &confirmed, "succeeded")
                    .await?;
            }
            Ending::Lie => {
                self.feedback(device, ("closed", "success"), &confirmed, "failed")
                    .await?;
            }
            Ending::Fail if last_phase == PHASES.len() => {
                let line = "otaru phase=trial reason=trial-reset";
                self.feedback(device, ("closed", "failure"), line, "reverted")
                    .await?;
            }
            Ending::Fail => {
                let line = "otaru phase=downloading reason=interrupted";
                self.feedback(device, ("closed", "failure"), line, "failed")
                    .await?;
            }
            Ending::Cancel if device.last().acknowledged != "canceling" => {
                let path = format!("/actions/{}/cancel", device.last().id);
                let request = self.api.request(Method::POST, &path);
                return self.carry_out(device, request, "canceling").await;
            }
            Ending::Cancel => {
                let body = message("closed", "success", "stopped");
                let path = format!("/cancelAction/{id}/feedback");
                let request = device.request(&self.api, Method::POST, &path).json(&body);
                self.carry_out(device, request, "canceled").await?;
            }
        }
        device.current = None;
        Ok(())
    }

    /// Polls, and fetches what is offered, or asks for an update if nothing is.
    async fn begin(&self, device: &mut Device) -> Result<(), Gone> {
        let poll = self
            .answer(device.request(&self.api, Method::GET, ""))
            .await?;
        let poll: Value = poll.json().await.map_err(|_broken| Gone)?;
        let Some(href) = poll["_links"]["deploymentBase"]["href"].as_str() else {
            let body = json!({"firmware": "counter", "version": VERSION, "target": {"devices": [device.id]}});
            device.deploying = true;
            let request = self.api.request(Method::POST, "/deployments").json(&body);
            let response = self.answer(request).await?;
            let status = response.status();
            let started: Value = response.json().await.map_err(|_broken| Gone)?;
            assert_eq!(status, StatusCode::CREATED, "{started}");
            device.deploying = false;
            let id = started["actions"][0]["id"]
                .as_str()
                .expect("an id")
                .to_owned();
            device.known.push(Known::new(id));
            return Ok(());
        };
        let tail = href
            .rsplit('/')
            .next()
            .and_then(|tail| tail.split('?').next());
        let ddi_id = tail
            .and_then(|id| id.parse().ok())
            .expect("an id in the link");
        // As after a cable load: whoever runs the version already would need no trial.
        let data = json!({"data": {"otaru.version": "Factory", "otaru.digest": "00"}});
        let tell = device
            .request(&self.api, Method::PUT, "/configData")
            .json(&data);
        assert_eq!(self.answer(tell).await?.status(), StatusCode::OK);
        let request = device.request(&self.api, Method::GET, &format!("/deploymentBase/{ddi_id}"));
        self.carry_out(device, request, "downloading").await?;
        let ending = match device.random.below(6) {
            0 => Ending::Fail,
            1 => Ending::Lie,
            2 => Ending::Cancel,
            _ => Ending::Confirm,
        };
        let last_phase = match ending {
            Ending::Confirm => PHASES.len(),
            Ending::Fail => 1 + usize::try_from(device.random.below(5)).expect("small"),
            Ending::Lie => 1 + usize::try_from(device.random.below(4)).expect("small"),
            Ending::Cancel => 1 + usize::try_from(device.random.below(3)).expect("small"),
        };
        device.current = Some(Current {
            ddi_id,
            phase: 0,
            last_phase,
            ending,
        });
        Ok(())
    }

    async fn feedback(
        &self,
        device: &mut Device,
        (execution, finished): (&str, &str),
        line: &str,
        status: &'static str,
    ) -> Result<(), Gone> {
        let current = device.current.as_ref().expect("something is worked on");
        let path = format!("/deploymentBase/{}/feedback", current.ddi_id);
        let body = message(execution, finished, line);
        let request = device.request(&self.api, Method::POST, &path).json(&body);
        self.carry_out(device, request, status).await
    }

    /// Sends a request that leads to this status. Sent a second time, because the first answer was
    /// lost, it may be refused.
    async fn carry_out(
        &self,
        device: &mut Device,
        request: RequestBuilder,
        status: &'static str,
    ) -> Result<(), Gone> {
        let again = device.last().in_flight.replace(status) == Some(status);
        let response = self.answer(request).await?;
        let answer = response.status();
        let body = response.text().await.map_err(|_broken| Gone)?;
        assert!(
            answer == StatusCode::OK || again,
            "{status}: {answer} {body} {:?}",
            device.last()
        );
        device.last().acknowledged = status;
        device.last().in_flight = None;
        Ok(())
    }

    async fn answer(&self, request: RequestBuilder) -> Result<reqwest::Response, Gone> {
        let response = request.send().await.map_err(|_lost| Gone)?;
        if self.answers.fetch_add(1, Ordering::SeqCst) + 1 == self.kill_at.load(Ordering::SeqCst) {
            self.enough.notify_one();
        }
        Ok(response)
    }
}

impl Device {
    fn request(&self, api: &Api, method: Method, path: &str) -> RequestBuilder {
        let token = format!("TargetToken {}", self.token);
        api.http
            .request(method, format!("{}{path}", self.url))
            .header("authorization", token)
    }

    fn last(&mut self) -> &mut Known {
        self.known.last_mut().expect("what is worked on is known")
    }
}

impl Known {
    fn new(id: String) -> Self {
        Self {
            id,
            acknowledged: "pending",
            in_flight: None,
            trial_acknowledged: false,
            confirm_sent: false,
        }
    }

    fn is_open(&self) -> bool {
        !ENDED.contains(&self.acknowledged)
    }

    fn check(&self, action: &Value, round: u32) {
        let status = action["status"].as_str().expect("a status");
        let explained = status == self.acknowledged || Some(status) == self.in_flight;
        assert!(
            explained,
            "round {round}: {self:?}, but the manager says {status}"
        );
        if status == "succeeded" {
            let proven = self.trial_acknowledged && self.confirm_sent;
            assert!(
                proven && action["verified"] == true,
                "round {round}: {self:?} was invented"
            );
        }
    }
}

fn message(execution: &str, finished: &str, line: &str) -> Value {
    json!({"status": {"execution": execution, "result": {"finished": finished}, "details": [line]}})
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
