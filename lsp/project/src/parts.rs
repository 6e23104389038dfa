//! `[[part]]`: further images that go into the same file as the firmware.

use crate::label::Version;
use crate::problem::{Code, Problem, Repair};
use crate::reader::{Reader, Span, Spanned};

/// Parts a firmware may have; their indices are 1 to this.
pub const PARTS_MAX: u32 = 3;
/// What the image of the project itself is called where one names others.
pub const FIRMWARE_NAME: &str = "firmware";

/// One `[[part]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes of the table's name.
    pub span: Span,
    /// Its name in this file and in messages.
    pub name: Option<Spanned<String>>,
    /// Which image of the device it is.
    pub index: Option<Spanned<u32>>,
    /// Path of the payload, relative to the manifest.
    pub file: Option<Spanned<String>>,
    /// Its version.
    pub version: Option<Spanned<Version>>,
    /// Which other images it needs.
    pub needs: Vec<Spanned<Need>>,
}

/// Another image of the same file, and its lowest version: `"radio 2.1.0"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Name of a part, or [`FIRMWARE_NAME`].
    pub image: String,
    /// The lowest version that will do.
    pub version: Version,
}

/// A part that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSettings {
    /// Its name.
    pub name: String,
    /// Which image of the device it is, 1 to [`PARTS_MAX`].
    pub index: u8,
    /// Path of the payload, relative to the manifest.
    pub file: String,
    /// Its version.
    pub version: Version,
    /// Indices of other images, and their lowest versions.
    pub needs: Vec<(u8, Version)>,
}

impl Part {
    pub(crate) fn settings(&self, all: &[Self]) -> Option<PartSettings> {
        Some(PartSettings {
            name: self.name.as_ref()?.value.clone(),
            index: self.index()?,
            file: self.file.as_ref()?.value.clone(),
            version: self.version.as_ref()?.value.clone(),
            needs: indexed(&self.needs, all)?,
        })
    }

    fn index(&self) -> Option<u8> {
        u8::try_from(self.index.as_ref()?.value).ok()
    }

    fn is_called(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|own| own.value == name)
    }
}

/// What is needed, by index.
pub(crate) fn indexed(needs: &[Spanned<Need>], all: &[Part]) -> Option<Vec<(u8, Version)>> {
    needs
        .iter()
        .map(|need| {
            let need = &need.value;
            let index = if need.image == FIRMWARE_NAME {
                Some(0)
            } else {
                let part = all.iter().find(|part| part.is_called(&need.image));
                part.and_then(Part::index)
            };
            Some((index?, need.version.clone()))
        })
        .collect()
}

pub(crate) fn read_part(table: &mut Reader<'_>) -> Part {
    let name = table.string("name");
    if let Some(taken) = name.as_ref().filter(|name| name.value == FIRMWARE_NAME) {
        let message = format!("`{FIRMWARE_NAME}` is the image of the project itself");
        table.report(Problem::error(Code::Value, taken.span.clone(), message));
    }
    Part {
        name,
        index: table.number("index"),
        file: table.string("file"),
        version: table.string("version").and_then(|text| {
            let version = text.value.parse().ok()?;
            Some(text.with(version))
        }),
        needs: read_needs(table, "needs"),
        span: table.place().span.clone(),
    }
}

/// A list of `"NAME MAJOR.MINOR.PATCH"`.
pub(crate) fn read_needs(table: &mut Reader<'_>, key: &'static str) -> Vec<Spanned<Need>> {
    let mut needs: Vec<Spanned<Need>> = Vec::new();
    for text in table.strings(key) {
        let Some((image, version)) = text.value.split_once(' ') else {
            let message = "a name and a version are needed".to_owned();
            table.report(
                Problem::error(Code::Value, text.span.clone(), message)
                    .with_hint("write `\"radio 2.1.0\"`"),
            );
            continue;
        };
        let Some(version) = read_version(table, &text, version.trim()) else {
            continue;
        };
        if needs.iter().any(|other| other.value.image == image) {
            let message = format!("`{image}` stands in `{key}` already");
            table.report(Problem::error(Code::Value, text.span.clone(), message));
            continue;
        }
        let image = image.to_owned();
        needs.push(text.with(Need { image, version }));
    }
    needs
}

fn read_version(table: &mut Reader<'_>, at: &Spanned<String>, text: &str) -> Option<Version> {
    text.parse()
        .map_err(|error: crate::VersionError| {
            let code = Code::VersionNotSemver;
            table.report(Problem::error(code, at.span.clone(), error.to_string()));
        })
        .ok()
}

/// Reports what the parts of a project make wrong together, and needs that nothing can meet.
pub(crate) fn check_parts(root: &mut Reader<'_>, needs: &[Spanned<Need>], parts: &[Part]) {
    for (place, part) in parts.iter().enumerate() {
        let before = || parts.iter().take(place);
        if let Some(index) = &part.index
            && before().any(|other| other.index() == part.index())
        {
            let message = format!("another part has index {} already", index.value);
            root.report(Problem::error(Code::Conflict, index.span.clone(), message));
        }
        if let Some(name) = &part.name
            && before().any(|other| other.is_called(&name.value))
        {
            let message = format!("another part is called `{}` already", name.value);
            root.report(Problem::error(Code::Conflict, name.span.clone(), message));
        }
    }
    let names: Vec<&str> = parts
        .iter()
        .filter_map(|part| Some(part.name.as_ref()?.value.as_str()))
        .chain([FIRMWARE_NAME])
        .collect();
    for need in parts.iter().flat_map(|part| &part.needs).chain(needs) {
        let image = need.value.image.as_str();
        let found = parts.iter().find(|part| part.is_called(image));
        if !names.contains(&image) {
            let message = format!("there is no part `{image}`");
            let problem = Problem::error(Code::Value, need.span.clone(), message);
            root.report(match crate::nearest(image, &names) {
                Some(name) => {
                    let meant = format!("\"{name} {}\"", need.value.version);
                    problem
                        .with_hint(format!("did you mean `{name}`?"))
                        .with_repair(Repair::change(need.span.clone(), &meant))
                }
                None => problem.with_nearest(image, &names, "\""),
            });
        } else if let Some(version) = found.and_then(|part| part.version.as_ref())
            && numbers(&version.value) < numbers(&need.value.version)
        {
            let message = format!("`{image}` has version {}, which is too old", version.value);
            root.report(Problem::error(Code::Conflict, need.span.clone(), message));
        }
    }
}

const fn numbers(version: &Version) -> (u8, u8, u16) {
    (version.major, version.minor, version.patch)
}
