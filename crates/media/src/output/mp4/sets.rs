//! Parameter sets of H.264 and H.265, which say how pictures are to be read: in samples (ISO/IEC 14496-15), and in the
//! description of a track.
//!
//! A publisher may change them at any keyframe, so a file that grows says that they are in its samples (`avc3`,
//! `hev1`). Safari and hardware players want them in the description (`avc1`, `hvc1`). Each sample whose sets are all
//! there is marked, so that a file can be completed, or repaired, without reading its media again.

/// A mark on samples, in the priority that no player looks at: their parameter sets are in the track's description.
pub(super) const DESCRIBED: u32 = 1;
/// Where the configuration is in a sample entry of pictures, behind its head.
const CONFIGURATION_AT: usize = 78;

/// How a codec's units are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    H264,
    H265,
}

impl Units {
    fn is_parameter_set(self, unit: &[u8]) -> bool {
        let Some(first) = unit.first() else { return false };
        match self {
            // SPS, PPS, SPS extension, subset SPS.
            Self::H264 => matches!(first & 0x1f, 7 | 8 | 13 | 15),
            // VPS, SPS, PPS.
            Self::H265 => matches!(first >> 1 & 0x3f, 32..=34),
        }
    }

    /// The parameter sets in a sample, whose units are behind lengths of four bytes.
    pub(super) fn sets(self, sample: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = sample;
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let (unit, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = tail;
            Some(unit)
        })
        .filter(move |unit| self.is_parameter_set(unit))
    }
}

/// The parameter sets in a track's description.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub units: Units,
    pub sets: Vec<Vec<u8>>,
}

impl Described {
    /// Whether a sample has no others.
    pub fn cover(&self, sample: &[u8]) -> bool {
        self.units.sets(sample).all(|set| self.sets.iter().any(|known| known == set))
    }
}

/// The sets of an H.265 configuration record (§8.3.3.1).
pub(super) fn of_hvcc(record: &[u8]) -> Vec<Vec<u8>> {
    let mut sets = Vec::new();
    let mut rest = record.get(23..).unwrap_or_default();
    for _ in 0..record.get(22).copied().unwrap_or(0) {
        let Some(([_, high, low], mut tail)) = rest.split_first_chunk::<3>() else { break };
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let Some((length, after)) = tail.split_first_chunk::<2>() else { break };
            let Some((set, after)) = after.split_at_checked(u16::from_be_bytes(*length).into()) else {
                break;
            };
            sets.push(set.to_vec());
            tail = after;
        }
        rest = tail;
    }
    sets
}

/// The sample descriptions of a track (the body of `stsd`) whose samples are all marked: they hold every parameter
/// set. Any other is left as it is.
pub(super) fn settled(stsd: &[u8]) -> Vec<u8> {
    let mut out = stsd.to_vec();
    let Some(kind) = out.get_mut(12..16) else { return out };
    let record = 16 + CONFIGURATION_AT + 8;
    match &*kind {
        b"avc3" => kind.copy_from_slice(b"avc1"),
        b"hev1" => {
            kind.copy_from_slice(b"hvc1");
            mark_complete(out.get_mut(record..).unwrap_or_default());
        }
        _ => {}
    }
    out
}

/// Says of each kind of set in an H.265 configuration record that all of them are there.
fn mark_complete(record: &mut [u8]) {
    let mut at = 23;
    for _ in 0..record.get(22).copied().unwrap_or(0) {
        let Some([kind, high, low]) = record.get_mut(at..at + 3) else { return };
        *kind |= 0x80;
        let count = u16::from_be_bytes([*high, *low]);
        at += 3;
        for _ in 0..count {
            let Some([high, low]) = record.get(at..at + 2) else { return };
            at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
    }

    #[test]
    fn a_set_that_was_not_there_is_seen_wherever_it_comes() {
        let (sps, pps, idr): (&[u8], &[u8], &[u8]) = (&[0x67, 1], &[0x68, 2], &[0x65, 3]);
        let known = Described { units: Units::H264, sets: vec![sps.to_vec(), pps.to_vec()] };
        assert!(known.cover(&sample(&[sps, pps, idr])));
        assert!(known.cover(&sample(&[&[0x41, 9]])), "no set at all");
        assert!(!known.cover(&sample(&[&[0x67, 9], pps, idr])), "another size");
        assert!(!known.cover(&sample(&[&[0x41, 9], &[0x68, 9]])), "in the middle of nothing");
        assert!(known.cover(&[0, 0, 0, 9, 0x67]), "cut short");
        let known = Described { units: Units::H265, sets: vec![vec![0x40, 1], vec![0x42, 1]] };
        assert!(known.cover(&sample(&[&[0x40, 1], &[0x42, 1], &[0x26, 1]])));
        assert!(!known.cover(&sample(&[&[0x44, 1]])));
    }

    #[test]
    fn the_sets_of_h265_are_found_and_said_to_be_all() {
        let mut record = vec![0; 22];
        record.extend([2, 0x20, 0, 1, 0, 2, 0x40, 1, 0x22, 0, 2, 0, 1, 0x44, 0, 1, 0x45]);
        assert_eq!(of_hvcc(&record), [vec![0x40, 1], vec![0x44], vec![0x45]]);
        assert_eq!(of_hvcc(&record[..30]), [vec![0x40, 1]], "cut short");
        mark_complete(&mut record);
        assert_eq!((record[23], record[30]), (0xa0, 0xa2));
        mark_complete(&mut record[..27]);
    }
}
