//! The failure lab against real devices: every fault, and whether the judgement is the right one.
// C16 C56 A9 A10 A28 A49 A50 A55

use otaru_lsp_lab::{Evidence, Fault, LabError, News, Order, Report, judge, run};
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Device, Lab, check};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// A run on a thread of its own.
struct Running {
    work: JoinHandle<Result<Evidence, LabError>>,
    news: UnboundedReceiver<News>,
    stop: Arc<AtomicBool>,
}

impl Running {
    fn start(device: &Device, fault: Fault, times: u32) -> Self {
        let (tell, news) = unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let dir = device.dir().to_owned();
        let order = Order {
            fault,
            times,
            seed: 7,
        };
        let work = tokio::task::spawn_blocking(move || {
            run(&dir, &order, &stopped, &|news| {
                tell.send(news).expect("the test listens");
            })
        });
        Self { work, news, stop }
    }

    async fn until(&mut self, wanted: impl Fn(&News) -> bool) {
        while let Some(news) = self.news.recv().await {
            if wanted(&news) {
                return;
            }
        }
        panic!("it ended early");
    }

    async fn waits(&mut self) {
        self.until(|news| matches!(news, News::Waiting(_))).await;
    }

    async fn ended(self) -> Result<Evidence, LabError> {
        // The news are kept until the end: telling them must not fail.
        let _news = self.news;
        self.work.await.expect("the lab does not panic")
    }

    async fn report(self) -> (Evidence, Report) {
        let evidence = self.ended().await.expect("there is something to judge");
        let report = judge(&evidence, None);
        assert!(
            report.as_expected,
            "{report:#?}\n{:#?}\n{:#?}",
            evidence.trace.lines, evidence.after
        );
        (evidence, report)
    }
}

async fn as_expected(device: &Device, fault: Fault, times: u32) -> Evidence {
    Running::start(device, fault, times).report().await.0
}

#[tokio::test]
async fn a_device_at_rest_survives_every_fault_that_needs_no_update() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    as_expected(&device, Fault::Offline, 1).await;
    as_expected(&device, Fault::Reset, 1).await;
    as_expected(&device, Fault::PowerCut, 1).await;
    let cuts = as_expected(&device, Fault::RandomCuts, 6).await;
    assert_eq!(cuts.strikes.len(), 6);
    assert_eq!(cuts.boots.1 - cuts.boots.0, 6);
    as_expected(&device, Fault::FillFlash, 1).await;
    // What storage was full of is in nobody's way.
    let action = lab.update(&device, "1.1.0", 2).await;
    check(&action, "succeeded", &Value::Null);
    let damaged = as_expected(&device, Fault::CorruptRunning, 1).await;
    assert_eq!(damaged.trace.heals, 1);
    assert_eq!(damaged.trace.running.as_deref(), Some("1.1.0"));
}

#[tokio::test]
async fn a_device_without_a_backup_does_not_run_a_damaged_image() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Swap, &lab.image("1.0.0", 1))
        .await;
    let evidence = as_expected(&device, Fault::CorruptRunning, 1).await;
    assert!(evidence.trace.recovery && evidence.trace.running.is_none());
}

/// Arms a fault, updates, and gives the action and what the lab says.
async fn during_an_update(fault: Fault, mode: Mode) -> (Value, Evidence, Device, Lab) {
    let lab = Lab::new().await;
    let device = lab.device("kitchen", mode, &lab.image("1.0.0", 1)).await;
    let mut running = Running::start(&device, fault, 1);
    running.waits().await;
    let action = lab.update(&device, "2.0.0", 2).await;
    let (evidence, _) = running.report().await;
    (action, evidence, device, lab)
}

#[tokio::test]
async fn a_new_firmware_that_is_made_to_hang_goes_back() {
    let (action, evidence, ..) = during_an_update(Fault::HangNew, Mode::Standby).await;
    check(&action, "reverted", &Value::from("trial-watchdog"));
    assert_eq!(evidence.trace.watchdog, 1);
}

#[tokio::test]
async fn a_new_firmware_that_is_made_to_crash_goes_back_and_the_next_update_succeeds() {
    let (action, evidence, device, lab) = during_an_update(Fault::CrashNew, Mode::Swap).await;
    check(&action, "reverted", &Value::from("trial-crash"));
    assert_eq!(evidence.trace.exits, 1);
    let action = lab.update(&device, "3.0.0", 3).await;
    check(&action, "succeeded", &Value::Null);
}

#[tokio::test]
async fn storage_that_takes_no_writes_ends_the_update_and_nothing_else() {
    let (action, _, device, lab) = during_an_update(Fault::WornFlash, Mode::Swap).await;
    check(&action, "failed", &Value::from("storage-failed"));
    // The fault was taken back.
    let action = lab.update(&device, "3.0.0", 3).await;
    check(&action, "succeeded", &Value::Null);
}

#[tokio::test]
async fn a_damaged_download_never_runs() {
    let (action, evidence, ..) = during_an_update(Fault::CorruptUpdate, Mode::Standby).await;
    let status = action["status"].as_str().unwrap_or_default();
    assert!(["succeeded", "failed"].contains(&status), "{action:#}");
    assert!(evidence.after.execution.is_some_and(|found| found.is_ok()));
}

#[tokio::test]
async fn a_cut_in_the_first_write_of_an_update_is_survived() {
    let (_, evidence, ..) = during_an_update(Fault::CutNextWrite, Mode::Swap).await;
    assert!(evidence.strikes[0].torn);
}

#[tokio::test]
async fn random_cuts_during_an_update_leave_the_old_or_the_new_image() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    lab.deploy(&device, "2.0.0", 60).await;
    let (evidence, report) = Running::start(&device, Fault::RandomCuts, 12)
        .report()
        .await;
    assert_eq!(evidence.strikes.len(), 12);
    assert!(report.checks.iter().all(|check| check.good));
}

#[tokio::test]
async fn a_stopped_run_takes_its_fault_back() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    let mut running = Running::start(&device, Fault::CutNextWrite, 1);
    running.waits().await;
    let pending = || device.control().status().expect("it runs").pending;
    assert!(pending().is_some_and(|fault| fault.power_cut));
    running.stop.store(true, Ordering::Relaxed);
    assert!(matches!(running.ended().await, Err(LabError::Stopped)));
    assert_eq!(pending(), None);
    // Cuts that were made before the stop are judged.
    let mut running = Running::start(&device, Fault::RandomCuts, 1000);
    running.until(|news| *news == News::Struck(3)).await;
    running.stop.store(true, Ordering::Relaxed);
    let (evidence, _) = running.report().await;
    assert!((3..1000).contains(&evidence.strikes.len()));
    assert!(device.control().status().expect("it runs").power);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    for (fault, times) in [
        (Fault::Reset, 2),
        (Fault::RandomCuts, 0),
        (Fault::RandomCuts, 1001),
    ] {
        let refused = Running::start(&device, fault, times).ended().await;
        assert!(matches!(refused, Err(LabError::Refused(_))), "{refused:?}");
    }
    device
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    for fault in [Fault::Offline, Fault::HangNew] {
        let refused = Running::start(&device, fault, 1).ended().await;
        assert!(matches!(refused, Err(LabError::Refused(_))), "{refused:?}");
    }
    device
        .control()
        .power_cut(otaru_board_host::control::Moment::default())
        .expect("the power can be cut");
    let refused = Running::start(&device, Fault::Reset, 1).ended().await;
    assert!(matches!(refused, Err(LabError::Refused(_))), "{refused:?}");
}
