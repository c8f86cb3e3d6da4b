//! Completes a fragmented MP4 of ours in place.
//!
//! While it is recorded a file is `ftyp free mdat moov` and then, for each fragment, `free mdat moof`.
//! When the writer dies, everything up to the last `moof` plays, but not in every editor. Completing it
//! is to gather the samples of all fragments into one index, append that, and make the first `mdat` span
//! everything before it: no media is moved, so a file of any size takes a moment, and no second copy is
//! needed. (GStreamer's demuxer takes only the first fragment's pictures of such a file, so it cannot
//! be used to copy one.) Formats: ISO/IEC 14496-12.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Largest index that is read into memory: an hour has some 4 MB.
const MAX_INDEX_BYTES: u64 = 512 << 20;

/// Why a file cannot be completed.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not an MP4 of ours, or nothing whole is in it.
    #[error("{0}")]
    Malformed(&'static str),
}

const CUT: Mp4Error = Mp4Error::Malformed("a box is cut off");

/// Completes the file at `path`, if it is not complete. Returns its length in ns.
///
/// # Errors
/// If it holds nothing playable, or the disk refuses; it is then as it was.
pub fn complete(path: &Path) -> Result<i64, Mp4Error> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let top = top_level(&mut file)?;
    let moov = top.iter().find(|b| b.kind == *b"moov").ok_or(Mp4Error::Malformed("no index was written"))?;
    let head = read(&mut file, moov)?;
    let mut tracks = tracks(&head)?;
    let fragments: Vec<&Place> = top.iter().filter(|b| b.kind == *b"moof").collect();
    let first_media = top.iter().find(|b| b.kind == *b"mdat").ok_or(Mp4Error::Malformed("no media"))?;
    if fragments.is_empty() && moov.start > first_media.start && first_media.end() == moov.start {
        // Ordinary already, or one fragment long, which is the same.
        if top.last().is_some_and(|b| b.start == moov.start) {
            return Ok(length_ns(&tracks));
        }
    }
    for fragment in &fragments {
        add_fragment(&read(&mut file, fragment)?, fragment.start, &mut tracks)?;
    }
    let end = top.last().map_or(0, Place::end);
    if tracks.iter().all(|t| t.samples.is_empty()) {
        return Err(Mp4Error::Malformed("no whole picture or sound in it"));
    }
    if tracks.iter().flat_map(|t| &t.samples).any(|s| s.at + u64::from(s.size) > end) {
        return Err(Mp4Error::Malformed("its index points outside of it"));
    }
    let index = index(&head, &tracks)?;
    let old_length = file.seek(SeekFrom::End(0))?;
    let appended = write_at(&mut file, end, &index)
        .and_then(|()| file.set_len(end + index.len() as u64))
        .and_then(|()| file.sync_data());
    if let Err(error) = appended {
        // What was cut off behind `end` is of no use to anybody; the fragments are as they were.
        let _ = file.set_len(end.min(old_length));
        return Err(error.into());
    }
    span(&mut file, first_media, &top, end)?;
    file.sync_data()?;
    Ok(length_ns(&tracks))
}

/// Makes the first `mdat` reach to `end`.
fn span(file: &mut File, media: &Place, top: &[Place], end: u64) -> Result<(), Mp4Error> {
    let size = end - media.start;
    if let Ok(size) = u32::try_from(size) {
        write_at(file, media.start, &size.to_be_bytes())?;
        return Ok(());
    }
    // The empty box in front is there for this: together they have room for a 64-bit size.
    let spare = top.iter().any(|b| b.kind == *b"free" && b.size == 8 && b.end() == media.start);
    if !spare {
        return Err(Mp4Error::Malformed("no room for a 64-bit size"));
    }
    let mut head = Vec::with_capacity(16);
    head.extend_from_slice(&1u32.to_be_bytes());
    head.extend_from_slice(b"mdat");
    head.extend_from_slice(&(size + 8).to_be_bytes());
    write_at(file, media.start - 8, &head)?;
    Ok(())
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
    duration: u32,
    sync: bool,
}

#[derive(Debug)]
struct Track {
    id: u32,
    timescale: u32,
    samples: Vec<Sample>,
    /// Sum of the durations so far.
    length: u64,
    default_duration: u32,
    default_size: u32,
    default_flags: u32,
}

