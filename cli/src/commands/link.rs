//! `link`: bytecode for a slot and a VM, and what may run where.

use crate::arguments::Link;
use crate::commands::build::{built_in, show_image};
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_image::ImageHeader;
use otaru_lsp_build::bytecode::{self, Place, Target, VmVersion};
use otaru_lsp_build::cargo::shared_target_dir;
use otaru_lsp_build::image::{BuildOptions, hex_digest};
use otaru_lsp_project::{Kind, Version};
use serde_json::json;
use std::path::{Path, PathBuf};

/// `otaru link`
pub(crate) async fn run(session: Session<'_>, arguments: &Link) -> Result<(), Failure> {
    let vm = arguments
        .with_vm
        .as_deref()
        .map(VmImage::read)
        .transpose()?;
    let place = place(arguments, vm.as_ref())?;
    if let Some(image) = &arguments.check {
        return check(session, image, place);
    }
    let project = session.project()?;
    if project.settings.kind != Kind::Bytecode {
        let message = format!("{} is firmware, not bytecode", project.settings.name);
        return Err(Failure::new(Exit::Project, "not-bytecode", message).hint(
            "bytecode has `kind = \"bytecode\"` in [project]; `otaru build` links firmware",
        ));
    }
    let options = BuildOptions {
        target_dir: shared_target_dir(),
        place,
        ..BuildOptions::default()
    };
    let image = built_in(session, &project, options).await?;
    let bytes = read(&image.path)?;
    // As the device will judge it.
    let binding = bytecode::judge(&bytes, &target(place))?;
    let vm_file = match (&arguments.file, &vm) {
        (None, vm) => vm.as_ref().map(|vm| vm.path.clone()),
        (Some(file), vm) => {
            write(file, &bytes)?;
            let beside = beside(file);
            match vm {
                Some(vm) => {
                    write(&beside, &vm.bytes)?;
                    Some(beside)
                }
                None => None,
            }
        }
    };
    let file = arguments.file.as_ref().unwrap_or(&image.path);
    show_image(session, &image);
    session.output.object(
        "link",
        json!({
            "file": file,
            "version": image.label,
            "digest": image.digest,
            "size": image.size,
            "bc": place.bytecode_slot,
            "vm": place.vm_slot,
            "vm_version": place.vm_version.to_string(),
            "abi": format!("{}.{}", binding.abi.0, binding.abi.1),
            "memory": binding.memory_len,
            "functions": bytecode::function_names(binding.functions),
            "vm_file": vm_file,
            "vm_digest": vm.as_ref().map(|vm| hex_digest(&vm.bytes)),
        }),
    );
    for (name, value) in [
        ("slots", in_words(place)),
        (
            "uses",
            bytecode::function_names(binding.functions).join(" "),
        ),
        ("written", file.display().to_string()),
    ] {
        session.output.text(&format!("{name:<8} {value}"));
    }
    Ok(())
}

/// `otaru link --check IMAGE`
fn check(session: Session<'_>, image: &Path, place: Place) -> Result<(), Failure> {
    let binding = bytecode::judge(&read(image)?, &target(place))?;
    session.output.result(
        "fits",
        &format!("{} may run: {}", image.display(), in_words(place)),
        json!({
            "file": image,
            "bc": binding.bytecode_slot,
            "vm": binding.vm_slot,
            "vm_version": binding.vm_version.to_string(),
            "functions": bytecode::function_names(binding.functions),
        }),
    );
    Ok(())
}

fn in_words(place: Place) -> String {
    let slot = |slot: Option<u8>| slot.map_or_else(|| "any".to_owned(), |slot| slot.to_string());
    format!(
        "bytecode {}, VM {} from version {}",
        slot(place.bytecode_slot),
        slot(place.vm_slot),
        place.vm_version
    )
}

fn place(arguments: &Link, vm: Option<&VmImage>) -> Result<Place, Failure> {
    let vm_version = match (&arguments.vm_version, vm) {
        (Some(text), _) => vm_version(text)?,
        (None, Some(vm)) => vm.version,
        (None, None) => VmVersion::default(),
    };
    if vm.is_some_and(|vm| vm.version < vm_version) {
        let message = format!("the VM image is older than version {vm_version}");
        return Err(Failure::new(Exit::Refused, "vm-version", message));
    }
    Ok(Place {
        bytecode_slot: Some(arguments.bc),
        vm_slot: Some(arguments.vm),
        vm_version,
    })
}

fn vm_version(text: &str) -> Result<VmVersion, Failure> {
    let version: Version = text
        .parse()
        .map_err(|error: otaru_lsp_project::VersionError| {
            Failure::new(Exit::Usage, "vm-version", error.to_string())
                .hint("for example `--vm-version 1.2.0`")
        })?;
    Ok(VmVersion {
        major: version.major,
        minor: version.minor,
        revision: version.patch,
    })
}

fn target(place: Place) -> Target {
    Target {
        vm_version: place.vm_version,
        ..Target::new(place.bytecode_slot.unwrap_or(0), place.vm_slot.unwrap_or(0))
    }
}

/// The image of the VM that is shipped with the bytecode.
struct VmImage {
    path: PathBuf,
    bytes: Vec<u8>,
    version: VmVersion,
}

impl VmImage {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read(path)?;
        let no_image = || {
            let message = format!("{} is no image of a VM", path.display());
            Failure::new(Exit::Failed, "not-an-image", message)
        };
        let header = bytes.first_chunk().ok_or_else(no_image)?;
        let len = u32::try_from(bytes.len()).map_err(|_too_long| no_image())?;
        let header = ImageHeader::parse(header, len).map_err(|_reason| no_image())?;
        Ok(Self {
            path: path.to_owned(),
            version: VmVersion {
                major: header.version.major,
                minor: header.version.minor,
                revision: header.version.revision,
            },
            bytes,
        })
    }
}

/// Where the VM's image goes that belongs to this file of bytecode.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".vm");
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::io(format!("{} cannot be read", path.display()), &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes)
        .map_err(|error| Failure::io(format!("{} cannot be written", path.display()), &error))
}
