//! The kernel's release.

use super::Root;
use crate::diag::Problem;

/// The oldest kernel whose io_uring has what the core loop uses.
pub const OLDEST: Release = Release { major: 5, minor: 8 };

/// The first two numbers of a kernel release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Release {
    /// `5` of `5.8.0-50-generic`.
    pub major: u32,
    /// `8` of it.
    pub minor: u32,
}

/// Reads a release such as `5.4.0-150-generic`.
pub fn parse(text: &str) -> Option<Release> {
    let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some(Release { major, minor })
}

/// The release of the running kernel, if it can be read.
pub fn release(root: &Root) -> Option<Release> {
    parse(&root.read("proc/sys/kernel/osrelease").ok()?)
}

/// The problem with a kernel that is too old; a release that cannot be read is given the benefit.
pub fn check(root: &Root) -> Option<Problem> {
    let text = root.read("proc/sys/kernel/osrelease").ok()?;
    let release = parse(&text)?;
    (release < OLDEST).then(|| {
        let (major, minor) = (OLDEST.major, OLDEST.minor);
        let what = format!("Linux {} is too old: {major}.{minor} or newer is needed", text.trim());
        Problem::error("HST003", what)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn releases_are_ordered_by_number() {
        let release = |text| parse(text).expect(text);
        assert!(release("5.10.0") > release("5.9.16-arch"));
        assert!(release("6.18+deb13-amd64\n") > release("6.2-rc1"));
        assert_eq!(release("5.8"), OLDEST);
        assert_eq!(parse("unknown"), None);
        assert_eq!(parse("6"), None);
    }

    #[test]
    fn an_old_kernel_is_named() {
        let (_dir, root) = fixture(&[("proc/sys/kernel/osrelease", "5.4.0-150-generic\n")]);
        assert_eq!(
            check(&root).expect("too old").to_string(),
            "error[HST003]: Linux 5.4.0-150-generic is too old: 5.8 or newer is needed"
        );
        let (_dir, root) = fixture(&[("proc/sys/kernel/osrelease", "5.8.0\n")]);
        assert_eq!(check(&root), None);
        let (_dir, root) = fixture(&[]);
        assert_eq!(check(&root), None);
    }
}
