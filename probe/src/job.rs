//! Carries out one request on a backend: limits, files, checks before anything changes, order of work.

use std::fs::{self, File};
use std::io::Read;

use serde_json::{Map, Value, json};

use crate::backend::{Link, ProbeBackend, ProbeInfo, Segment, Watch};
use crate::chip::{Chip, Sector};
use crate::failure::{Code, Failure, PLUG_IN};
use crate::progress::Progress;
use crate::protocol::{
    ChipRequest, FileSegment, FlashRequest, Op, READ_MAX, ReadRequest, SEGMENT_BYTES_MAX,
    SEGMENTS_MAX, VerifyRequest,
};
use crate::select;

/// Fields of a successful reply.
type Reply = Map<String, Value>;

/// Does what `op` asks for.
///
/// # Errors
/// What the reply reports.
pub(crate) fn run(
    backend: &mut dyn ProbeBackend,
    op: Op,
    progress: &mut Progress<'_>,
) -> Result<Reply, Failure> {
    if progress.cancelled() {
        return Err(Failure::cancelled("before it started"));
    }
    match op {
        Op::List => Ok(object(json!({ "probes": backend.probes()? }))),
        Op::Chip(ChipRequest { chip }) => Ok(object(json!(backend.chip(&chip)?))),
        Op::Flash(request) => flash(backend, request, progress),
        Op::Verify(request) => verify(backend, request, progress),
        Op::Read(request) => read(backend, &request),
        Op::Reset(request) => {
            let chip = backend.chip(&request.chip)?;
            let probe = select::choose(backend.probes()?, request.probe.as_deref())?;
            attached(backend, &probe, &chip, |link| link.reset())?;
            Ok(object(json!({ "probe": probe.probe, "chip": chip.name })))
        }
        // The reader answers it, because this thread may be busy with what is to be cancelled.
        Op::Cancel(_) => Err(Failure::new(
            Code::Internal,
            "cancel was queued",
            "report it",
        )),
    }
}

fn flash(
    backend: &mut dyn ProbeBackend,
    request: FlashRequest,
    progress: &mut Progress<'_>,
) -> Result<Reply, Failure> {
    let chip = backend.chip(&request.chip)?;
    let segments = load(request.segments)?;
    let sectors = chip.sectors(&segments)?;
    let probe = select::choose(backend.probes()?, request.probe.as_deref())?;
    let bytes: u64 = segments.iter().map(|s| s.data.len() as u64).sum();
    let erased: u64 = sectors.iter().map(|sector| sector.size).sum();
    progress.expect(erased, bytes);
    let mut changed = false;
    let done = attached(backend, &probe, &chip, |link| {
        for segment in &segments {
            link.rehearse(segment)?;
        }
        if request.dry_run {
            return Ok(());
        }
        for segment in &segments {
            if progress.cancelled() {
                return Err(Failure::cancelled("between two segments"));
            }
            changed = true;
            link.program(segment, progress)?;
        }
        if request.verify {
            compare(link, &segments, progress)?;
        }
        Ok(())
    });
    done.map_err(|failure| failure.with("flash_changed", changed))?;
    Ok(object(json!({
        "probe": probe.probe,
        "chip": chip.name,
        "dry_run": request.dry_run,
        "verified": request.verify && !request.dry_run,
        "bytes": bytes,
        "erase_bytes": erased,
        "erase": ranges(&sectors),
    })))
}

fn verify(
    backend: &mut dyn ProbeBackend,
    request: VerifyRequest,
    progress: &mut Progress<'_>,
) -> Result<Reply, Failure> {
    let chip = backend.chip(&request.chip)?;
    let segments = load(request.segments)?;
    chip.sectors(&segments)?;
    let probe = select::choose(backend.probes()?, request.probe.as_deref())?;
    let bytes: u64 = segments.iter().map(|s| s.data.len() as u64).sum();
    progress.expect(0, bytes);
    attached(backend, &probe, &chip, |link| {
        compare(link, &segments, progress)
    })?;
    Ok(object(json!({
        "probe": probe.probe, "chip": chip.name, "bytes": bytes, "verified": true,
    })))
}

fn compare(
    link: &mut dyn Link,
    segments: &[Segment],
    progress: &mut Progress<'_>,
) -> Result<(), Failure> {
    for segment in segments {
        if progress.cancelled() {
            return Err(Failure::cancelled("before everything was compared"));
        }
        link.verify(segment, progress)?;
    }
    Ok(())
}

