//! Which egresses came over the bus and whose end the server has not heard yet: on the disk before they are started,
//! so that a worker that was killed at any moment tells the server the truth when it comes back.
//!
//! A file of lines, each written and forced to the disk: `+ EG_…` for one that is taken, `- EG_…` for one whose end
//! was heard. It is rewritten, short, at each start. What a job is stands in the studio's journal, not here.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// Name of the file in the data folder.
pub const LEDGER_FILE: &str = "bus.ledger";

/// The ledger. A cheap handle.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Arc<Mutex<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    owed: BTreeSet<String>,
}

impl Ledger {
    /// Opens the ledger of a folder, or begins one.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(LEDGER_FILE);
        let owed = match std::fs::read_to_string(&path) {
            Ok(text) => read(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            // A damaged one keeps nobody from working: the studio's journal knows the jobs that run.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        let new = beside(&path);
        let mut file = File::create(&new)?;
        let lines: String = owed.iter().map(|id| format!("+ {id}\n")).collect();
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        Ok(Self { inner: Arc::new(Mutex::new(Open { file, owed })) })
    }

    /// The egresses whose end is owed to the server.
    pub fn owed(&self) -> Vec<String> {
        self.inner.lock().owed.iter().cloned().collect()
    }

    /// An egress is taken.
    ///
    /// # Errors
    /// That cannot be written down. Then it must not be started.
    pub async fn taken(&self, id: &str) -> io::Result<()> {
        self.note('+', id).await
    }

    /// The server has heard of its end, or nobody will ask for it.
    ///
    /// # Errors
    /// That cannot be written down: the server hears it again after the next start.
    pub async fn settled(&self, id: &str) -> io::Result<()> {
        self.note('-', id).await
    }

    async fn note(&self, sign: char, id: &str) -> io::Result<()> {
        if !plain(id) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let (inner, id) = (self.inner.clone(), id.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut open = inner.lock();
            let changes = if sign == '+' { open.owed.insert(id.clone()) } else { open.owed.remove(&id) };
            if changes {
                // In one write: a line is there or is not.
                open.file.write_all(format!("{sign} {id}\n").as_bytes())?;
                open.file.sync_data()?;
            }
            Ok(())
        })
        .await
        .map_err(io::Error::other)?
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("ledger.new")
}

/// Whether an id can stand in a line. LiveKit's can.
pub fn plain(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 128
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A last line that was cut off, or damaged ones, are left aside.
fn read(text: &str) -> BTreeSet<String> {
    let mut owed = BTreeSet::new();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        match line.split_once(' ') {
            Some(("+", id)) if plain(id) => {
                owed.insert(id.to_owned());
            }
            Some(("-", id)) => {
                owed.remove(id);
            }
            _ => {}
        }
    }
    owed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn what_is_owed_outlives_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.taken("EG_1").await.unwrap();
        ledger.taken("EG_2").await.unwrap();
        ledger.taken("EG_2").await.unwrap();
        ledger.settled("EG_1").await.unwrap();
        ledger.settled("EG_3").await.unwrap();
        assert!(ledger.taken("EG_4\n- EG_2").await.is_err());
        drop(ledger);
        let again = Ledger::open(folder.path()).unwrap();
        assert_eq!(again.owed(), ["EG_2"]);
        again.settled("EG_2").await.unwrap();
        assert!(Ledger::open(folder.path()).unwrap().owed().is_empty());
    }

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        assert_eq!(read("+ EG_1\n+ EG_2"), BTreeSet::from(["EG_1".to_owned()]));
        assert!(read("+ EG_1\n- EG_1\n").is_empty());
        assert!(read("rubbish\n+\n+  \n").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".*") {
            prop_assert!(read(&text).iter().all(|id| plain(id)));
        }
    }
}
