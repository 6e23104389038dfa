//! What the caller found out about the world beside the text.

/// The file that `[signing] key` names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyFile {
    /// Not looked at yet: nothing is said about it.
    #[default]
    Unknown,
    /// It is there.
    Present,
    /// It is there and everybody on this machine can read it.
    WorldReadable,
    /// There is no such file.
    Missing,
}

/// All such facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The signing key.
    pub key_file: KeyFile,
}
