//! When a job of tracks uses more memory than it can need: somebody publishes what takes so much to decode.

/// Far more than sixteen pictures of 4096x4096 with all that a decoder keeps of them, bytes.
pub const MOST_BYTES: u64 = 2 << 30;
/// So long after a decoder was ended its memory has been given back, ns.
const SETTLES_NS: i64 = 5_000_000_000;

/// Watches what a job uses.
#[derive(Debug, Default)]
pub struct MemoryGuard {
    acted_ns: Option<i64>,
}

impl MemoryGuard {
    /// Whether the largest decoder is to go now, with so much in use.
    pub fn look(&mut self, memory_bytes: u64, now_ns: i64) -> bool {
        let settled = self.acted_ns.is_none_or(|at| now_ns - at > SETTLES_NS);
        let act = memory_bytes > MOST_BYTES && settled;
        if act {
            self.acted_ns = Some(now_ns);
        }
        act
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gone_has_time_to_give_its_memory_back() {
        let mut guard = MemoryGuard::default();
        assert!(!guard.look(MOST_BYTES, 0));
        assert!(guard.look(MOST_BYTES + 1, 1));
        assert!(!guard.look(MOST_BYTES + 1, SETTLES_NS));
        assert!(guard.look(MOST_BYTES + 1, SETTLES_NS + 2), "it was not that one, or not that one alone");
    }
}