impl Track {
    fn push(&mut self, sample: Sample) {
        self.length += u64::from(sample.duration);
        self.samples.push(sample);
    }
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
        let wide = |body: &[u8]| body.first() == Some(&1);
        let mut track = Track {
            id: be32(tkhd, if wide(tkhd) { 20 } else { 12 })?,
            timescale: be32(mdhd, if wide(mdhd) { 20 } else { 12 })?,
            samples: Vec::new(),
            length: 0,
            default_duration: 0,
            default_size: 0,
            default_flags: 0,
        };
        own_samples(find(trak, &[*b"mdia", *b"minf", *b"stbl"])?, &mut track)?;
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

/// Reads a sample table.
fn own_samples(stbl: &[u8], track: &mut Track) -> Result<(), Mp4Error> {
    let stsz = find(stbl, &[*b"stsz"])?;
    let (fixed, count) = (be32(stsz, 4)?, be32(stsz, 8)? as usize);
    let size_of = |n: usize| if fixed != 0 { Ok(fixed) } else { be32(stsz, 12 + n * 4) };
    let chunks: Vec<u64> = match find(stbl, &[*b"co64"]) {
        Ok(co64) => (0..be32(co64, 4)? as usize).map(|n| be64(co64, 8 + n * 8)).collect::<Result<_, _>>()?,
        Err(_) => {
            let stco = find(stbl, &[*b"stco"])?;
            let places = (0..be32(stco, 4)? as usize).map(|n| be32(stco, 8 + n * 4).map(u64::from));
            places.collect::<Result<_, _>>()?
        }
    };
    let stsc = find(stbl, &[*b"stsc"])?;
    let runs = (0..be32(stsc, 4)? as usize)
        .map(|n| Ok((be32(stsc, 8 + n * 12)? as usize, be32(stsc, 12 + n * 12)?)))
        .collect::<Result<Vec<_>, Mp4Error>>()?;
    let stts = find(stbl, &[*b"stts"])?;
    let mut durations = (0..be32(stts, 4)? as usize)
        .map(|n| Ok((be32(stts, 8 + n * 8)?, be32(stts, 12 + n * 8)?)))
        .collect::<Result<Vec<_>, Mp4Error>>()?
        .into_iter()
        .flat_map(|(count, duration)| std::iter::repeat_n(duration, count as usize));
    let syncs = match find(stbl, &[*b"stss"]) {
        Ok(stss) => Some(
            (0..be32(stss, 4)? as usize)
                .map(|n| be32(stss, 8 + n * 4))
                .collect::<Result<std::collections::HashSet<_>, _>>()?,
        ),
        Err(_) => None,
    };
    let mut n = 0usize;
    for (chunk, place) in chunks.iter().enumerate() {
        let in_chunk =
            runs.iter().rev().find(|(first, _)| *first <= chunk + 1).map_or(0, |(_, count)| *count);
        let mut at = *place;
        for _ in 0..in_chunk {
            if n >= count {
                return Ok(());
            }
            let size = size_of(n)?;
            n += 1;
            let sync = syncs.as_ref().is_none_or(|s| s.contains(&(n as u32)));
            track.push(Sample { at, size, duration: durations.next().unwrap_or(0), sync });
            at += u64::from(size);
        }
    }
    Ok(())
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
            if let Some(last) = track.samples.last_mut() {
                last.duration = last.duration.saturating_add(hole as u32);
                track.length += hole;
            }
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
                let duration = field(0x100, duration)?;
                let size = field(0x200, size)?;
                let own_flags = field(0x400, sample_flags)?;
                field(0x800, 0)?;
                let sample_flags = first_flags.filter(|_| n == 0).unwrap_or(own_flags);
                // Bit 16: the sample is not one that decoding can start from.
                track.push(Sample { at: next, size, duration, sync: sample_flags & 0x1_0000 == 0 });
                next += u64::from(size);
            }
        }
    }
    Ok(())
}

/// The index of the whole file: the first one, with all samples and without the fragments' part.
fn index(moov: &[u8], tracks: &[Track]) -> Result<Vec<u8>, Mp4Error> {
    let mvhd = find(moov, &[*b"mvhd"])?;
    let movie_scale = be32(mvhd, if mvhd.first() == Some(&1) { 20 } else { 12 })?;
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
                put(&mut body, &kind, &trak(inner, track, in_movie(track))?);
            }
            _ => put(&mut body, &kind, inner),
        }
    }
    let mut out = Vec::new();
    put(&mut out, b"moov", &body);
    Ok(out)
}

