//! Public halves of private keys that everybody has, because they stand in Otaru's own repository. Who
//! copies such a file keeps no secret, even without its mark.

/// Those of `core/image/tests/vectors/v1`: Ed25519, P-256 and X25519.
const PUBLISHED: [&str; 3] = [
    "e67864cc5ab39acb4bae8f5676b531dbc9c41dab13fddcc6e54d8165797194bf",
    "03d67807bf71548be773960540b46ac228a767b9dac3e909260cc4704a11bc388e",
    "79c58efb0145d4c8270c8876c112fcf5c11de3426d30c023d7e1dcafd704ec2b",
];

/// Whether this public half, in hex digits, is one of them.
pub(super) fn is_published(public: &str) -> bool {
    PUBLISHED.contains(&public)
}

#[cfg(test)]
mod tests {
    use super::super::{DeviceKey, ProjectKey};
    use std::path::Path;

    #[test]
    fn keys_of_the_vectors_are_development_keys_without_their_mark_too() {
        let vectors =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/image/tests/vectors/v1");
        let folder = tempfile::tempdir().unwrap();
        let copied = |name: &str| {
            let text = std::fs::read_to_string(vectors.join(name)).unwrap();
            let begin = text.find("-----BEGIN").unwrap();
            assert!(text.starts_with(super::super::DEVELOPMENT_MARK), "{name}");
            let path = folder.path().join(name);
            std::fs::write(&path, &text[begin..]).unwrap();
            path
        };
        for name in ["signing-key.pem", "p256-key.pem"] {
            assert!(
                ProjectKey::load(&copied(name)).unwrap().development,
                "{name}"
            );
        }
        let device = copied("encryption-key.pem");
        assert!(DeviceKey::load(&device).unwrap().development);
    }
}
