//! What the caller found out about the world beside the text. Everything here may be unknown; then
//! nothing is said about it. Nothing is waited for: facts come from what was last seen.

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
    /// It is there and under version control.
    Tracked,
    /// There is no such file.
    Missing,
}

/// The image that was built last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// Its label.
    pub label: String,
    /// Its length in bytes.
    pub len: u32,
}

/// A device or fleet that the manager knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// One line about it: what it runs, whether it is there.
    pub detail: String,
}

/// All such facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The file that `[signing] key` names.
    pub key_file: KeyFile,
    /// The file that `[encryption] key` names; of a public half everybody may read it.
    pub encryption_key: KeyFile,
    /// Key files that the manifest names and that were made for development, as it writes them.
    pub development_keys: Vec<String>,
    /// Key files beside the manifest, as paths relative to it.
    pub key_paths: Vec<String>,
    /// The last build.
    pub built: Option<BuiltImage>,
    /// What the device that updates address runs, a label.
    pub device_runs: Option<String>,
    /// Devices of the manager.
    pub devices: Vec<Known>,
    /// Fleets of the manager.
    pub fleets: Vec<String>,
    /// Why the manager did not answer when it was last asked.
    pub manager_problem: Option<String>,
}
