//! `build` and `upload`.

use crate::arguments::Build;
use crate::confirm::confirm;
use crate::failure::{Exit, Failure};
use crate::progress::{bytes, follow};
use crate::session::Session;
use otaru_lsp_build::builds::BuildNumbers;
use otaru_lsp_build::image::{self, BuildOptions, BuiltImage};
use otaru_lsp_build::manager::{self, ManagerClient, Uploaded};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_project::Label;
use serde_json::{Value, json};

/// How often a build number that another machine has used is replaced before we give up.
const NUMBERS_TRIED_MAX: u32 = 3;

/// `otaru build`
pub(crate) async fn build(session: Session<'_>, arguments: &Build) -> Result<(), Failure> {
    let project = session.project()?;
    let image = built(session, &project, arguments.label.as_deref()).await?;
    show_image(session, &image);
    Ok(())
}

/// `otaru upload`
pub(crate) async fn upload(session: Session<'_>, arguments: &Build) -> Result<(), Failure> {
    let project = session.project()?;
    let client = session.client(Some(&project))?;
    // Whoever cannot upload should learn it before the compiler runs.
    client.workspace().await?;
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
    let label = label.map(parse_label).transpose()?;
    let options = BuildOptions {
        label,
        target_dir: target_dir(),
    };
    built_in(session, project, options).await
}

/// The same, with the caller's own wishes.
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

/// Builds an image whose label is free in the manager, or belongs to this very image there.
///
/// Build numbers are counted on each machine; where two have counted to the same one, the later
/// image takes the next that is free.
pub(crate) async fn image_for(
    session: Session<'_>,
    client: &ManagerClient,
    project: &OpenProject,
    label: Option<&str>,
) -> Result<BuiltImage, Failure> {
    for _ in 0..NUMBERS_TRIED_MAX {
        let image = built(session, project, label).await?;
        let versions = client.versions(&project.settings.firmware).await?;
        let taken = versions
            .iter()
            .any(|known| known.version == image.label && known.digest != image.digest);
        if !taken {
            return Ok(image);
        }
        if !image.automatic {
            return Err(version_taken(&image));
        }
        let highest = versions
            .iter()
            .filter_map(|known| known.version.rsplit_once('+')?.1.parse::<u32>().ok())
            .max()
            .unwrap_or(image.build);
        session.output.note(&format!(
            "{} was used on another machine for another image; taking a new number",
            image.label
        ));
        BuildNumbers::in_folder(&project.state_dir()).raise_to(highest, &image.content)?;
    }
    Err(Failure::new(
        Exit::Failed,
        "version-exists",
        "no free build number was found",
    )
    .hint("give the image a label of your own: `--label my-label`"))
}

fn version_taken(image: &BuiltImage) -> Failure {
    let message = format!(
        "version {} exists already and has another content",
        image.label
    );
    Failure::new(Exit::Failed, "version-exists", message)
        .hint("a version is never replaced; choose another label")
}

/// Sees to it that the manager knows the key that signed, if the user agrees.
pub(crate) async fn known_key(
    session: Session<'_>,
    client: &ManagerClient,
    project: &OpenProject,
    image: &BuiltImage,
) -> Result<(), Failure> {
    let ring = client.keys().await?;
    if ring
        .iter()
        .any(|key| key.public_key.eq_ignore_ascii_case(&image.key))
    {
        return Ok(());
    }
    let kind = if image.development_key {
        "development key"
    } else {
        "key"
    };
    confirm(
        session.output,
        session.arguments.yes,
        &format!(
            "{} does not know the {kind} {:.8} of {}. Register it there?",
            client.url(),
            image.key,
            project.settings.name
        ),
    )?;
    client
        .add_key(&project.settings.name, &image.key, image.development_key)
        .await?;
    session
        .output
        .note(&format!("registered the {kind} {:.8}", image.key));
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
    for (name, value) in [
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
        ("file", image.path.display().to_string()),
    ] {
        session.output.text(&format!("{name:<8} {value}"));
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

/// Cargo's target directory, if many projects are to share one.
pub(crate) fn target_dir() -> Option<std::path::PathBuf> {
    std::env::var_os("OTARU_TARGET_DIR").map(std::path::PathBuf::from)
}
