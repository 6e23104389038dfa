//! Files that pages refer to. They are part of the program; their address holds a hash of the
//! content, so a browser may keep them for ever.

use super::page::WebError;
use crate::error::ApiError;
use crate::secret;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// Hex digits of a hash that stand in an address.
const HASH_LEN: usize = 12;

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 5] = [
    Asset {
        name: "style.css",
        kind: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/style.css"),
    },
    Asset {
        name: "app.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/app.js"),
    },
    Asset {
        name: "htmx.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/htmx-2.0.11.min.js"),
    },
    Asset {
        name: "htmx-LICENSE.txt",
        kind: "text/plain; charset=utf-8",
        content: include_bytes!("../../assets/htmx-LICENSE.txt"),
    },
    Asset {
        name: "icon.svg",
        kind: "image/svg+xml",
        content: include_bytes!("../../assets/icon.svg"),
    },
];

static HASHES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let hash = |asset: &Asset| {
        let mut hash = secret::hex(&Sha256::digest(asset.content));
        hash.truncate(HASH_LEN);
        hash
    };
    ASSETS.iter().map(hash).collect()
});

/// Path of an asset, without the prefix of the manager. Unknown names have none.
pub(super) fn path(name: &str) -> String {
    ASSETS
        .iter()
        .zip(HASHES.iter())
        .find(|(asset, _)| asset.name == name)
        .map_or_else(String::new, |(_, hash)| format!("/assets/{hash}-{name}"))
}

/// Serves an asset under the address that [`path`] gives.
pub(super) async fn serve(Path(file): Path<String>) -> Result<Response, WebError> {
    let found = file.split_once('-').and_then(|(hash, name)| {
        ASSETS
            .iter()
            .zip(HASHES.iter())
            .find(|(asset, current)| asset.name == name && current.as_str() == hash)
    });
    let Some((asset, _)) = found else {
        return Err(ApiError::not_found("file").into());
    };
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, asset.content).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_the_hash_of_the_content() {
        for asset in &ASSETS {
            let path = path(asset.name);
            let hash = secret::hex(&Sha256::digest(asset.content));
            assert!(
                path.starts_with(&format!("/assets/{}", &hash[..HASH_LEN])),
                "{path}"
            );
            assert!(path.ends_with(asset.name), "{path}");
        }
        assert_eq!(path("nothing.js"), "");
    }
}
