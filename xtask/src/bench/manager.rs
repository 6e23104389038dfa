//! The device manager: start, memory, processor time of a poll, memory of a held poll.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::http::Connection;
use super::running::Running;
use super::{Programs, Value, short};
use crate::process::Program;
use crate::report;

const DEVICES: usize = 10_000;
const HELD: usize = 5_000;
const ROUNDS: u32 = 3;

/// A device as it identifies itself.
struct Device {
    path: String,
    authorization: String,
}

/// Measures it.
pub(super) fn measure(programs: &Programs) -> Result<Vec<Value>> {
    let folder = super::TempFolder::create("manager")?;
    let mut values = Vec::new();
    // The first start creates the database; the second is the one that people meet.
    let first = start(programs, &folder)?;
    let token = first.after("token=")?;
    values.push(Value::plain(
        "manager, first start with a new folder",
        short(first.age()),
    ));
    drop(first);
    let (manager, url) = ready(programs, &folder)?;
    let limit = Duration::from_millis(300);
    values.push(Value::time(
        "manager, start to first answer",
        manager.age(),
        limit,
    ));
    std::thread::park_timeout(Duration::from_secs(2));
    values.push(Value::memory("manager, idle", manager.memory_kib()?, 30));

    report::line(&format!("    creating {DEVICES} devices"));
    let mut connection = Connection::open(&url)?;
    let body = format!("{{\"token\":\"{token}\"}}");
    let setup = connection.json("POST /api/v1/setup", &[], &body)?;
    let key = setup["api_key"].as_str().context("no API key")?;
    let devices = create(&mut connection, key)?;
    poll_all(&mut connection, &devices)?;
    report::line("    polling");
    let before = manager.processor_time()?;
    for _ in 0..ROUNDS {
        poll_all(&mut connection, &devices)?;
    }
    let polls = ROUNDS.saturating_mul(u32::try_from(DEVICES)?);
    let each = manager.processor_time()?.saturating_sub(before) / polls;
    let what = "manager, processor time of a poll with 10,000 devices";
    values.push(Value::time(what, each, Duration::from_micros(200)));
    values.push(Value::memory(
        "manager, after these polls",
        manager.memory_kib()?,
        30,
    ));

    report::line(&format!("    holding {HELD} polls"));
    values.extend(held(&manager, &url, &devices)?);
    Ok(values)
}

fn start(programs: &Programs, folder: &super::TempFolder) -> Result<Running> {
    Running::start(
        Command::new(&programs.manager)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path()),
    )
}

/// Starts it and waits until it has answered a request.
fn ready(programs: &Programs, folder: &super::TempFolder) -> Result<(Running, String)> {
    let manager = start(programs, folder)?;
    let url = manager.after("manager: ")?;
    let mut connection = Connection::open(&url)?;
    connection.send("GET /api/v1/openapi.json", &[], "")?;
    if connection.receive()?.status != 200 {
        bail!("the manager does not serve its API document");
    }
    Ok((manager, url))
}

fn create(connection: &mut Connection, key: &str) -> Result<Vec<Device>> {
    let authorization = format!("Authorization: Bearer {key}");
    (0..DEVICES)
        .map(|index| {
            let body = format!("{{\"name\":\"bench {index}\"}}");
            let made = connection.json("POST /api/v1/devices", &[&authorization], &body)?;
            let text = |name: &str| made[name].as_str().map(str::to_owned);
            let (url, token) = (text("ddi_url"), text("token"));
            let (url, token) = url.zip(token).context("a new device has no token")?;
            let path = url.splitn(4, '/').nth(3).context("ddi_url is no address")?;
            let authorization = format!("Authorization: TargetToken {token}");
            Ok(Device {
                path: path.to_owned(),
                authorization,
            })
        })
        .collect()
}

fn poll_all(connection: &mut Connection, devices: &[Device]) -> Result<()> {
    for device in devices {
        connection.send(
            &format!("GET /{}", device.path),
            &[&device.authorization],
            "",
        )?;
        let status = connection.receive()?.status;
        if status != 200 {
            bail!("a poll was answered with {status}");
        }
    }
    Ok(())
}

/// Memory that each poll takes while it is held.
fn held(manager: &Running, url: &str, devices: &[Device]) -> Result<Vec<Value>> {
    let own = format!("--pid={}", std::process::id());
    Program::new("prlimit")
        .args([own.as_str(), "--nofile=20000:"])
        .output()?;
    let before = manager.memory_kib()?;
    let mut open = Vec::new();
    for device in devices.iter().take(HELD) {
        let mut connection = Connection::open(url)?;
        let line = format!("GET /{}", device.path);
        connection.send(&line, &[&device.authorization], "")?;
        let etag = connection
            .receive()?
            .etag
            .context("a poll's answer has no ETag")?;
        let etag = format!("If-None-Match: {etag}");
        connection.send(
            &line,
            &[&device.authorization, "Prefer: wait=55", &etag],
            "",
        )?;
        open.push(connection);
    }
    std::thread::park_timeout(Duration::from_secs(2));
    let after = manager.memory_kib()?;
    let each = after.saturating_sub(before) * 10 / u64::try_from(HELD)?;
    Ok(vec![
        Value::plain(
            "manager, a held poll",
            format!("{}.{} KiB", each / 10, each % 10),
        ),
        Value::plain(
            "manager, with 5,000 held polls",
            format!("{} MB", after * 1024 / 1_000_000),
        ),
    ])
}
