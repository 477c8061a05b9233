//! Where sealed papers are kept: a folder, a bucket of S3 or of Google Cloud Storage.
//!
//! What is put here is sealed already: whoever reads the store reads nothing.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutPayload, parse_url_opts};
use url::Url;
use uuid::Uuid;

use crate::foundation::TenantId;

/// How long the store may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// `file:///var/lib/diolkos/documents`, `s3://bucket/folder` or `gs://bucket/folder`. What the buckets' services want to
/// know besides comes from their own environment variables (`AWS_…`, `GOOGLE_…`).
#[derive(Clone)]
pub struct DocumentPlace(Url);

/// The text names no place for documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a file:///, s3:// or gs:// URL without credentials")]
pub struct InvalidPlace;

impl FromStr for DocumentPlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let url = Url::parse(text).map_err(|_| InvalidPlace)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let scheme = ObjectStoreScheme::parse(&url).map_err(|_| InvalidPlace)?.0;
        let is_known = matches!(
            (scheme, url.scheme()),
            (ObjectStoreScheme::Local, "file")
                | (ObjectStoreScheme::AmazonS3, "s3")
                | (ObjectStoreScheme::GoogleCloudStorage, "gs")
        );
        (is_plain && is_known).then_some(Self(url)).ok_or(InvalidPlace)
    }
}

impl fmt::Debug for DocumentPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// A store of sealed papers.
#[derive(Clone)]
pub struct DocumentStore {
    store: Arc<dyn ObjectStore>,
    folder: Path,
}

/// The store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It said why.
    #[error("the document store failed")]
    Failed(#[from] object_store::Error),
    /// It said nothing.
    #[error("the document store does not answer")]
    NoAnswer,
}

impl DocumentStore {
    /// The store at a place; nothing is asked yet.
    pub fn new(place: &DocumentPlace) -> Result<Self, StoreError> {
        let options = std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("GOOGLE_"));
        let (store, folder) = parse_url_opts(&place.0, options.map(|(name, value)| (name.to_lowercase(), value)))?;
        Ok(Self { store: store.into(), folder })
    }

    /// Keeps a sealed paper; the same again when it is there.
    pub async fn put(&self, tenant: TenantId, id: Uuid, sealed: Vec<u8>) -> Result<(), StoreError> {
        let path = self.path(tenant, id);
        within(self.store.put(&path, PutPayload::from(sealed))).await.map(drop)
    }

    /// A sealed paper.
    pub async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Vec<u8>, StoreError> {
        let path = self.path(tenant, id);
        let read = async { self.store.get(&path).await?.bytes().await };
        within(read).await.map(|bytes| bytes.to_vec())
    }

    /// Removes a paper; it may be gone already.
    pub async fn remove(&self, tenant: TenantId, id: Uuid) -> Result<(), StoreError> {
        let path = self.path(tenant, id);
        match within(self.store.delete(&path)).await {
            Err(StoreError::Failed(object_store::Error::NotFound { .. })) => Ok(()),
            other => other,
        }
    }

    fn path(&self, tenant: TenantId, id: Uuid) -> Path {
        self.folder.clone().join(tenant.to_string()).join(id.to_string())
    }
}

async fn within<T>(work: impl Future<Output = object_store::Result<T>>) -> Result<T, StoreError> {
    Ok(tokio::time::timeout(TIME_LIMIT, work).await.map_err(|_| StoreError::NoAnswer)??)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        for good in ["file:///var/lib/diolkos/documents", "s3://papers", "s3://papers/acme", "gs://papers/acme"] {
            assert!(good.parse::<DocumentPlace>().is_ok(), "{good}");
        }
        for bad in
            ["", "papers", "/var/lib", "http://x/y", "https://papers.s3.amazonaws.com", "memory:///", "s3://k:s@papers"]
        {
            assert!(bad.parse::<DocumentPlace>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_is_put_can_be_read_until_it_is_removed() {
        let folder = std::env::temp_dir().join(format!("diolkos documents {}", Uuid::now_v7()));
        let url = Url::from_directory_path(&folder).unwrap();
        let store = DocumentStore::new(&url.as_str().parse().unwrap()).unwrap();
        let (tenant, id) = (TenantId::new(), Uuid::now_v7());
        store.put(tenant, id, vec![1, 2, 3]).await.unwrap();
        store.put(tenant, id, vec![1, 2, 3]).await.unwrap();
        assert_eq!(store.get(tenant, id).await.unwrap(), [1, 2, 3]);
        store.remove(tenant, id).await.unwrap();
        store.remove(tenant, id).await.unwrap();
        assert!(store.get(tenant, id).await.is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
