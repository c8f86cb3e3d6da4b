//! The file of a job's facts: whole lines, whatever the disk does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use egress::fact::Event;
use egress::wire::EVENTS_FILE;

/// The file.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    lines: Lines<File>,
}

impl EventLog {
    /// Opens the log in the job's folder, to go on after what is there: that is returned as well.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn open(folder: &Path) -> io::Result<(Self, Vec<Event>)> {
        let path = folder.join(EVENTS_FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        let store = OpenOptions::new().create(true).append(true).open(&path)?;
        let torn = text.last().is_some_and(|byte| *byte != b'\n');
        Ok((Self { path, lines: Lines { store, unwritten: Vec::new(), torn } }, whole(&text)))
    }

    /// What is in it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn read(&self) -> io::Result<Vec<Event>> {
        Ok(whole(&fs::read(&self.path)?))
    }

    /// Writes facts and forces them onto the disk, all at once, with those that the disk refused before.
    ///
    /// # Errors
    /// If the disk refuses; they are kept, and written with the next.
    pub fn append(&mut self, events: &[Event]) -> io::Result<()> {
        let mut text = Vec::new();
        for event in events {
            serde_json::to_writer(&mut text, event)?;
            text.push(b'\n');
        }
        self.lines.add(&text)
    }
}

/// What lines are written to.
trait Store: Write {
    fn length(&self) -> io::Result<u64>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
    fn force(&mut self) -> io::Result<()>;
}

impl Store for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn force(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Lines that are whole on the disk or not there at all.
#[derive(Debug)]
struct Lines<S> {
    store: S,
    /// What the disk has refused so far.
    unwritten: Vec<u8>,
    /// Part of a line stands at the end, which the next one must not be glued to.
    torn: bool,
}

impl<S: Store> Lines<S> {
    /// Adds whole lines, each with its end.
    fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        self.unwritten.extend_from_slice(lines);
        let length = self.store.length()?;
        if let Err(error) = self.write() {
            // A disk that is full takes the first part of a line.
            if let Err(error) = self.store.cut(length) {
                tracing::error!(%error, "part of a line stays in the log of facts");
                self.torn = true;
            }
            return Err(error);
        }
        self.torn = false;
        self.unwritten.clear();
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.torn {
            self.store.write_all(b"\n")?;
        }
        self.store.write_all(&self.unwritten)?;
        self.store.force()
    }
}

/// The whole facts of a log, in order. A line that was cut off is none, nor is one that stands there twice.
fn whole(text: &[u8]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for event in
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok())
    {
        if event.seq == events.len() as u64 + 1 {
            events.push(event);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use egress::fact::Fact;

    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Debug, Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        cannot_cut: bool,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room.saturating_sub(self.bytes.len()));
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Store for Disk {
        fn length(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            if self.cannot_cut {
                return Err(io::ErrorKind::Other.into());
            }
            self.bytes.truncate(length as usize);
            Ok(())
        }

        fn force(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn event(seq: u64) -> Event {
        Event { seq, at_ns: 0, fact: Fact::Armed }
    }

    fn line(seq: u64) -> Vec<u8> {
        let mut line = serde_json::to_vec(&event(seq)).unwrap();
        line.push(b'\n');
        line
    }

    fn seqs(text: &[u8]) -> Vec<u64> {
        whole(text).iter().map(|event| event.seq).collect()
    }

    #[test]
    fn a_full_disk_costs_no_fact() {
        for cannot_cut in [false, true] {
            let room = line(1).len() * 5 / 2;
            let store = Disk { room, cannot_cut, ..Disk::default() };
            let mut lines = Lines { store, unwritten: Vec::new(), torn: false };
            let written: Vec<bool> = (1..=4).map(|seq| lines.add(&line(seq)).is_ok()).collect();
            assert_eq!(written, [true, true, false, false]);
            assert_eq!(seqs(&lines.store.bytes), [1, 2]);
            // There is room again.
            lines.store.room = usize::MAX;
            lines.add(&line(5)).unwrap();
            assert_eq!(seqs(&lines.store.bytes), [1, 2, 3, 4, 5]);
            lines.add(&line(6)).unwrap();
            assert_eq!(seqs(&lines.store.bytes), [1, 2, 3, 4, 5, 6]);
            if !cannot_cut {
                assert!(lines.store.bytes.split(|b| *b == b'\n').all(|l| l.is_empty() || l.ends_with(b"}")));
            }
        }
    }

    #[test]
    fn a_log_that_ends_within_a_line_goes_on_with_a_line_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(EVENTS_FILE);
        let half = &line(2)[..20];
        fs::write(&path, [&line(1)[..], half].concat()).unwrap();
        let (mut log, before) = EventLog::open(dir.path()).unwrap();
        assert_eq!(before, [event(1)]);
        log.append(&[event(2), event(3)]).unwrap();
        assert_eq!(EventLog::open(dir.path()).unwrap().1, [event(1), event(2), event(3)]);
    }
}
