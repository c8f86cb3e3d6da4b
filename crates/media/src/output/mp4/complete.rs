//! The samples of all fragments become one index.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::boxes::{CUT, Mp4Error, be32, be64, children, find, numbers, put, table};
use super::sets::{DESCRIBED, settled};

/// Largest index that is read into memory: an hour has some 4 MB.
const MAX_INDEX_BYTES: u64 = 512 << 20;

/// Completes the file at `path`, if it is not complete. Returns its length in ns.
///
/// # Errors
/// If it holds nothing playable, or the disk refuses; it is then as it was.
pub fn complete(path: &Path) -> Result<i64, Mp4Error> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    complete_file(&mut file)
}

/// As [`complete`], on an open file.
pub(super) fn complete_file(file: &mut File) -> Result<i64, Mp4Error> {
    let top = top_level(file)?;
    let moov = top.iter().find(|b| b.kind == *b"moov").ok_or(Mp4Error::Malformed("no index was written"))?;
    let head = read(file, moov)?;
    let mut tracks = tracks(&head)?;
    let Some(kept) = top.iter().find(|b| b.kind == *b"free" && b.size >= 16 && b.end() == moov.start) else {
        // Completed before.
        return Ok(length_ns(&tracks));
    };
    for fragment in top.iter().filter(|b| b.kind == *b"moof") {
        add_fragment(&read(file, fragment)?, fragment.start, &mut tracks)?;
    }
    // A fragment whose media was cut off is not in the index.
    let end = top.last().map_or(0, Place::end);
    for track in &mut tracks {
        track.samples.retain(|s| s.at + u64::from(s.size) <= end);
        track.coarsen();
        track.length = track.start + track.media();
    }
    if tracks.iter().all(|t| t.samples.is_empty()) {
        return Err(Mp4Error::Malformed("no whole picture or sound in it"));
    }
    let index = index(&head, &tracks)?;
    let appended = write_at(file, end, &index)
        .and_then(|()| file.set_len(end + index.len() as u64))
        .and_then(|()| file.sync_data());
    if let Err(error) = appended {
        // What stood behind `end` was not whole; the fragments are as they were.
        let _ = file.set_len(end);
        return Err(error.into());
    }
    let mut span = numbers(&[1]);
    span.extend_from_slice(b"mdat");
    span.extend_from_slice(&(end - kept.start).to_be_bytes());
    write_at(file, kept.start, &span)?;
    file.sync_data()?;
    Ok(length_ns(&tracks))
}

fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// A box in the file.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: [u8; 4],
    start: u64,
    size: u64,
    head: u64,
}

impl Place {
    fn end(&self) -> u64 {
        self.start + self.size
    }
}

/// The whole boxes of a file, up to the first that is not.
fn top_level(file: &mut File) -> Result<Vec<Place>, Mp4Error> {
    let total = file.seek(SeekFrom::End(0))?;
    let mut places = Vec::new();
    let mut at = 0;
    while at + 8 <= total {
        let mut head = [0u8; 16];
        let count = head.len().min((total - at) as usize);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head[..count])?;
        let kind = [head[4], head[5], head[6], head[7]];
        let (size, head_size) = match be32(&head, 0)? {
            1 if count == 16 => (be64(&head, 8)?, 16),
            n => (u64::from(n), 8),
        };
        // Size 0, to the end of the file, is the fragment that was open.
        if size < head_size || at + size > total {
            break;
        }
        places.push(Place { kind, start: at, size, head: head_size });
        at += size;
    }
    Ok(places)
}

fn read(file: &mut File, place: &Place) -> Result<Vec<u8>, Mp4Error> {
    if place.size > MAX_INDEX_BYTES {
        return Err(Mp4Error::Malformed("an index too large to be one of ours"));
    }
    let mut bytes = vec![0; (place.size - place.head) as usize];
    file.seek(SeekFrom::Start(place.start + place.head))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// One picture or packet.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: u64,
    size: u32,
    duration: u64,
    sync: bool,
    /// Its parameter sets are in the track's description.
    described: bool,
}

/// The longest sample that players understand, ticks: they take its length for a signed number.
const LONGEST: u64 = i32::MAX as u64;
/// What a tick becomes longer by where a sample is too long.
const COARSER: u64 = 10;

