//! The memory of the container that this runs in, by its cgroup.

use std::path::Path;

/// Memory in use without what the kernel can take back at once (the working set, as Kubernetes and LiveKit measure
/// it), bytes. None: there is no cgroup with a memory of its own.
pub(super) fn working_set_bytes() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let below = own.lines().find_map(|line| line.strip_prefix("0::"));
    let root = Path::new("/sys/fs/cgroup");
    // In a container its own group is mounted as the root.
    let version_2 = below.map(|below| root.join(below.trim_start_matches('/')));
    let of_2 = version_2
        .into_iter()
        .chain([root.to_owned()])
        .find_map(|group| read(&group.join("memory.current"), &group.join("memory.stat"), "inactive_file"));
    of_2.or_else(|| {
        let group = root.join("memory");
        read(&group.join("memory.usage_in_bytes"), &group.join("memory.stat"), "total_inactive_file")
    })
}

fn read(usage: &Path, stat: &Path, inactive: &str) -> Option<u64> {
    let usage: u64 = std::fs::read_to_string(usage).ok()?.trim().parse().ok()?;
    let stat = std::fs::read_to_string(stat).unwrap_or_default();
    let idle = stat.lines().find_map(|line| line.strip_prefix(inactive)?.trim().parse().ok());
    Some(usage.saturating_sub(idle.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_taken_back_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let (usage, stat) = (folder.path().join("memory.current"), folder.path().join("memory.stat"));
        assert_eq!(read(&usage, &stat, "inactive_file"), None);
        std::fs::write(&usage, "1000\n").unwrap();
        assert_eq!(read(&usage, &stat, "inactive_file"), Some(1000));
        std::fs::write(&stat, "anon 600\ninactive_file 300\nactive_file 100\n").unwrap();
        assert_eq!(read(&usage, &stat, "inactive_file"), Some(700));
        std::fs::write(&stat, "inactive_file 3000\n").unwrap();
        assert_eq!(read(&usage, &stat, "inactive_file"), Some(0));
    }
}
