//! What the caller found out about the world beside the text.

/// A file of a private key.
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
    /// The file that `[signing] key` names.
    pub key_file: KeyFile,
    /// The file that `[encryption] key` names; of a public half everybody may read it.
    pub encryption_key: KeyFile,
}
