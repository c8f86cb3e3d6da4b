//! A folder as a store: another disk, a network share.
//!
//! Not `object_store`'s own: it has no uploads in parts that outlive the process, and does not force a file
//! onto the disk before it says that it is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rand::Rng;

use super::{Expected, Part, Parts, Remote, Verdict};
use crate::digest::{PartSum, hex};
use crate::fault::StoreError;
use crate::surface::Verified;

/// What is read of a file at a time, bytes.
const PIECE_BYTES: usize = 1 << 20;

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(call).await.map_err(|error| StoreError::Odd(error.to_string()))?
}

/// The file while it is incomplete: beside its place, so that it gets there by being renamed.
fn partial(whole: &Path, id: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(whole.file_name().unwrap_or_default());
    // A file name has at most 255 bytes on most systems.
    let name = if name.len() > 200 { std::ffi::OsString::from(".upload") } else { name };
    let mut name = name;
    name.push(format!(".{id}.part"));
    whole.with_file_name(name)
}

fn make_folder(of: &Path, root: &Path) -> io::Result<()> {
    // The folder itself is the operator's: a disk that is not plugged in must not be written beside.
    if !root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the folder is not there"));
    }
    of.parent().map_or(Ok(()), fs::create_dir_all)
}

/// A rename is on the disk when its folder is.
fn sync_folder(of: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = of.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn place(&self, key: &str) -> PathBuf {
        // A key has been checked to hold no way up and no separators but these.
        key.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }
}

#[async_trait]
impl Remote for Folder {
    fn location(&self, key: &str) -> String {
        self.place(key).to_string_lossy().into_owned()
    }

    async fn put(&self, key: &str, bytes: Bytes, _: PartSum) -> Result<Option<String>, StoreError> {
        let (whole, root) = (self.place(key), self.root.clone());
        let id = self.begin(key).await?;
        blocking(move || {
            make_folder(&whole, &root)?;
            let part = partial(&whole, &id);
            let written = File::create(&part).and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            });
            let placed = written.and_then(|()| fs::rename(&part, &whole));
            if let Err(error) = placed {
                let _ = fs::remove_file(&part);
                return Err(error.into());
            }
            sync_folder(&whole)?;
            Ok(None)
        })
        .await
    }

    async fn begin(&self, _: &str) -> Result<String, StoreError> {
        Ok(hex(&rand::rng().random::<[u8; 8]>()))
    }

    async fn put_part(
        &self,
        key: &str,
        id: &str,
        _: u32,
        offset: u64,
        bytes: Bytes,
        _: PartSum,
    ) -> Result<String, StoreError> {
        let (whole, root) = (self.place(key), self.root.clone());
        let part = partial(&whole, id);
        blocking(move || {
            make_folder(&whole, &root)?;
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&part)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(&bytes)?;
            file.sync_data()?;
            Ok(String::new())
        })
        .await
    }

    async fn parts(&self, key: &str, id: &str) -> Result<Parts, StoreError> {
        let part = partial(&self.place(key), id);
        blocking(move || Ok(if part.is_file() { Parts::Unknown } else { Parts::Gone })).await
    }

    async fn complete(&self, key: &str, id: &str, parts: &[Part]) -> Result<Option<String>, StoreError> {
        let whole = self.place(key);
        let part = partial(&whole, id);
        let size = parts.iter().map(|part| part.sum.size).sum();
        blocking(move || {
            let file = match OpenOptions::new().write(true).open(&part) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Forgotten),
                file => file?,
            };
            file.set_len(size)?;
            file.sync_all()?;
            fs::rename(&part, &whole)?;
            sync_folder(&whole)?;
            Ok(None)
        })
        .await
    }

    async fn abort(&self, key: &str, id: &str) -> Result<(), StoreError> {
        let part = partial(&self.place(key), id);
        blocking(move || match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        })
        .await
    }

    async fn verify(&self, key: &str, expected: Expected<'_>) -> Result<Verdict, StoreError> {
        let whole = self.place(key);
        let (size, sums) = (expected.size, expected.sums());
        blocking(move || {
            let mut file = File::open(&whole)?;
            if file.metadata()?.len() != size {
                return Err(StoreError::Differs("another size".into()));
            }
            for sum in sums {
                let mut bytes = vec![0; usize::try_from(sum.size).map_err(io::Error::other)?];
                file.read_exact(&mut bytes)?;
                if PartSum::of(&bytes) != sum {
                    return Err(StoreError::Differs("another MD5".into()));
                }
            }
            Ok(Verdict::Same(Verified::Md5))
        })
        .await
    }

    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let whole = self.place(key);
        let file = blocking(move || Ok(File::open(&whole)?)).await?;
        let pieces = futures_util::stream::unfold(Some(file), |file| async {
            let mut file = file?;
            let read = blocking(move || {
                let mut bytes = vec![0; PIECE_BYTES];
                let count = file.read(&mut bytes)?;
                bytes.truncate(count);
                Ok((Bytes::from(bytes), file))
            });
            match read.await {
                Ok((bytes, _)) if bytes.is_empty() => None,
                Ok((bytes, file)) => Some((Ok(bytes), Some(file))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(pieces.boxed())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let whole = self.place(key);
        blocking(move || Ok(fs::remove_file(&whole)?)).await
    }
}
