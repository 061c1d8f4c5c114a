//! Who may ask.
//!
//! A program on this host, or one that has the token. Never a web page that a person on this host looks at: a browser lets
//! any page send requests to loopback, and lets a page read the answers if the page's own name was made to point here (DNS
//! rebinding). So requests on behalf of a page, which have an `Origin`, change nothing, and without a token a request must
//! name this host by an IP address or as localhost, which no page can be served under.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use hyper::{Method, StatusCode};

use super::port::Token;
use crate::diag::Problem;

/// Decides, and says why not.
pub(super) fn check(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    token: Option<&Token>,
) -> Result<(), (StatusCode, Problem)> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if headers.contains_key(ORIGIN) && !reads {
        let what = "a web page may not change anything here";
        let problem = Problem::error("ADM003", what).why("the request has an Origin header");
        return Err((StatusCode::FORBIDDEN, problem.fix("send it from a program, not a browser")));
    }
    let Some(token) = token else { return check_host(headers) };
    // Who looks after the process need not hold the secret.
    if reads && path == "/health" {
        return Ok(());
    }
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match sent.and_then(bearer) {
        Some(sent) if token.is(sent) => Ok(()),
        sent => {
            let what = if sent.is_some() { "another token" } else { "no token" };
            let fix = "send `Authorization: Bearer TOKEN`, the line in admin.token_file";
            Err((StatusCode::UNAUTHORIZED, Problem::error("ADM001", what).fix(fix)))
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn check_host(headers: &HeaderMap) -> Result<(), (StatusCode, Problem)> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|value| value.to_str().ok());
    match (host, hosts.next()) {
        (Some(host), None) if is_here(host) => Ok(()),
        (host, _) => {
            let host = host.unwrap_or("nothing that can be read");
            let problem = Problem::error("ADM003", format!("the request is for {host:?}"))
                .why("without a token, this host is named by an IP address or as localhost")
                .fix("use the address in admin.listen, or set admin.token_file");
            Err((StatusCode::MISDIRECTED_REQUEST, problem))
        }
    }
}

/// Whether a host, with or without a port, is an IP address or localhost.
fn is_here(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((ip, port)) = rest.split_once(']') else { return false };
        return ip.parse::<std::net::Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_known = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    is_known && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_page_has_are_this_host() {
        for (host, expect) in [
            ("127.0.0.1:8080", true),
            ("127.0.0.1", true),
            ("LocalHost:8080", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("10.1.2.3:1", true),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1:80:80", false),
            ("[::1", false),
            ("[::1]x", false),
            ("", false),
        ] {
            assert_eq!(is_here(host), expect, "{host}");
        }
    }
}
