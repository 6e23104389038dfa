//! Plans from made-up devices.
// A38, A42: refusals before anything is uploaded, and what the confirmation shows.

use super::*;

fn device(name: &str) -> Device {
    serde_json::from_value(serde_json::json!({
        "id": format!("dev-{name}"), "name": name, "online": true, "ever_connected": true,
        "version": "1.0.0+1", "digest": "aa", "board": "host", "fleet": "flt-a",
    }))
    .unwrap()
}

fn image() -> NewVersion {
    NewVersion {
        label: "1.1.0+2".to_owned(),
        digest: "bb".to_owned(),
        size: 1000,
        board: "host".to_owned(),
        development_key: false,
        encryption: None,
    }
}

fn plan(devices: &[&Device], image: NewVersion, target: Target) -> Result<Plan, PlanError> {
    let request = UpdateRequest {
        firmware: "lamp".to_owned(),
        version: StoredVersion::New(image.clone()),
        target: target.clone(),
        deadline_s: None,
        trials: None,
    };
    let described = Described {
        label: image.label,
        digest: image.digest,
        size: image.size,
        board: Some(image.board),
        development_key: image.development_key,
        encryption: image.encryption,
    };
    Plan::assemble(request, target, devices.to_vec(), described)
}

fn one() -> Target {
    Target::Devices(vec!["x".to_owned()])
}

#[test]
fn a_plan_names_devices_versions_digest_and_size() {
    let plan = plan(&[&device("b"), &device("a"), &device("b")], image(), one()).unwrap();
    let names: Vec<&str> = plan
        .devices
        .iter()
        .map(|device| device.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(plan.devices[0].from, "1.0.0+1");
    assert_eq!(
        (plan.version.as_str(), plan.digest.as_str(), plan.size),
        ("1.1.0+2", "bb", 1000)
    );
    assert!(plan.warnings.is_empty());
}

#[test]
fn the_id_changes_with_every_fact_that_was_agreed_to() {
    let base = plan(&[&device("a")], image(), one()).unwrap().id;
    let mut moved_on = device("a");
    moved_on.version = Some("1.0.1+3".to_owned());
    let other_image = NewVersion {
        digest: "cc".to_owned(),
        ..image()
    };
    let other_label = NewVersion {
        label: "x".to_owned(),
        ..image()
    };
    let mut ids = vec![
        base.clone(),
        plan(&[&moved_on], image(), one()).unwrap().id,
        plan(&[&device("b")], image(), one()).unwrap().id,
        plan(&[&device("a"), &device("b")], image(), one())
            .unwrap()
            .id,
        plan(&[&device("a")], other_image, one()).unwrap().id,
        plan(&[&device("a")], other_label, one()).unwrap().id,
    ];
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let mut asleep = device("a");
    asleep.online = false;
    assert_eq!(plan(&[&asleep], image(), one()).unwrap().id, base);
}

#[test]
fn what_would_fail_for_certain_is_refused() {
    let mut silent = device("a");
    silent.ever_connected = false;
    let error = plan(&[&silent], image(), one()).unwrap_err();
    assert_eq!(error.code(), "never-connected");
    let fleet = Target::Fleets(vec!["f".to_owned()]);
    let in_fleet = plan(&[&silent], image(), fleet.clone()).unwrap();
    assert_eq!(
        in_fleet.warnings,
        ["a has never connected; its update waits for it"]
    );

    let mut other = device("a");
    other.board = Some("nrf52840-dk".to_owned());
    assert_eq!(
        plan(&[&other], image(), one()).unwrap_err().code(),
        "wrong-board"
    );
    assert_eq!(plan(&[], image(), fleet).unwrap_err().code(), "no-devices");
}

#[test]
fn warnings_say_what_is_odd_but_allowed() {
    let mut odd = device("a");
    odd.online = false;
    odd.digest = Some("bb".to_owned());
    let made = plan(
        &[&odd],
        NewVersion {
            development_key: true,
            ..image()
        },
        one(),
    )
    .unwrap();
    assert_eq!(
        made.warnings,
        [
            "a is offline; its update waits for it",
            "a runs this image already",
            "signed with a development key",
        ]
    );
}

#[test]
fn a_device_is_found_by_id_or_by_a_name_that_is_unique() {
    let mut twin = device("a");
    twin.id = "dev-2".to_owned();
    let devices = [device("a"), twin, device("b")];
    assert_eq!(find_device(&devices, "b").unwrap().id, "dev-b");
    assert_eq!(find_device(&devices, "dev-2").unwrap().id, "dev-2");
    assert_eq!(
        find_device(&devices, "a").unwrap_err().code(),
        "device-ambiguous"
    );
    assert_eq!(
        find_device(&devices, "c").unwrap_err().code(),
        "device-unknown"
    );
}

#[test]
fn a_kept_plan_can_be_taken_once() {
    let mut book = PlanBook::default();
    let id = book.keep(plan(&[&device("a")], image(), one()).unwrap());
    assert_eq!(book.take(&id).unwrap().id, id);
    assert_eq!(book.take(&id).unwrap_err().code(), "plan-stale");
    for index in 0..PLANS_MAX + 5 {
        book.keep(plan(&[&device(&index.to_string())], image(), one()).unwrap());
    }
    assert_eq!(book.plans.len(), PLANS_MAX);
}

#[test]
fn a_version_in_the_manager_names_its_board_by_the_class_of_its_image() {
    let host = board("host").unwrap();
    let class = board_uuids(&host.vid, &host.cid).cid.to_string();
    assert_eq!(board_of_class(&class).as_deref(), Some("host"));
    assert_eq!(
        board_of_class(&class.to_uppercase()).as_deref(),
        Some("host")
    );
    assert_eq!(board_of_class("00000000-0000-0000-0000-000000000000"), None);
}
