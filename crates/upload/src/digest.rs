//! Checksums of what is sent, part by part, and what a store makes of them for the whole.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum_combine, crc32_iscsi};
use md5::{Digest, Md5};

/// Size and checksums of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartSum {
    pub(crate) size: u64,
    /// What S3 and Azure check.
    pub(crate) md5: [u8; 16],
    /// What Google Cloud Storage keeps of an object, however it came.
    pub(crate) crc32c: u32,
}

impl PartSum {
    /// Takes a while for megabytes: off the async threads.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, md5: Md5::digest(bytes).into(), crc32c: crc32_iscsi(bytes) }
    }

    /// Off the async threads.
    pub(crate) async fn of_bytes(bytes: &Bytes) -> Self {
        let bytes = bytes.clone();
        tokio::task::spawn_blocking(move || Self::of(&bytes)).await.expect("checksums do not panic")
    }
}

/// The ETag of an object that S3 put together from parts; of one that came in one piece, its MD5.
pub(crate) fn etag(parts: &[PartSum], multipart: bool) -> String {
    match parts {
        [only] if !multipart => hex(&only.md5),
        parts => {
            let mut all = Md5::new();
            parts.iter().for_each(|part| all.update(part.md5));
            format!("{}-{}", hex(&all.finalize()), parts.len())
        }
    }
}

/// Whether a text has the form of an ETag made of MD5s. With server-side encryption by a key service it is
/// of the same length and something else.
pub(crate) fn same_etag(theirs: &str, ours: &str) -> bool {
    theirs.trim_start_matches("W/").trim_matches('"').eq_ignore_ascii_case(ours)
}

/// CRC-32C of all parts one behind the other.
pub(crate) fn crc32c(parts: &[PartSum]) -> u32 {
    parts.iter().fold(0, |sum, part| {
        let all =
            checksum_combine(CrcAlgorithm::Crc32Iscsi, u64::from(sum), u64::from(part.crc32c), part.size);
        all as u32
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_parts_make_the_whole() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7) as u8).collect();
        let parts: Vec<PartSum> = bytes.chunks(33_333).map(PartSum::of).collect();
        assert_eq!(crc32c(&parts), crc32_iscsi(&bytes));
        assert_eq!(crc32c(&[]), 0);
        assert_eq!(etag(&parts[..1], false), hex(&Md5::digest(&bytes[..33_333])));
        // Two parts of MD5 d41d8… (empty) as S3 joins them.
        let empty = PartSum::of(b"");
        assert_eq!(hex(&empty.md5), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(etag(&[empty], true), "59adb24ef3cdbe0297f05b395827453f-1");
        assert!(same_etag("\"ABCD-2\"", "abcd-2"));
    }
}
