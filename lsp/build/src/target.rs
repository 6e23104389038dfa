//! Whom a project's updates address when nobody says.

use crate::manager::{Device, Target};
use otaru_lsp_project::{Settings, UpdateTarget};

/// Longest name that is made, in characters.
const NAME_LEN_MAX: usize = 64;

/// A name with everything replaced that a device, a folder or a cargo package cannot have. The
/// device of a project that names none is called so.
pub fn plain_name(name: &str) -> String {
    let plain = |c: char| {
        let fits = c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if fits { c } else { '-' }
    };
    let name: String = name.chars().map(plain).take(NAME_LEN_MAX).collect();
    name.trim_start_matches(['-', '_']).to_owned()
}

/// Whom the manifest addresses; if it names neither device nor fleet, the device that is called
/// like the project.
pub fn default_target(settings: &Settings) -> Target {
    match &settings.target {
        Some(UpdateTarget::Device(device)) => Target::Devices(vec![device.clone()]),
        Some(UpdateTarget::Fleet(fleet)) => Target::Fleets(vec![fleet.clone()]),
        None => Target::Devices(vec![plain_name(&settings.name)]),
    }
}

impl Target {
    /// Whether one of the devices named is this one, by id or by name. A fleet names no device.
    pub fn names(&self, device: &Device) -> bool {
        match self {
            Self::Devices(wanted) => wanted
                .iter()
                .any(|wanted| *wanted == device.id || *wanted == device.name),
            Self::Fleets(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    // A38: an update addresses what the manifest says, else the project's own device.
    use super::*;
    use otaru_lsp_project::Manifest;

    fn target(name: &str, manager: &str) -> Target {
        let text = format!(
            "[project]\nname = \"{name}\"\nboard = \"host\"\n[signing]\nkey = \"keys/dev.pem\"\n\
             [manager]\nurl = \"http://127.0.0.1:8480\"\n{manager}"
        );
        let read = Manifest::parse(&text);
        let settings = read.model.settings();
        default_target(settings.as_ref().unwrap_or_else(|| {
            panic!("the manifest is complete, but: {:?}", read.problems);
        }))
    }

    fn devices(name: &str) -> Target {
        Target::Devices(vec![name.to_owned()])
    }

    fn device(id: &str, name: &str) -> Device {
        serde_json::from_value(serde_json::json!({ "id": id, "name": name })).unwrap()
    }

    #[test]
    fn the_manifest_is_asked_first() {
        assert_eq!(target("lamp", "device = \"hall\"\n"), devices("hall"));
        assert_eq!(
            target("lamp", "fleet = \"house\"\n"),
            Target::Fleets(vec!["house".to_owned()])
        );
    }

    #[test]
    fn without_a_word_in_the_manifest_the_device_is_called_like_the_project() {
        assert_eq!(target("lamp", ""), devices("lamp"));
        assert_eq!(target("My lamp", ""), devices("My-lamp"));
    }

    #[test]
    fn names_become_plain() {
        for (name, plain) in [
            ("lamp", "lamp"),
            ("Lamp_2-b", "Lamp_2-b"),
            ("../étage 2", "tage-2"),
            ("--_", ""),
            ("", ""),
        ] {
            assert_eq!(plain_name(name), plain, "{name:?}");
        }
        assert_eq!(plain_name(&"x".repeat(200)).len(), NAME_LEN_MAX);
    }

    #[test]
    fn a_device_is_named_by_id_or_name_and_never_by_its_fleet() {
        let hall = device("dev-1", "hall");
        assert!(devices("hall").names(&hall));
        assert!(devices("dev-1").names(&hall));
        assert!(!devices("dev-2").names(&hall));
        assert!(!Target::Fleets(vec!["hall".to_owned()]).names(&hall));
    }
}