#[derive(Debug)]
struct Track {
    id: u32,
    timescale: u32,
    /// When its first sample begins.
    start: u64,
    samples: Vec<Sample>,
    /// Its start and the durations so far.
    length: u64,
    /// So many ticks of the head are one of `timescale`.
    coarser: u64,
    default_duration: u32,
    default_size: u32,
    default_flags: u32,
}

impl Track {
    fn push(&mut self, sample: Sample) {
        self.length += sample.duration;
        self.samples.push(sample);
    }

    /// Counts in larger ticks while a sample is too long for those there are: at 90 kHz after 6.6 hours in which a camera
    /// was off. Ends are rounded, not lengths, so that nothing adds up; the ticks of a frame rate stay whole.
    fn coarsen(&mut self) {
        let coarser = |ticks: u64| (ticks + COARSER / 2) / COARSER;
        while self.samples.iter().any(|s| s.duration > LONGEST)
            && u64::from(self.timescale).is_multiple_of(COARSER)
        {
            let (mut end, mut told) = (self.start, coarser(self.start));
            self.start = told;
            for sample in &mut self.samples {
                end += sample.duration;
                let ends = coarser(end).max(told + 1);
                sample.duration = ends - told;
                told = ends;
            }
            self.timescale /= COARSER as u32;
            self.coarser *= COARSER;
        }
    }

    /// How long all samples are together.
    fn media(&self) -> u64 {
        self.samples.iter().map(|sample| sample.duration).sum()
    }
}

/// Whether a full box has times of 64 bits.
fn wide(body: &[u8]) -> bool {
    body.first() == Some(&1)
}

fn length_ns(tracks: &[Track]) -> i64 {
    let longest =
        tracks.iter().map(|t| u128::from(t.length) * 1_000_000_000 / u128::from(t.timescale.max(1)));
    longest.max().unwrap_or(0) as i64
}

/// The tracks of an index, with the samples it has itself.
fn tracks(moov: &[u8]) -> Result<Vec<Track>, Mp4Error> {
    let mut tracks = Vec::new();
    for (kind, trak) in children(moov)? {
        if kind != *b"trak" {
            continue;
        }
        let tkhd = find(trak, &[*b"tkhd"])?;
        let mdhd = find(trak, &[*b"mdia", *b"mdhd"])?;
        let mut track = Track {
            id: be32(tkhd, if wide(tkhd) { 20 } else { 12 })?,
            timescale: be32(mdhd, if wide(mdhd) { 20 } else { 12 })?,
            start: 0,
            samples: Vec::new(),
            length: 0,
            coarser: 1,
            default_duration: 0,
            default_size: 0,
            default_flags: 0,
        };
        track.length = if wide(mdhd) { be64(mdhd, 24)? } else { u64::from(be32(mdhd, 16)?) };
        tracks.push(track);
    }
    for (_, trex) in
        children(find(moov, &[*b"mvex"]).unwrap_or(&[]))?.into_iter().filter(|(k, _)| k == b"trex")
    {
        let id = be32(trex, 4)?;
        if let Some(track) = tracks.iter_mut().find(|t| t.id == id) {
            track.default_duration = be32(trex, 12)?;
            track.default_size = be32(trex, 16)?;
            track.default_flags = be32(trex, 20)?;
        }
    }
    Ok(tracks)
}