fn read(backend: &mut dyn ProbeBackend, request: &ReadRequest) -> Result<Reply, Failure> {
    if request.len == 0 || request.len > READ_MAX {
        let message = format!("read: `len` is {}", request.len);
        let hint = format!("read 1 to {READ_MAX} bytes at once");
        return Err(Failure::new(Code::BadRequest, message, hint));
    }
    let chip = backend.chip(&request.chip)?;
    chip.readable(request.address, request.len)?;
    let probe = select::choose(backend.probes()?, request.probe.as_deref())?;
    let len = usize::try_from(request.len).expect("at most READ_MAX");
    let mut bytes = vec![0; len];
    attached(backend, &probe, &chip, |link| {
        link.read(request.address, &mut bytes)
    })?;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(object(json!({
        "probe": probe.probe,
        "chip": chip.name,
        "address": request.address,
        "data": hex.concat(),
    })))
}

/// Does `work` with the chip and releases the probe. If it failed and the probe is no longer there,
/// the failure says that instead: what the library reports then differs from driver to driver.
fn attached(
    backend: &mut dyn ProbeBackend,
    probe: &ProbeInfo,
    chip: &Chip,
    work: impl FnOnce(&mut dyn Link) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let result = backend
        .attach(probe, chip)
        .and_then(|mut link| work(link.as_mut()));
    result.map_err(|failure| {
        let vague = matches!(
            failure.code,
            Code::ProbeFailed | Code::FlashFailed | Code::TargetNotFound | Code::ProbeNotFound
        );
        let gone = |found: &[ProbeInfo]| found.iter().all(|other| other.probe != probe.probe);
        if vague && backend.probes().is_ok_and(|found| gone(&found)) {
            unplugged(&probe.probe, &failure.message)
        } else {
            failure
        }
    })
}

fn unplugged(probe: &str, symptom: &str) -> Failure {
    let message = format!("the probe {probe} is gone: {symptom}");
    Failure::new(Code::ProbeUnplugged, message, PLUG_IN).with("probe", probe)
}

/// Reads the files of a request, within the limits.
fn load(files: Vec<FileSegment>) -> Result<Vec<Segment>, Failure> {
    if files.is_empty() || files.len() > SEGMENTS_MAX {
        let message = format!("a request with {} segments", files.len());
        let hint = format!("send 1 to {SEGMENTS_MAX} segments");
        return Err(Failure::new(Code::BadRequest, message, hint));
    }
    let mut left = SEGMENT_BYTES_MAX;
    let mut segments = Vec::with_capacity(files.len());
    for FileSegment { address, file } in files {
        let data = bytes_of(&file, left)?;
        left = left.saturating_sub(data.len() as u64);
        segments.push(Segment { address, data });
    }
    Ok(segments)
}

fn bytes_of(path: &str, max: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |why: String| {
        let message = format!("cannot read {path}: {why}");
        Failure::new(Code::FileUnreadable, message, "build the project again").with("file", path)
    };
    // Asked before it is opened: opening a named pipe would wait for its other end.
    let meta = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !meta.is_file() {
        return Err(unreadable("it is not a regular file".to_owned()));
    }
    let mut data = Vec::new();
    File::open(path)
        .and_then(|file| file.take(max + 1).read_to_end(&mut data))
        .map_err(|error| unreadable(error.to_string()))?;
    if data.is_empty() || data.len() as u64 > max {
        let message = format!("{path} is empty, or the segments exceed {SEGMENT_BYTES_MAX} bytes");
        let hint = "flash only what the chip can hold; the file holds bytes, not an ELF";
        return Err(Failure::new(Code::FileSize, message, hint).with("file", path));
    }
    Ok(data)
}

/// Neighbouring sectors as one range, so that a reply stays short whatever is flashed.
fn ranges(sectors: &[Sector]) -> Vec<Value> {
    let mut merged: Vec<(u64, u64, u64)> = Vec::new();
    for sector in sectors {
        match merged.last_mut() {
            Some((address, len, count)) if *address + *len == sector.address => {
                *len += sector.size;
                *count += 1;
            }
            _ => merged.push((sector.address, sector.size, 1)),
        }
    }
    merged
        .into_iter()
        .map(|(address, len, count)| json!({ "address": address, "len": len, "sectors": count }))
        .collect()
}

fn object(value: Value) -> Reply {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Reply::new()
        }
    }
}
