//! `build` and `upload`.

use crate::arguments::Build;
use crate::confirm::confirm;
use crate::failure::{Exit, Failure};
use crate::progress::{bytes, follow};
use crate::session::Session;
use otaru_lsp_build::cargo::shared_target_dir;
use otaru_lsp_build::handover::{free_image, key_in_words, register_key};
use otaru_lsp_build::image::{self, BuildOptions, BuiltImage, Encrypted};
use otaru_lsp_build::manager::{self, ManagerClient, Uploaded};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::{clean, size};
use otaru_lsp_project::Label;
use serde_json::{Value, json};

/// `otaru build`
pub(crate) async fn build(session: Session<'_>, arguments: &Build) -> Result<(), Failure> {
    let project = session.project()?;
    let image = built(session, &project, arguments.label.as_deref()).await?;
    show_image(session, &image);
    Ok(())
}

/// `otaru clean`
pub(crate) fn clean(session: Session<'_>) -> Result<(), Failure> {
    let project = session.project()?;
    let cleaned = clean::clean(&project.root)?;
    session.output.result(
        "cleaned",
        &format!(
            "deleted {} files, {}, in {}",
            cleaned.files,
            bytes(cleaned.bytes),
            cleaned.folder.display()
        ),
        json!({
            "folder": cleaned.folder,
            "files": cleaned.files,
            "bytes": cleaned.bytes,
        }),
    );
    Ok(())
}

/// `otaru size`
pub(crate) async fn size(session: Session<'_>) -> Result<(), Failure> {
    let project = session.project()?;
    let image = built(session, &project, None).await?;
    let report = size::measure(&project, &image)?;
    let value = serde_json::to_value(&report).unwrap_or_else(|_| json!({}));
    session.output.result("size", &report.in_words(), value);
    for (name, len) in &report.pieces {
        session
            .output
            .text(&format!("  {name:<25} {}", bytes(*len)));
    }
    for section in &report.sections {
        let place = match (section.stored, section.writable) {
            (true, true) => "flash and memory",
            (true, false) => "flash",
            (false, _) => "memory",
        };
        session.output.text(&format!(
            "    {:<23} {} in {place}",
            section.name,
            bytes(section.len)
        ));
    }
    Ok(())
}

/// `otaru upload`
pub(crate) async fn upload(session: Session<'_>, arguments: &Build) -> Result<(), Failure> {
    let project = session.project()?;
    let client = session.client(Some(&project))?;
    let image = image_for(session, &client, &project, arguments.label.as_deref()).await?;
    known_key(session, &client, &project, &image).await?;
    let uploaded = uploaded(session, &client, &project, &image).await?;
    let what = if uploaded.already_there {
        "is there already"
    } else {
        "is uploaded"
    };
    session.output.result(
        "version",
        &format!(
            "version {} of {} {what}",
            image.label, project.settings.firmware
        ),
        json!({
            "firmware": project.settings.firmware,
            "version": uploaded.version.version,
            "id": uploaded.version.id,
            "digest": image.digest,
            "size": image.size,
            "already_there": uploaded.already_there,
        }),
    );
    session.output.text(&format!(
        "no device was updated; `otaru fota --existing {}` does",
        image.label
    ));
    Ok(())
}

/// Builds the project's image and shows how it goes.
pub(crate) async fn built(
    session: Session<'_>,
    project: &OpenProject,
    label: Option<&str>,
) -> Result<BuiltImage, Failure> {
    built_in(session, project, options(label)?).await
}

fn options(label: Option<&str>) -> Result<BuildOptions, Failure> {
    Ok(BuildOptions {
        label: label.map(parse_label).transpose()?,
        target_dir: shared_target_dir(),
        ..BuildOptions::default()
    })
}

/// Builds with the caller's own wishes.
pub(crate) async fn built_in(
    session: Session<'_>,
    project: &OpenProject,
    options: BuildOptions,
) -> Result<BuiltImage, Failure> {
    Ok(follow(session.output, async |job| {
        image::build(project, &options, &job).await
    })
    .await?)
}

/// Builds an image whose label is free in the manager, and shows how it goes.
pub(crate) async fn image_for(
    session: Session<'_>,
    client: &ManagerClient,
    project: &OpenProject,
    label: Option<&str>,
) -> Result<BuiltImage, Failure> {
    let options = options(label)?;
    let work = async |job| free_image(project, client, &options, &job).await;
    Ok(follow(session.output, work).await?)
}

/// Sees to it that the manager knows the key that signed, if the user agrees.
pub(crate) async fn known_key(
    session: Session<'_>,
    client: &ManagerClient,
    project: &OpenProject,
    image: &BuiltImage,
) -> Result<(), Failure> {
    let name = &project.settings.name;
    let key = key_in_words(image);
    let question = || {
        confirm(
            session.output,
            session.arguments.yes,
            &format!(
                "{} does not know the {key} of {name}. Register it there?",
                client.url(),
            ),
        )
    };
    if register_key(client, name, image, question).await? {
        session.output.note(&format!("registered the {key}"));
    }
    Ok(())
}

/// Uploads and shows how it goes.
pub(crate) async fn uploaded(
    session: Session<'_>,
    client: &ManagerClient,
    project: &OpenProject,
    image: &BuiltImage,
) -> Result<Uploaded, Failure> {
    let firmware = &project.settings.firmware;
    let work = async |job| manager::upload(client, firmware, image, &job).await;
    Ok(follow(session.output, work).await?)
}

/// Shows an image as the result of a command.
pub(crate) fn show_image(session: Session<'_>, image: &BuiltImage) {
    session.output.object("image", about(image));
    let encryption = image.encryption.as_ref().map(Encrypted::in_words);
    let lines = [
        ("version", image.label.clone()),
        ("size", bytes(image.size)),
        ("digest", image.digest.clone()),
        ("board", image.board.clone()),
        (
            "key",
            format!(
                "{:.8}{}",
                image.key,
                if image.development_key {
                    " (development)"
                } else {
                    ""
                }
            ),
        ),
    ];
    let encrypted = encryption.map(|how| ("encrypted", how));
    let file = ("file", image.path.display().to_string());
    for (name, value) in lines.into_iter().chain(encrypted).chain([file]) {
        session.output.text(&format!("{name:<9} {value}"));
    }
}

fn about(image: &BuiltImage) -> Value {
    serde_json::to_value(image).unwrap_or_else(|_| json!({ "version": image.label }))
}

fn parse_label(text: &str) -> Result<Label, Failure> {
    Label::new(text).map_err(|error| {
        Failure::new(Exit::Usage, "label", error.to_string())
            .hint("for example `--label summer-2026`")
    })
}
