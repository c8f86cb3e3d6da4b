//! Boxes of ISO/IEC 14496-12: written, and read.

use std::io;

/// Why a file cannot be read or completed.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not an MP4 of ours, or nothing whole is in it.
    #[error("{0}")]
    Malformed(&'static str),
}

pub(super) const CUT: Mp4Error = Mp4Error::Malformed("a box is cut off");

/// Appends a box.
pub(super) fn put(to: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    to.extend_from_slice(&(body.len() as u32 + 8).to_be_bytes());
    to.extend_from_slice(kind);
    to.extend_from_slice(body);
}

/// Appends a box made of parts.
pub(super) fn put_parts(to: &mut Vec<u8>, kind: &[u8; 4], parts: &[&[u8]]) {
    put(to, kind, &parts.concat());
}

/// A box on its own.
pub(super) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    put_parts(&mut out, kind, parts);
    out
}

/// Big-endian numbers one behind the other.
pub(super) fn numbers(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A full box of version 0: a count, then numbers.
pub(super) fn table(values: impl Iterator<Item = u32>, count: usize) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&(count as u32).to_be_bytes());
    values.for_each(|value| out.extend_from_slice(&value.to_be_bytes()));
    out
}

/// Kind and body of a box.
pub(super) type Inner<'a> = ([u8; 4], &'a [u8]);

/// Kind and body of each box in a body.
pub(super) fn children(mut body: &[u8]) -> Result<Vec<Inner<'_>>, Mp4Error> {
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
pub(super) fn find<'a>(mut body: &'a [u8], path: &[[u8; 4]]) -> Result<&'a [u8], Mp4Error> {
    for kind in path {
        let inner = children(body)?.into_iter().find(|(k, _)| k == kind).map(|(_, inner)| inner);
        body = inner.ok_or(Mp4Error::Malformed("a part of the index is missing"))?;
    }
    Ok(body)
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Result<u32, Mp4Error> {
    let four = bytes.get(at..at + 4).ok_or(CUT)?;
    Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> Result<u64, Mp4Error> {
    Ok(u64::from(be32(bytes, at)?) << 32 | u64::from(be32(bytes, at + 4)?))
}