fn trak(inner: &[u8], track: &Track, in_movie: u64) -> Result<Vec<u8>, Mp4Error> {
    let mut body = Vec::new();
    for (kind, inner) in children(inner)? {
        match &kind {
            b"tkhd" => put(&mut body, &kind, &with_duration(inner, 20, 28, in_movie)),
            b"edts" => put(&mut body, &kind, &edits(inner, in_movie)?),
            b"mdia" => {
                let mut mdia = Vec::new();
                for (kind, inner) in children(inner)? {
                    match &kind {
                        b"mdhd" => put(&mut mdia, &kind, &with_duration(inner, 16, 24, track.length)),
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
    if out.first() == Some(&1) {
        if let Some(place) = out.get_mut(wide_at..wide_at + 8) {
            place.copy_from_slice(&duration.to_be_bytes());
        }
    } else if let Some(place) = out.get_mut(narrow_at..narrow_at + 4) {
        place.copy_from_slice(&u32::try_from(duration).unwrap_or(u32::MAX).to_be_bytes());
    }
    out
}

/// An edit list whose media lasts as long as the track now does. Its empty edits, which set the track's
/// start, stay.
fn edits(edts: &[u8], in_movie: u64) -> Result<Vec<u8>, Mp4Error> {
    let mut body = Vec::new();
    for (kind, inner) in children(edts)? {
        let mut list = inner.to_vec();
        if kind == *b"elst" && inner.first() == Some(&0) {
            for n in 0..be32(inner, 4)? as usize {
                let at = 8 + n * 12;
                let place = list.get_mut(at..at + 4).ok_or(CUT)?;
                if be32(inner, at + 4)? != u32::MAX {
                    place.copy_from_slice(&u32::try_from(in_movie).unwrap_or(u32::MAX).to_be_bytes());
                }
            }
        }
        put(&mut body, &kind, &list);
    }
    Ok(body)
}

fn sample_table(stbl: &[u8], track: &Track) -> Result<Vec<u8>, Mp4Error> {
    let samples = &track.samples;
    let mut body = Vec::new();
    put(&mut body, b"stsd", find(stbl, &[*b"stsd"])?);

    let mut times: Vec<(u32, u32)> = Vec::new();
    for sample in samples {
        match times.last_mut() {
            Some((count, duration)) if *duration == sample.duration => *count += 1,
            _ => times.push((1, sample.duration)),
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
    // Roll distances and the like, which Opus has.
    for (kind, inner) in children(stbl)? {
        if matches!(&kind, b"sgpd") {
            put(&mut body, &kind, inner);
        }
    }
    Ok(body)
}

/// A full box of version 0: a count, then numbers.
fn table(values: impl Iterator<Item = u32>, count: usize) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&(count as u32).to_be_bytes());
    values.for_each(|value| out.extend_from_slice(&value.to_be_bytes()));
    out
}

fn put(to: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    to.extend_from_slice(&(body.len() as u32 + 8).to_be_bytes());
    to.extend_from_slice(kind);
    to.extend_from_slice(body);
}

/// Kind and body of each box in a body.
fn children(mut body: &[u8]) -> Result<Vec<([u8; 4], &[u8])>, Mp4Error> {
    let mut found = Vec::new();
    while body.len() >= 8 {
        let size = be32(body, 0)? as usize;
        let inner = body.get(8..size).ok_or(CUT)?;
        found.push(([body[4], body[5], body[6], body[7]], inner));
        body = &body[size..];
    }
    Ok(found)
}

/// The body of the box at a path.
fn find<'a>(mut body: &'a [u8], path: &[[u8; 4]]) -> Result<&'a [u8], Mp4Error> {
    for kind in path {
        let inner = children(body)?.into_iter().find(|(k, _)| k == kind).map(|(_, inner)| inner);
        body = inner.ok_or(Mp4Error::Malformed("a part of the index is missing"))?;
    }
    Ok(body)
}

fn be32(bytes: &[u8], at: usize) -> Result<u32, Mp4Error> {
    let four = bytes.get(at..at + 4).ok_or(CUT)?;
    Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

fn be64(bytes: &[u8], at: usize) -> Result<u64, Mp4Error> {
    Ok(u64::from(be32(bytes, at)?) << 32 | u64::from(be32(bytes, at + 4)?))
}