/// Adds the samples of a fragment.
fn add_fragment(moof: &[u8], start: u64, tracks: &mut [Track]) -> Result<(), Mp4Error> {
    for (kind, traf) in children(moof)? {
        if kind != *b"traf" {
            continue;
        }
        let tfhd = find(traf, &[*b"tfhd"])?;
        let flags = be32(tfhd, 0)? & 0x00ff_ffff;
        let id = be32(tfhd, 4)?;
        let Some(track) = tracks.iter_mut().find(|t| t.id == id) else { continue };
        let mut at = 8;
        let mut base = start;
        let mut optional = |flag: u32, wide: bool| -> Result<Option<u64>, Mp4Error> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let value = if wide { be64(tfhd, at)? } else { u64::from(be32(tfhd, at)?) };
            at += if wide { 8 } else { 4 };
            Ok(Some(value))
        };
        if let Some(place) = optional(0x1, true)? {
            base = place;
        }
        optional(0x2, false)?;
        let duration = optional(0x8, false)?.map_or(track.default_duration, |v| v as u32);
        let size = optional(0x10, false)?.map_or(track.default_size, |v| v as u32);
        let sample_flags = optional(0x20, false)?.map_or(track.default_flags, |v| v as u32);
        if let Ok(tfdt) = find(traf, &[*b"tfdt"]) {
            let time = if tfdt.first() == Some(&1) { be64(tfdt, 4)? } else { u64::from(be32(tfdt, 4)?) };
            // A hole between fragments belongs to the sample before it.
            let hole = time.saturating_sub(track.length);
            match track.samples.last_mut() {
                Some(last) => last.duration += hole,
                None => track.start = hole,
            }
            track.length += hole;
        }
        let mut next = base;
        for (_, trun) in children(traf)?.into_iter().filter(|(k, _)| k == b"trun") {
            let flags = be32(trun, 0)? & 0x00ff_ffff;
            let count = be32(trun, 4)?;
            let mut at = 8;
            if flags & 0x1 != 0 {
                next = base.wrapping_add_signed(i64::from(be32(trun, at)? as i32));
                at += 4;
            }
            let mut first_flags = None;
            if flags & 0x4 != 0 {
                first_flags = Some(be32(trun, at)?);
                at += 4;
            }
            for n in 0..count {
                let mut field = |flag: u32, default: u32| -> Result<u32, Mp4Error> {
                    if flags & flag == 0 {
                        return Ok(default);
                    }
                    at += 4;
                    be32(trun, at - 4)
                };
                let duration = u64::from(field(0x100, duration)?);
                let size = field(0x200, size)?;
                let own_flags = field(0x400, sample_flags)?;
                field(0x800, 0)?;
                let sample_flags = first_flags.filter(|_| n == 0).unwrap_or(own_flags);
                // Bit 16: the sample is not one that decoding can start from.
                let (sync, described) = (sample_flags & 0x1_0000 == 0, sample_flags & 0xffff == DESCRIBED);
                track.push(Sample { at: next, size, duration, sync, described });
                next += u64::from(size);
            }
        }
    }
    Ok(())
}

/// The index of the whole file: the first one, with all samples and without the fragments' part.
fn index(moov: &[u8], tracks: &[Track]) -> Result<Vec<u8>, Mp4Error> {
    let mvhd = find(moov, &[*b"mvhd"])?;
    let movie_scale = be32(mvhd, if wide(mvhd) { 20 } else { 12 })?;
    let in_movie = |track: &Track| {
        (u128::from(track.length) * u128::from(movie_scale) / u128::from(track.timescale.max(1))) as u64
    };
    let longest = tracks.iter().map(in_movie).max().unwrap_or(0);
    let mut body = Vec::new();
    let mut next = tracks.iter();
    for (kind, inner) in children(moov)? {
        match &kind {
            b"mvex" => {}
            b"mvhd" => put(&mut body, &kind, &with_duration(inner, 16, 24, longest)),
            b"trak" => {
                let track = next.next().ok_or(CUT)?;
                // Nothing of it ever came.
                if track.samples.is_empty() {
                    continue;
                }
                put(&mut body, &kind, &trak(inner, track, movie_scale, in_movie(track))?);
            }
            _ => put(&mut body, &kind, inner),
        }
    }
    let mut out = Vec::new();
    put(&mut out, b"moov", &body);
    Ok(out)
}

fn trak(inner: &[u8], track: &Track, movie_scale: u32, in_movie: u64) -> Result<Vec<u8>, Mp4Error> {
    let mut body = Vec::new();
    for (kind, inner) in children(inner)? {
        match &kind {
            b"tkhd" => put(&mut body, &kind, &with_duration(inner, 20, 28, in_movie)),
            b"edts" => put(&mut body, &kind, &edits(inner, track, movie_scale, in_movie)?),
            b"mdia" => {
                let mut mdia = Vec::new();
                for (kind, inner) in children(inner)? {
                    match &kind {
                        b"mdhd" => {
                            let mut mdhd = with_duration(inner, 16, 24, track.media());
                            let at = if wide(&mdhd) { 20 } else { 12 };
                            if let Some(place) = mdhd.get_mut(at..at + 4) {
                                place.copy_from_slice(&track.timescale.to_be_bytes());
                            }
                            put(&mut mdia, &kind, &mdhd);
                        }
                        b"minf" => {
                            let mut minf = Vec::new();
                            for (kind, inner) in children(inner)? {
                                match &kind {
                                    b"stbl" => put(&mut minf, &kind, &sample_table(inner, track)?),
                                    _ => put(&mut minf, &kind, inner),
                                }
                            }
                            put(&mut mdia, &kind, &minf);
                        }
                        _ => put(&mut mdia, &kind, inner),
                    }
                }
                put(&mut body, &kind, &mdia);
            }
            _ => put(&mut body, &kind, inner),
        }
    }
    Ok(body)
}

