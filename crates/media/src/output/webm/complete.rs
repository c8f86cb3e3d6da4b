//! A file of ours is completed in place.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::elements::{AUDIO_TRACK, SEEK_HEAD_BYTES, VIDEO_TRACK, element, float, id, id_bytes, uint, void};
use crate::output::mux::MuxError;

/// Completes a file of ours in place, wherever it broke off. Returns its length in ms.
///
/// # Errors
/// If it is not a WebM file of ours, or the disk refuses.
pub fn complete(path: &Path) -> Result<i64, MuxError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length_ms = complete_file(&mut file, None)?;
    file.sync_data()?;
    Ok(length_ms)
}

/// What a scan of a file finds.
#[derive(Debug, Default)]
struct Scan {
    segment_body: u64,
    seek_head: Option<u64>,
    info: Option<u64>,
    duration: Option<u64>,
    tracks: Option<u64>,
    /// Where each track is, and its number.
    entries: Vec<(u64, u8)>,
    /// Start and end of each cluster, and what is in it.
    clusters: Vec<(u64, u64, InCluster)>,
    last_ms: i64,
    frame_ms: i64,
    /// End of the last whole element.
    end: u64,
}

/// What is in a cluster.
#[derive(Debug, Clone, Copy, Default)]
struct InCluster {
    time_ms: i64,
    /// Its blocks of pictures and of sound.
    video: bool,
    audio: bool,
}

pub(super) fn complete_file(file: &mut File, end_ms: Option<i64>) -> Result<i64, MuxError> {
    let scan = scan(file)?;
    let length_ms = end_ms.unwrap_or(0).max(scan.last_ms + scan.frame_ms);
    file.set_len(scan.end)?;
    // The index first: until the heads say where it is, the file is what it was.
    let cues: Vec<u8> = scan
        .clusters
        .iter()
        .flat_map(|(start, _, cluster)| {
            // The track that is sought: the pictures', while there are any.
            let track = if cluster.video { VIDEO_TRACK } else { AUDIO_TRACK };
            let place = [
                uint(id::CUE_TRACK, u64::from(track)),
                uint(id::CUE_CLUSTER_POSITION, start - scan.segment_body),
            ]
            .concat();
            let point =
                [uint(id::CUE_TIME, cluster.time_ms.max(0) as u64), element(id::CUE_TRACK_POSITIONS, &place)]
                    .concat();
            element(id::CUE_POINT, &point)
        })
        .collect();
    let cues = if scan.clusters.is_empty() { Vec::new() } else { element(id::CUES, &cues) };
    write_at(file, scan.end, &cues)?;
    for (start, end, _) in &scan.clusters {
        let body = end - (start + 12);
        let mut size = body.to_be_bytes();
        size[0] = 0x01;
        write_at(file, start + 4, &size)?;
    }
    // A track that nothing came of is put out of sight: only the number of its element changes.
    let seen = |number| {
        scan.clusters
            .iter()
            .any(|(_, _, in_it)| if number == VIDEO_TRACK { in_it.video } else { in_it.audio })
    };
    for (at, _) in scan.entries.iter().filter(|(_, number)| !scan.clusters.is_empty() && !seen(*number)) {
        write_at(file, *at, &id_bytes(id::VOID))?;
    }
    let mut size = (scan.end + cues.len() as u64 - scan.segment_body).to_be_bytes();
    size[0] = 0x01;
    write_at(file, scan.segment_body - 8, &size)?;
    if let Some(at) = scan.duration {
        write_at(file, at, &float(id::DURATION, length_ms as f64))?;
    }
    if let Some(at) = scan.seek_head {
        let seek = |id: u32, position: u64| {
            // Minimal sizes: the place kept is small.
            let id = id_bytes(id);
            let mut body = id_bytes(id::SEEK_ID);
            body.push(0x80 | id.len() as u8);
            body.extend(id);
            body.extend(id_bytes(id::SEEK_POSITION));
            body.push(0x88);
            body.extend((position - scan.segment_body).to_be_bytes());
            let mut out = id_bytes(id::SEEK);
            out.push(0x80 | body.len() as u8);
            out.extend(body);
            out
        };
        let places = [
            scan.info.map(|p| seek(id::INFO, p)),
            scan.tracks.map(|p| seek(id::TRACKS, p)),
            (!cues.is_empty()).then(|| seek(id::CUES, scan.end)),
        ];
        let body: Vec<u8> = places.into_iter().flatten().flatten().collect();
        let mut head = id_bytes(id::SEEK_HEAD);
        // The size is padded so that head and body fill the place together with a Void.
        head.push(0x80 | body.len() as u8);
        head.extend(body);
        let rest = SEEK_HEAD_BYTES - head.len();
        head.extend(void(rest));
        write_at(file, at, &head)?;
    }
    Ok(length_ms)
}

pub(super) fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> Result<(), MuxError> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    Ok(())
}

