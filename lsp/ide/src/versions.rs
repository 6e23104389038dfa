//! The next versions.

use otaru_lsp_project::Version;

/// What a version is raised to: the part that grows, and the result, if it fits the image format.
pub(crate) fn raised(version: &Version) -> Vec<(&'static str, Version)> {
    let of = |major, minor, patch| Version {
        major,
        minor,
        patch,
        pre: None,
    };
    let (major, minor, patch) = (version.major, version.minor, version.patch);
    let patch = patch.checked_add(1).map(|patch| of(major, minor, patch));
    let next_minor = minor.checked_add(1).map(|minor| of(major, minor, 0));
    let next_major = major.checked_add(1).map(|major| of(major, 0, 0));
    [
        ("patch", patch),
        ("minor", next_minor),
        ("major", next_major),
    ]
    .into_iter()
    .filter_map(|(part, version)| Some((part, version?)))
    .collect()
}