/// A full box with the duration replaced, which is at one of two places by version.
fn with_duration(body: &[u8], narrow_at: usize, wide_at: usize, duration: u64) -> Vec<u8> {
    let mut out = body.to_vec();
    if wide(&out) {
        if let Some(place) = out.get_mut(wide_at..wide_at + 8) {
            place.copy_from_slice(&duration.to_be_bytes());
        }
    } else if let Some(place) = out.get_mut(narrow_at..narrow_at + 4) {
        place.copy_from_slice(&u32::try_from(duration).unwrap_or(u32::MAX).to_be_bytes());
    }
    out
}

/// An edit list: nothing until the track's start, then its media from where the head's own list says.
fn edits(edts: &[u8], track: &Track, movie_scale: u32, in_movie: u64) -> Result<Vec<u8>, Mp4Error> {
    let media_time = find(edts, &[*b"elst"]).and_then(|elst| be32(elst, 12)).unwrap_or(0);
    let media_time = ((u64::from(media_time) + track.coarser / 2) / track.coarser) as u32;
    let start =
        (u128::from(track.start) * u128::from(movie_scale) / u128::from(track.timescale.max(1))) as u64;
    let length = |ticks: u64| u32::try_from(ticks).unwrap_or(u32::MAX);
    const RATE: u32 = 0x1_0000;
    let mut entries = Vec::new();
    if start > 0 {
        // Time -1: nothing is shown.
        entries.extend([length(start), u32::MAX, RATE]);
    }
    entries.extend([length(in_movie.saturating_sub(start)), media_time, RATE]);
    let mut body = Vec::new();
    put(&mut body, b"elst", &table(entries.iter().copied(), entries.len() / 3));
    Ok(body)
}

fn sample_table(stbl: &[u8], track: &Track) -> Result<Vec<u8>, Mp4Error> {
    let samples = &track.samples;
    let mut body = Vec::new();
    let descriptions = find(stbl, &[*b"stsd"])?;
    if samples.iter().all(|sample| sample.described) {
        put(&mut body, b"stsd", &settled(descriptions));
    } else {
        put(&mut body, b"stsd", descriptions);
    }

    let mut times: Vec<(u32, u32)> = Vec::new();
    for sample in samples {
        let length = u32::try_from(sample.duration).unwrap_or(u32::MAX);
        match times.last_mut() {
            Some((count, duration)) if *duration == length => *count += 1,
            _ => times.push((1, length)),
        }
    }
    put(&mut body, b"stts", &table(times.iter().flat_map(|(c, d)| [*c, *d]), times.len()));

    if samples.iter().any(|s| !s.sync) {
        let syncs: Vec<u32> = (1u32..).zip(samples).filter(|(_, s)| s.sync).map(|(n, _)| n).collect();
        put(&mut body, b"stss", &table(syncs.iter().copied(), syncs.len()));
    }

    let mut sizes = vec![0; 8];
    sizes.extend_from_slice(&(samples.len() as u32).to_be_bytes());
    samples.iter().for_each(|s| sizes.extend_from_slice(&s.size.to_be_bytes()));
    put(&mut body, b"stsz", &sizes);

    // A chunk is a run of samples one behind the other in the file.
    let mut chunks: Vec<(u64, u32)> = Vec::new();
    let mut end = None;
    for sample in samples {
        match chunks.last_mut() {
            Some((_, count)) if end == Some(sample.at) => *count += 1,
            _ => chunks.push((sample.at, 1)),
        }
        end = Some(sample.at + u64::from(sample.size));
    }
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (n, (_, count)) in (1u32..).zip(&chunks) {
        if runs.last().is_none_or(|(_, last)| last != count) {
            runs.push((n, *count));
        }
    }
    put(&mut body, b"stsc", &table(runs.iter().flat_map(|(first, count)| [*first, *count, 1]), runs.len()));
    let mut places = vec![0; 4];
    places.extend_from_slice(&(chunks.len() as u32).to_be_bytes());
    chunks.iter().for_each(|(at, _)| places.extend_from_slice(&at.to_be_bytes()));
    put(&mut body, b"co64", &places);
    Ok(body)
}
