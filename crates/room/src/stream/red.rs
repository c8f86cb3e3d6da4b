//! Takes apart RFC 2198 redundant audio.

use bytes::Bytes;

/// More blocks than any sender has use for; bounds the work a hostile packet can cause.
const MAX_BLOCKS: usize = 32;

/// A packet of redundant audio, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Red {
    /// The packet's own sound.
    pub(crate) primary: Bytes,
    /// Earlier sound of the same payload type, oldest first.
    pub(crate) earlier: Vec<Earlier>,
}

/// Sound that was sent before and comes again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// How far before the primary, in RTP time.
    pub(crate) offset: u32,
    pub(crate) payload: Bytes,
}

/// Takes a payload apart; none if it is malformed.
pub(crate) fn split(payload: &Bytes) -> Option<Red> {
    let mut headers = Vec::new();
    let mut at = 0;
    let primary_pt = loop {
        let &first = payload.get(at)?;
        if first & 0x80 == 0 {
            at += 1;
            break first;
        }
        let header = payload.get(at..at + 4)?;
        if headers.len() == MAX_BLOCKS {
            return None;
        }
        let offset = (u32::from(header[1]) << 6) | (u32::from(header[2]) >> 2);
        let length = (usize::from(header[2] & 3) << 8) | usize::from(header[3]);
        headers.push((first & 0x7f, offset, length));
        at += 4;
    };
    let mut earlier = Vec::with_capacity(headers.len());
    for (pt, offset, length) in headers {
        let end = at.checked_add(length).filter(|&end| end <= payload.len())?;
        // A block of another codec must not reach this one's decoder.
        if pt == primary_pt && offset > 0 && length > 0 {
            earlier.push(Earlier { offset, payload: payload.slice(at..end) });
        }
        at = end;
    }
    Some(Red { primary: payload.slice(at..), earlier })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(primary_pt: u8, blocks: &[(u8, u32, Vec<u8>)], primary: &[u8]) -> Bytes {
        let mut out = Vec::new();
        for (pt, offset, payload) in blocks {
            let length = payload.len() as u32;
            out.push(0x80 | pt);
            out.extend_from_slice(&((offset << 10) | length).to_be_bytes()[1..]);
        }
        out.push(primary_pt);
        for (_, _, payload) in blocks {
            out.extend_from_slice(payload);
        }
        out.extend_from_slice(primary);
        out.into()
    }

    #[test]
    fn blocks_of_another_codec_are_left_out() {
        let payload = join(111, &[(13, 960, vec![1]), (111, 960, vec![2, 3])], &[4]);
        let red = split(&payload).unwrap();
        assert_eq!(red.primary, Bytes::from_static(&[4]));
        assert_eq!(red.earlier, [Earlier { offset: 960, payload: Bytes::from_static(&[2, 3]) }]);
    }

    proptest! {
        #[test]
        fn what_was_joined_comes_apart(
            blocks in prop::collection::vec((1u32..0x3fff, prop::collection::vec(any::<u8>(), 1..1023)), 0..5),
            primary in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let blocks: Vec<_> = blocks.into_iter().map(|(offset, payload)| (111, offset, payload)).collect();
            let red = split(&join(111, &blocks, &primary)).unwrap();
            prop_assert_eq!(&red.primary[..], &primary[..]);
            let earlier: Vec<_> =
                red.earlier.into_iter().map(|block| (111, block.offset, block.payload.to_vec())).collect();
            prop_assert_eq!(earlier, blocks);
        }

        #[test]
        fn garbage_does_no_harm(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = split(&payload.into());
        }
    }
}
