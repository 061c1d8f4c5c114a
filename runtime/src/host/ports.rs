//! Whether an address can be listened on, and who has it if not.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use super::Root;
use crate::diag::{Problem, reason};

/// A listening socket, as `/proc/net/tcp` states it.
const STATE_LISTEN: &str = "0A";

/// Tries to listen on `addr` and lets it go again; `setting` is how the user would change it.
pub fn check(root: &Root, addr: SocketAddr, setting: &str) -> Result<(), Problem> {
    match TcpListener::bind(addr) {
        Ok(_listener) => Ok(()),
        Err(error) => Err(refused(root, addr, setting, &error)),
    }
}

/// Says why listening on `addr` failed. `setting` is a key (`match.listen`) or a flag (`--listen`).
pub fn refused(root: &Root, addr: SocketAddr, setting: &str, error: &io::Error) -> Problem {
    if error.kind() != io::ErrorKind::AddrInUse {
        let what = format!("cannot listen on {addr}: {}", reason(error));
        let problem = Problem::error("NET003", what);
        return if error.kind() == io::ErrorKind::PermissionDenied && addr.port() < 1024 {
            problem.fix("choose a port from 1024 up")
        } else {
            problem.fix(format!("set {setting} to an address of this host"))
        };
    }
    let owner = who_listens(root, addr).unwrap_or_else(|| "another process".to_owned());
    let next = SocketAddr::new(addr.ip(), addr.port().checked_add(1).unwrap_or(1024));
    let change = match setting.starts_with("--") {
        true => format!("{setting} {next}"),
        false => format!("{setting} = \"{next}\""),
    };
    Problem::error("NET001", format!("{addr} is in use by {owner}"))
        .fix(format!("stop it, or set {change}"))
}

/// The process that listens on `addr`, as in "`node` (pid 4121, user anna)"; `None` if that cannot
/// be seen: another user's process shows its files only to root.
pub fn who_listens(root: &Root, addr: SocketAddr) -> Option<String> {
    let socket = ["proc/net/tcp", "proc/net/tcp6"]
        .iter()
        .filter_map(|table| root.read(table).ok())
        .find_map(|table| table.lines().skip(1).find_map(|line| listening(line, addr)))?;
    let user = user_name(root, socket.uid).unwrap_or_else(|| socket.uid.to_string());
    let Some(pid) = owner(root, socket.inode) else {
        return Some(format!("a process of user {user}"));
    };
    let name = root.read(&format!("proc/{pid}/comm")).unwrap_or_default();
    Some(format!("`{}` (pid {pid}, user {user})", name.trim()))
}

struct Socket {
    uid: u32,
    inode: u64,
}

/// Reads a line of `/proc/net/tcp` or `tcp6`; `None` unless it listens on `addr`.
///
/// Columns: number, local address, remote address, state, queues, timer, retransmits, uid,
/// time-out, inode (Documentation/networking/proc_net_tcp.rst).
fn listening(line: &str, addr: SocketAddr) -> Option<Socket> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    if columns.get(3) != Some(&STATE_LISTEN) {
        return None;
    }
    let (ip, port) = columns.get(1)?.split_once(':')?;
    let ip = parse_ip(ip)?;
    if u16::from_str_radix(port, 16).ok()? != addr.port() {
        return None;
    }
    if !(ip == addr.ip() || ip.is_unspecified() || addr.ip().is_unspecified()) {
        return None;
    }
    Some(Socket { uid: columns.get(7)?.parse().ok()?, inode: columns.get(9)?.parse().ok()? })
}

/// Reads an address as the kernel prints it: words of 32 bits in host order, in hex.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    if text.len() == 8 {
        return word(0).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    }
    let mut bytes = [0; 16];
    for part in 0..4 {
        bytes[part * 4..part * 4 + 4].copy_from_slice(&word(part * 8)?);
    }
    let ip = Ipv6Addr::from(bytes);
    Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4))
}

/// The process that has the socket of that inode open.
fn owner(root: &Root, inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let entries = std::fs::read_dir(root.path("proc")).ok()?;
    entries.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let files = std::fs::read_dir(entry.path().join("fd")).ok()?;
        let has = files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str())
        });
        has.then_some(pid)
    })
}

