//! Stored images, named by their SHA-256, in an object store: a local folder by default.
//!
//! Content never changes under a name, so small images that many devices want at once are kept in
//! memory and served as slices.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt as _;

/// Largest image that is kept in memory, in bytes.
const CACHED_LEN_MAX: u64 = 4 << 20;
/// Images kept in memory.
const CACHED_COUNT_MAX: usize = 8;
/// Bytes read at once from a larger image.
const PART_LEN: u64 = 256 << 10;
/// Bytes written at once when an upload is taken over.
const WRITE_LEN: usize = 5 << 20;

/// What image files are called behind their digest.
const EXTENSION: &str = ".img";

/// A stream of the bytes of an image.
pub(crate) type BlobStream = BoxStream<'static, io::Result<Bytes>>;

/// The store of images.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    objects: Arc<dyn ObjectStore>,
    /// Most recently used last.
    cached: Arc<Mutex<VecDeque<(String, Bytes)>>>,
}

impl Blobs {
    /// Images in this folder, which must exist. Written files are synced before they get their name.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Self> {
        let objects = LocalFileSystem::new_with_prefix(folder)
            .map_err(io_error)?
            .with_fsync(true);
        Ok(Self {
            objects: Arc::new(objects),
            cached: Arc::default(),
        })
    }

    /// Takes over a complete file as the image of this digest.
    pub(crate) async fn adopt(&self, file: &Path, sha256: &str) -> io::Result<()> {
        let location = location(sha256);
        if self.objects.head(&location).await.is_ok() {
            return Ok(());
        }
        let mut file = tokio::fs::File::open(file).await?;
        let mut upload = self
            .objects
            .put_multipart(&location)
            .await
            .map_err(io_error)?;
        loop {
            let mut part = Vec::with_capacity(WRITE_LEN);
            let limit = u64::try_from(WRITE_LEN).unwrap_or(u64::MAX);
            (&mut file).take(limit).read_to_end(&mut part).await?;
            if part.is_empty() {
                break;
            }
            if let Err(error) = upload.put_part(PutPayload::from(part)).await {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, "could not remove an incomplete image");
                }
                return Err(io_error(error));
            }
        }
        upload.complete().await.map_err(io_error)?;
        Ok(())
    }

    /// Removes the image of this digest, if it is there.
    pub(crate) async fn remove(&self, sha256: &str) -> io::Result<()> {
        self.cached().retain(|(name, _)| name != sha256);
        match self.objects.delete(&location(sha256)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(io_error(error)),
        }
    }

    /// SHA-256 of every image there is.
    pub(crate) async fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut listed = self.objects.list(None);
        while let Some(object) = listed.next().await {
            let location = object.map_err(io_error)?.location;
            let name = location
                .filename()
                .and_then(|name| name.strip_suffix(EXTENSION));
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }

    /// The bytes `range` of an image of `len` bytes.
    pub(crate) async fn read(
        &self,
        sha256: &str,
        len: u64,
        range: Range<u64>,
    ) -> io::Result<BlobStream> {
        if len <= CACHED_LEN_MAX {
            let bytes = self.whole(sha256).await?;
            let slice = to_usize(&range).filter(|range| range.end <= bytes.len());
            let slice = slice.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            let slice = bytes.slice(slice);
            return Ok(futures_util::stream::once(async { Ok(slice) }).boxed());
        }
        let objects = Arc::clone(&self.objects);
        let location = location(sha256);
        let parts = futures_util::stream::try_unfold(range, move |range| {
            let (objects, location) = (Arc::clone(&objects), location.clone());
            async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let end = range.end.min(range.start + PART_LEN);
                let part = objects
                    .get_range(&location, range.start..end)
                    .await
                    .map_err(io_error)?;
                Ok(Some((part, end..range.end)))
            }
        });
        Ok(parts.boxed())
    }

    async fn whole(&self, sha256: &str) -> io::Result<Bytes> {
        if let Some(bytes) = self.cached_copy(sha256) {
            return Ok(bytes);
        }
        let object = self
            .objects
            .get(&location(sha256))
            .await
            .map_err(io_error)?;
        let bytes = object.bytes().await.map_err(io_error)?;
        let mut cached = self.cached();
        if cached.iter().all(|(name, _)| name != sha256) {
            if cached.len() == CACHED_COUNT_MAX {
                cached.pop_front();
            }
            cached.push_back((sha256.to_owned(), bytes.clone()));
        }
        Ok(bytes)
    }

    fn cached_copy(&self, sha256: &str) -> Option<Bytes> {
        let mut cached = self.cached();
        let at = cached.iter().position(|(name, _)| name == sha256)?;
        let entry = cached.remove(at)?;
        let bytes = entry.1.clone();
        cached.push_back(entry);
        Some(bytes)
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Bytes)>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn location(sha256: &str) -> ObjectPath {
    ObjectPath::from(format!("{sha256}{EXTENSION}"))
}

fn to_usize(range: &Range<u64>) -> Option<Range<usize>> {
    Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// Keeps the kind of an error from the file system, so that a full disk stays recognisable.
fn io_error(error: object_store::Error) -> io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = source {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return io::Error::new(io.kind(), error);
        }
        source = current.source();
    }
    io::Error::other(error)
}
