//! The places in a deployment that matter.

/// The two links an artifact may be loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Download,
    DownloadHttp,
}

/// A place; `docs/formats/ddi.md` has them as a table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Root,
    Id,
    Deployment,
    Download,
    Update,
    Window,
    Chunks,
    Chunk,
    Name,
    Version,
    Encrypted,
    Artifacts,
    Artifact,
    FileName,
    Size,
    Hashes,
    Sha256,
    Links,
    Link(Source),
    Href(Source),
    Metadata,
    Entry,
    EntryKey,
    EntryValue,
}

/// The place of the member `key` of the object at `parent`, if it matters.
pub(super) fn below(parent: Node, key: &str) -> Option<Node> {
    Some(match (parent, key) {
        (Node::Root, "id") => Node::Id,
        (Node::Root, "deployment") => Node::Deployment,
        (Node::Deployment, "download") => Node::Download,
        (Node::Deployment, "update") => Node::Update,
        (Node::Deployment, "maintenanceWindow") => Node::Window,
        (Node::Deployment, "chunks") => Node::Chunks,
        (Node::Chunk, "name") => Node::Name,
        (Node::Chunk, "version") => Node::Version,
        (Node::Chunk, "encrypted") => Node::Encrypted,
        (Node::Chunk, "artifacts") => Node::Artifacts,
        (Node::Chunk, "metadata") => Node::Metadata,
        (Node::Artifact, "filename") => Node::FileName,
        (Node::Artifact, "size") => Node::Size,
        (Node::Artifact, "hashes") => Node::Hashes,
        (Node::Hashes, "sha256") => Node::Sha256,
        (Node::Artifact, "_links") => Node::Links,
        (Node::Links, "download") => Node::Link(Source::Download),
        (Node::Links, "download-http") => Node::Link(Source::DownloadHttp),
        (Node::Link(source), "href") => Node::Href(source),
        (Node::Entry, "key") => Node::EntryKey,
        (Node::Entry, "value") => Node::EntryValue,
        _ => return None,
    })
}
