//! Files of this computer that go up.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::board::FileFacts;
use crate::fault::StoreError;
use crate::remote::Part;

/// Makes a call off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(call).await.map_err(|error| StoreError::Odd(error.to_string()))?
}

pub(crate) fn facts_of(path: &Path) -> Result<FileFacts, StoreError> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::FileGone),
        metadata => metadata?,
    };
    if !metadata.is_file() {
        return Err(StoreError::FileGone);
    }
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let changed_ns = i64::try_from(changed.as_nanos()).unwrap_or(i64::MAX);
    Ok(FileFacts { size: metadata.len(), changed_ns })
}

/// Size and time of change of a file.
pub(crate) async fn facts(path: PathBuf) -> Result<FileFacts, StoreError> {
    blocking(move || facts_of(&path)).await
}

/// A piece of a file, all of it.
pub(crate) async fn read(path: PathBuf, offset: u64, length: u64) -> Result<Bytes, StoreError> {
    blocking(move || {
        let mut file = open(&path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(StoreError::Changed),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

fn open(path: &Path) -> Result<File, StoreError> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::FileGone),
        file => Ok(file?),
    }
}

/// Whether a file still is what its parts were.
pub(crate) async fn same_as_file(path: PathBuf, parts: Vec<Part>) -> Result<bool, StoreError> {
    blocking(move || {
        let mut file = open(&path)?;
        let mut bytes = Vec::new();
        for part in &parts {
            bytes.resize(usize::try_from(part.sum.size).map_err(io::Error::other)?, 0);
            match file.read_exact(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                read => read?,
            }
            if <[u8; 16]>::from(Md5::digest(&bytes)) != part.sum.md5 {
                return Ok(false);
            }
        }
        Ok(file.read(&mut [0])? == 0)
    })
    .await
}
