//! Outputs of many files, as the peer writes them: a segment with each step and the playlist of them all, and one image
//! that is written over.

use std::path::{Path, PathBuf};

use egress::fact::{Fact, FileResult, OutputSet};
use egress::id::OutputId;

pub struct Sets {
    segments: PathBuf,
    images: PathBuf,
    prefix: String,
    count: u32,
}

impl Sets {
    /// Makes the folders, and says what is in them.
    pub fn begin(folder: &Path, name: &str) -> (Self, Vec<Fact>) {
        let prefix = format!("{name}-images/image");
        let images = folder.join(format!("{name}-images"));
        let sets = Self { segments: folder.join(format!("{name}-hls")), images, prefix, count: 0 };
        std::fs::create_dir_all(&sets.segments).unwrap();
        std::fs::create_dir_all(&sets.images).unwrap();
        let mut facts = Vec::new();
        for (id, path, set) in sets.outputs() {
            facts.push(Fact::OutputOpening { output: id.clone(), path });
            facts.push(Fact::Set { output: id.clone(), set });
            facts.push(Fact::OutputActive { output: id, started_at_ns: 1 });
        }
        (sets, facts)
    }

    /// The next segment, and the next image.
    pub fn step(&mut self) {
        std::fs::write(self.segments.join(format!("segment_{:05}.ts", self.count)), "media").unwrap();
        self.count += 1;
        let lines: String = (0..self.count).map(|n| format!("#EXTINF:1.0,\nsegment_{n:05}.ts\n")).collect();
        put(&self.playlist(), &format!("#EXTM3U\n{lines}"));
        put(&self.images.join("image.jpeg"), &format!("image {}", self.count));
    }

    /// All is written.
    pub fn finish(self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (output, path, set) in self.outputs() {
            facts.push(Fact::Set { output: output.clone(), set });
            let result = FileResult {
                path: Some(path),
                size_bytes: 1,
                started_at_ns: 1,
                ended_at_ns: 2,
                duration_ns: 1,
                error: None,
            };
            facts.push(Fact::OutputEnded { output, result });
        }
        facts
    }

    fn playlist(&self) -> PathBuf {
        self.segments.join("playlist.m3u8")
    }

    fn outputs(&self) -> [(OutputId, PathBuf, OutputSet); 2] {
        let count = self.count.into();
        let segments = OutputSet::Segments { live_playlist: None, count };
        let images = OutputSet::Images { prefix: self.prefix.clone(), count };
        [("segments".into(), self.playlist(), segments), ("images".into(), self.images.clone(), images)]
    }
}

/// In one step, as the real one does.
fn put(path: &Path, text: &str) {
    let beside = path.with_extension("part");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}
