//! Where to connect: a `wss://` or `ws://` address, taken apart and judged.
//!
//! Plain text is accepted towards hosts that cannot be on the public network: an order book on the wire between
//! two racks is one thing, money over the internet without TLS another.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A WebSocket server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
}

/// Why a text is no acceptable target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// Neither `ws://` nor `wss://`.
    #[error("{url}: a WebSocket address begins with wss:// or ws://")]
    Scheme {
        /// The text.
        url: String,
    },
    /// No host, or one with characters that no host has.
    #[error("{url}: there is no usable host name in it")]
    Host {
        /// The text.
        url: String,
    },
    /// The port is not a number from 1 to 65535.
    #[error("{url}: the port must be a number from 1 to 65535")]
    Port {
        /// The text.
        url: String,
    },
    /// The path holds a blank or a control character, which would break the request line.
    #[error("{url}: the path holds a character that must be percent-encoded")]
    Path {
        /// The text.
        url: String,
    },
    /// Plain text towards a host on the public network.
    #[error("ws:// is not encrypted and {host} is not a private host; use wss://")]
    PlainPublic {
        /// The host.
        host: String,
    },
}

impl Target {
    /// Reads `wss://host[:port][/path]`. `ws://` is for loopback and private hosts only.
    pub fn parse(url: &str) -> Result<Target, TargetError> {
        let whole = || url.to_owned();
        let (tls, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => (false, rest),
            _ => return Err(TargetError::Scheme { url: whole() }),
        };
        let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        let (host, port) = split_port(authority);
        let port = match port {
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| TargetError::Port { url: whole() })?,
        };
        if !is_host(host) {
            return Err(TargetError::Host { url: whole() });
        }
        // A fragment is never sent (RFC 6455 section 3).
        let path = path.split('#').next().unwrap_or_default();
        if path.bytes().any(|b| b <= b' ' || b == 0x7f || !b.is_ascii()) {
            return Err(TargetError::Path { url: whole() });
        }
        let host = host.to_ascii_lowercase();
        if !tls && !is_private(&host) {
            return Err(TargetError::PlainPublic { host });
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { tls, host, port, path })
    }

    /// The host as an HTTP `Host` field and an URL have it: IPv6 in brackets, the port where it is not the
    /// scheme's own.
    pub fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => format!("{open}{}{close}", self.host),
            (_, port) => format!("{open}{}{close}:{port}", self.host),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Host and port text of `host:port`, `[v6]:port`, or either without a port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some(rest) = authority.strip_prefix('[') {
        // Without its closing bracket this is no host; the empty one is refused by the caller.
        let Some((host, rest)) = rest.split_once(']') else { return ("", None) };
        return match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => ("", None),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

/// Whether this can be a host: a name of letters, digits, `-`, `_`, `.`, or an address.
fn is_host(host: &str) -> bool {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let named = !host.is_empty() && host.len() <= 253 && host.bytes().all(name);
    named || host.parse::<Ipv6Addr>().is_ok()
}

/// Whether a host is certainly not on the public network: loopback, private and link-local addresses
/// (RFC 1918, 4193, 4291, 3927), `localhost`, `.local`, `.internal`, and names without a dot.
fn is_private(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            None => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        },
        Err(_) => {
            let name = host.trim_end_matches('.');
            !name.contains('.')
                || [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, wanted: &str) {
        let found = match Target::parse(url) {
            Ok(t) => format!("{} {} {} {}", t.tls, t.host, t.port, t.path),
            Err(TargetError::Scheme { .. }) => "scheme".to_owned(),
            Err(TargetError::Host { .. }) => "host".to_owned(),
            Err(TargetError::Port { .. }) => "port".to_owned(),
            Err(TargetError::Path { .. }) => "path".to_owned(),
            Err(TargetError::PlainPublic { .. }) => "plain".to_owned(),
        };
        assert_eq!(found, wanted, "{url}");
    }

    #[test]
    fn targets_are_taken_apart() {
        check("wss://api.hyperliquid.xyz/ws", "true api.hyperliquid.xyz 443 /ws");
        check("WSS://API.Hyperliquid.xyz", "true api.hyperliquid.xyz 443 /");
        check("wss://host.example:8443?a=b#frag", "true host.example 8443 /?a=b");
        check("ws://127.0.0.1:7001/ws", "false 127.0.0.1 7001 /ws");
        check("ws://[::1]:7001/ws", "false ::1 7001 /ws");
        check("wss://[2001:db8::1]", "true 2001:db8::1 443 /");
        check("ws://localhost/ws", "false localhost 80 /ws");
    }

    #[test]
    fn plain_text_is_for_private_hosts() {
        for host in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.3.4",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "sim",
            "host.local",
            "a.b.internal",
            "x.localhost",
        ] {
            assert!(Target::parse(&format!("ws://{host}/ws")).is_ok(), "{host}");
        }
        for host in
            ["8.8.8.8", "172.32.0.1", "api.hyperliquid.xyz", "[2001:db8::1]", "[::ffff:8.8.8.8]"]
        {
            check(&format!("ws://{host}/ws"), "plain");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        check("http://host/ws", "scheme");
        check("api.hyperliquid.xyz/ws", "scheme");
        check("wss:///ws", "host");
        check("wss://a b/ws", "host");
        check("wss://user@host/ws", "host");
        check("wss://[::1/ws", "host");
        check("wss://[::1]x/ws", "host");
        check("wss://host:0/ws", "port");
        check("wss://host:99999/ws", "port");
        check("wss://host:/ws", "port");
        check("wss://host/a\r\nX: y", "path");
    }

    #[test]
    fn a_target_is_written_as_it_is_read() {
        for url in ["wss://api.hyperliquid.xyz/ws", "ws://[::1]:7001/ws", "wss://h.example:8443/?q"]
        {
            assert_eq!(Target::parse(url).expect("a target").to_string(), url);
        }
    }
}