fn user_name(root: &Root, uid: u32) -> Option<String> {
    let passwd = root.read("etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn tables(v4: &str, v6: &str) -> (tempfile::TempDir, Root) {
        let (dir, root) = fixture(&[
            ("proc/net/tcp", &format!("{HEAD}{v4}")),
            ("proc/net/tcp6", &format!("{HEAD}{v6}")),
            ("proc/4121/comm", "node\n"),
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n"),
        ]);
        std::fs::create_dir_all(dir.path().join("proc/4121/fd")).expect("a directory");
        std::os::unix::fs::symlink("socket:[77]", dir.path().join("proc/4121/fd/5"))
            .expect("a link");
        (dir, root)
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_listener_is_named() {
        let line = "   0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1 0 100 0 0 10 0\n";
        let (_dir, root) = tables(line, "");
        let node = Some("`node` (pid 4121, user anna)".to_owned());
        assert_eq!(who_listens(&root, addr("127.0.0.1:3001")), node);
        assert_eq!(who_listens(&root, addr("0.0.0.0:3001")), node);
        assert_eq!(who_listens(&root, addr("127.0.0.2:3001")), None);
        assert_eq!(who_listens(&root, addr("127.0.0.1:3002")), None);
        let in_use = io::Error::from(io::ErrorKind::AddrInUse);
        assert_eq!(
            refused(&root, addr("127.0.0.1:3001"), "match.listen", &in_use).to_string(),
            "error[NET001]: 127.0.0.1:3001 is in use by `node` (pid 4121, user anna)
  fix: stop it, or set match.listen = \"127.0.0.1:3002\""
        );
        let flag = refused(&root, addr("127.0.0.1:3002"), "--listen", &in_use).to_string();
        assert!(
            flag.contains(
                "in use by another process\n  fix: stop it, or set --listen 127.0.0.1:3003"
            ),
            "{flag}"
        );
    }

    #[test]
    fn a_connection_is_no_listener_and_a_hidden_process_has_a_user() {
        let lines = "   0: 0100007F:0BB9 0100007F:D431 01 0:0 0:0 0  1000 0 77 1\n   1: 0100007F:0BBA 0:0 0A 0:0 0:0 0 4242 0 99 1\n";
        let (_dir, root) = tables(lines, "");
        assert_eq!(who_listens(&root, addr("127.0.0.1:3001")), None);
        assert_eq!(
            who_listens(&root, addr("127.0.0.1:3002")),
            Some("a process of user 4242".to_owned())
        );
    }

    #[test]
    fn version_6_and_mapped_addresses_are_read() {
        assert_eq!(parse_ip("00000000000000000000000001000000"), Some("::1".parse().expect("ip")));
        let mapped = parse_ip("0000000000000000FFFF00000100007F");
        assert_eq!(mapped, Some("127.0.0.1".parse().expect("ip")));
        assert_eq!(parse_ip("00"), None);
        let any = "   0: 00000000000000000000000000000000:0BB9 0:0 0A 0:0 0:0 0 1000 0 77 1\n";
        let (_dir, root) = tables("", any);
        assert!(who_listens(&root, addr("127.0.0.1:3001")).is_some());
    }

    #[test]
    fn a_port_taken_on_this_host_is_ours_by_pid() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let taken = listener.local_addr().expect("an address");
        let problem = check(&Root::system(), taken, "admin.listen").expect_err("taken");
        assert_eq!(problem.code, "NET001");
        let pid = format!("(pid {}, user ", std::process::id());
        assert!(problem.what.contains(&pid), "{problem}");
        drop(listener);
        assert_eq!(check(&Root::system(), taken, "admin.listen"), Ok(()));
    }

    #[test]
    fn an_address_of_another_host_is_not_a_port_in_use() {
        let problem = check(&Root::system(), addr("192.0.2.1:4000"), "admin.listen");
        let text = problem.expect_err("not ours").to_string();
        assert_eq!(
            text,
            "error[NET003]: cannot listen on 192.0.2.1:4000: this host does not have that address
  fix: set admin.listen to an address of this host"
        );
        let denied = io::Error::from_raw_os_error(13);
        let text = refused(&Root::system(), addr("127.0.0.1:80"), "x", &denied).to_string();
        assert!(text.ends_with("fix: choose a port from 1024 up"), "{text}");
    }
}
