//! The job's own log of facts: on the disk before anybody is told.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use egress::fact::{Event, Fact};
use egress::wire::EVENTS_FILE;

/// Numbers facts and keeps them.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    events: Vec<Event>,
}

impl EventLog {
    /// Opens the log in the job's folder; goes on after what is there.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(EVENTS_FILE);
        let events = read(&path)?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, events })
    }

    /// Writes a fact and forces it onto the disk.
    ///
    /// # Errors
    /// If the disk refuses; the fact is numbered and kept in memory all the same.
    pub fn append(&mut self, fact: Fact) -> (Event, io::Result<()>) {
        let event = Event { seq: self.events.len() as u64 + 1, at_ns: unix_now_ns(), fact };
        self.events.push(event.clone());
        let written = serde_json::to_vec(&event).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)?;
            self.file.sync_data()
        });
        (event, written)
    }

    /// The facts after number `seq`.
    pub fn after(&self, seq: u64) -> &[Event] {
        &self.events[(seq as usize).min(self.events.len())..]
    }
}

/// The whole facts of a log; a line that is cut off ends it.
fn read(path: &Path) -> io::Result<Vec<Event>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(BufReader::new(file)
        .lines()
        .map_while(Result::ok)
        .map_while(|line| serde_json::from_str(&line).ok())
        .collect())
}

/// Unix time, ns.
pub fn unix_now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}
