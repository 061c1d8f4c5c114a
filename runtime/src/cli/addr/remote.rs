//! The administration port of a node that runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::de::DeserializeOwned;
use shards::Address;

use crate::admin::port::read_token;
use crate::admin::wire::{Account, Added, Error, Imported, Removed};
use crate::cli::args::NodeArgs;
use crate::cli::show;
use crate::control::lists::Named;
use crate::diag::{CODES, Problem, Problems};

/// Longer than the node takes for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Bytes of an answer: a list of 100,000 accounts has 30 MiB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A node, seen from here.
pub(super) struct Remote {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

/// How an answer came: its status and its bytes.
type Came = (u16, Vec<u8>);

impl Remote {
    /// The node that the command line or the configuration names. Nothing is sent yet.
    pub(super) fn find(node: &NodeArgs) -> Result<Remote, Problems> {
        let (base, token_file) = match &node.admin {
            Some(url) => (checked(url)?, node.token_file.clone()),
            None => {
                let config = show::load(&node.source, node.source.set.clone())?.config;
                let listen = config.admin.listen.ok_or_else(switched_off)?;
                if listen.port() == 0 {
                    return Err(any_port().into());
                }
                let token_file = node.token_file.clone().or(config.admin.token_file);
                (format!("http://{}", reachable(listen)), token_file)
            }
        };
        let token = token_file.as_deref().map(read_token).transpose()?;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            // The node is on this host or near it: never by way of a proxy.
            .proxy(None)
            .build()
            .into();
        Ok(Remote { agent, base, token })
    }

    pub(super) fn add(&self, named: &Named) -> Result<Added, Problem> {
        let body = serde_json::json!({ "nickname": named.name }).to_string();
        let url = format!("{}/v1/addresses/{}", self.base, named.address);
        self.read(self.authorized(self.agent.put(&url)).send(body.as_bytes()))
    }

    pub(super) fn remove(&self, address: &Address, now: bool) -> Result<Removed, Problem> {
        let query = if now { "?now=true" } else { "" };
        let url = format!("{}/v1/addresses/{address}{query}", self.base);
        self.read(self.authorized(self.agent.delete(&url)).call())
    }

    pub(super) fn accounts(&self) -> Result<Vec<Account>, Problem> {
        let url = format!("{}/v1/addresses", self.base);
        self.read(self.authorized(self.agent.get(&url)).call())
    }

    pub(super) fn import(&self, csv: &[u8]) -> Result<Imported, Problem> {
        let url = format!("{}/v1/addresses", self.base);
        self.read(self.authorized(self.agent.post(&url)).content_type("text/csv").send(csv))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, Problem> {
        let came = sent.and_then(|mut response| {
            let status = response.status().as_u16();
            let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
            Ok((status, bytes))
        });
        let (status, bytes): Came = came.map_err(|error| self.silent(&error))?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&bytes).map_err(|_| self.foreign(status));
        }
        let error: Error = serde_json::from_slice(&bytes).map_err(|_| self.foreign(status))?;
        let row = CODES.iter().find(|row| row.code == error.code);
        let mut problem = Problem::error(row.map_or("ADM004", |row| row.code), error.what);
        problem.why.extend(Some(error.why).filter(|why| !why.is_empty()));
        problem.fix.extend(Some(error.fix).filter(|fix| !fix.is_empty()));
        Err(problem)
    }

    fn silent(&self, error: &ureq::Error) -> Problem {
        let why = match error {
            ureq::Error::Io(error) => crate::diag::reason(error),
            ureq::Error::Timeout(_) => format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
            other => other.to_string(),
        };
        no_node(format!("no corelane answers at {}: {why}", self.base))
    }

    fn foreign(&self, status: u16) -> Problem {
        let what = format!("what answers at {} is no corelane (status {status})", self.base);
        Problem::error("ADM005", what).fix("--admin http://HOST:PORT, as admin.listen has it")
    }
}

fn no_node(what: String) -> Problem {
    Problem::error("ADM005", what)
        .fix("corelane run, or --admin http://HOST:PORT if it runs elsewhere")
        .fix("--offline changes the list itself, for the next start; or write monitor.addresses")
}

fn switched_off() -> Problem {
    no_node("admin.listen is \"\": a node with this configuration cannot be asked".to_owned())
}

fn any_port() -> Problem {
    Problem::error("ADM005", "admin.listen has port 0: any free one, and it is not known which")
        .fix("--admin http://HOST:PORT, as the log of the node says at its start")
}

/// A URL without its path.
fn checked(url: &str) -> Result<String, Problem> {
    let base = url.trim_end_matches('/');
    match base.strip_prefix("http://") {
        Some(rest) if !rest.is_empty() && !rest.contains('/') => Ok(base.to_owned()),
        _ => Err(Problem::error("CFG011", format!("--admin {url} is not understood"))
            .fix("--admin http://HOST:PORT")),
    }
}

/// Where to connect to for what listens there: everywhere is also here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_listens_everywhere_is_reached_here() {
        for (listen, expect) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.1.2.3:1", "10.1.2.3:1"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            let listen = listen.parse().expect("an address");
            assert_eq!(reachable(listen).to_string(), expect);
        }
    }

    #[test]
    fn only_plain_http_without_a_path_is_a_port() {
        assert_eq!(checked("http://h:1/"), Ok("http://h:1".to_owned()));
        for bad in ["https://h", "h:1", "http://", "http://h/v1"] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