fn scan(file: &mut File) -> Result<Scan, MuxError> {
    let total = file.seek(SeekFrom::End(0))?;
    let broken = || MuxError::Unsupported("a file that is not WebM".to_owned());
    let (ebml, body, size) = head_at(file, 0, total)?.ok_or_else(broken)?;
    if ebml != id::EBML {
        return Err(broken());
    }
    let segment = body + size.ok_or_else(broken)?;
    let (found, segment_body, _) = head_at(file, segment, total)?.ok_or_else(broken)?;
    if found != id::SEGMENT {
        return Err(broken());
    }
    let mut scan = Scan { segment_body, end: segment_body, ..Scan::default() };
    let mut at = segment_body;
    let mut open: Option<(u64, InCluster)> = None;
    while let Some((found, body, size)) = head_at(file, at, total)? {
        match found {
            id::CLUSTER => {
                if let Some((start, cluster)) = open.take() {
                    scan.clusters.push((start, at, cluster));
                }
                open = Some((at, InCluster::default()));
                at = body;
                continue;
            }
            // The index of a file that was completed before is made anew.
            id::CUES => break,
            _ => {}
        }
        let Some(end) = size.map(|s| body + s).filter(|end| *end <= total) else { break };
        match found {
            id::VOID if scan.seek_head.is_none() => scan.seek_head = Some(at),
            id::SEEK_HEAD if scan.seek_head.is_none() => scan.seek_head = Some(at),
            id::INFO => {
                scan.info = Some(at);
                scan.duration = duration_place(file, body, end)?;
            }
            id::TRACKS => {
                scan.tracks = Some(at);
                scan.entries = track_entries(file, body, end)?;
            }
            id::TIMESTAMP => {
                if let Some((_, cluster)) = open.as_mut() {
                    cluster.time_ms = read_uint(file, body, end)? as i64;
                }
            }
            id::SIMPLE_BLOCK => {
                let mut head = [0u8; 3];
                file.seek(SeekFrom::Start(body))?;
                file.read_exact(&mut head)?;
                let relative = i64::from(i16::from_be_bytes([head[1], head[2]]));
                let mut time = relative;
                if let Some((_, cluster)) = open.as_mut() {
                    let pictures = head[0] & 0x7f == VIDEO_TRACK;
                    cluster.video |= pictures;
                    cluster.audio |= !pictures;
                    time += cluster.time_ms;
                }
                if time > scan.last_ms {
                    scan.frame_ms = (time - scan.last_ms).min(40);
                    scan.last_ms = time;
                }
            }
            _ => {}
        }
        at = end;
        scan.end = end;
    }
    if let Some((start, cluster)) = open {
        // A cluster of which nothing whole came is cut off with its head.
        if scan.end > start + 12 {
            scan.clusters.push((start, scan.end, cluster));
        } else {
            scan.end = start;
        }
    }
    Ok(scan)
}

/// Id, start of the body and size (none: unknown) of the element at `at`; none at the end or if its
/// head is cut off.
fn head_at(file: &mut File, at: u64, total: u64) -> Result<Option<(u32, u64, Option<u64>)>, MuxError> {
    let mut head = [0u8; 12];
    let count = head.len().min(total.saturating_sub(at) as usize);
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut head[..count])?;
    let Some(&first) = head[..count].first() else { return Ok(None) };
    let id_len = first.leading_zeros() as usize + 1;
    if id_len > 4 || count <= id_len {
        return Ok(None);
    }
    let id = head[..id_len].iter().fold(0u32, |id, b| id << 8 | u32::from(*b));
    let size_len = head[id_len].leading_zeros() as usize + 1;
    if size_len > 8 || count < id_len + size_len {
        return Ok(None);
    }
    let mask = 0xffu64 >> size_len;
    let value = head[id_len + 1..id_len + size_len]
        .iter()
        .fold(u64::from(head[id_len]) & mask, |size, b| size << 8 | u64::from(*b));
    let unknown = value == (1u64 << (7 * size_len)) - 1;
    Ok(Some((id, at + (id_len + size_len) as u64, (!unknown).then_some(value))))
}

fn read_uint(file: &mut File, body: u64, end: u64) -> Result<u64, MuxError> {
    let mut bytes = vec![0; (end - body).min(8) as usize];
    file.seek(SeekFrom::Start(body))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes.into_iter().fold(0, |value, b| value << 8 | u64::from(b)))
}

/// The tracks inside the Tracks element: where each is, and its number.
fn track_entries(file: &mut File, body: u64, end: u64) -> Result<Vec<(u64, u8)>, MuxError> {
    let mut entries = Vec::new();
    let mut at = body;
    while at < end {
        let Some((found, inner, Some(size))) = head_at(file, at, end)? else { break };
        if found == id::TRACK_ENTRY
            && let Some((id::TRACK_NUMBER, number, Some(length))) = head_at(file, inner, end)?
        {
            entries.push((at, read_uint(file, number, number + length)? as u8));
        }
        at = inner + size;
    }
    Ok(entries)
}

/// Where the duration is or is to be, inside the Info element.
fn duration_place(file: &mut File, body: u64, end: u64) -> Result<Option<u64>, MuxError> {
    let mut at = body;
    while at < end {
        let Some((found, inner, Some(size))) = head_at(file, at, end)? else { break };
        if found == id::VOID || found == id::DURATION {
            return Ok(Some(at));
        }
        at = inner + size;
    }
    Ok(None)
}
