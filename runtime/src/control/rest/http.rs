//! HTTP from a chosen address of this host.
//!
//! The venue counts weights by address, so a request must leave from the address whose budget it was charged to. ureq
//! has no option for that; it lets the connection be made elsewhere, which is what [`Bound`] does. Its `unversioned`
//! module may change with any of its releases: everything that depends on it is in this file.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};

/// How long one request may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// Largest answer: `spotMeta` and full pages have a few hundred KiB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How much of a refusal's body is shown.
const SAID_BYTES_MAX: usize = 120;
/// Longest pause that a server may ask for: it counts in minutes.
const RETRY_AFTER_MS_MAX: u64 = 120_000;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum PostError {
    /// Status 429: the budget of this address is spent.
    Limited {
        /// How long the server says to wait.
        retry_after_ms: Option<u64>,
    },
    /// Anything else.
    Failed {
        /// In words.
        why: String,
        /// Whether the venue may have counted a whole answer.
        may_be_counted: bool,
    },
}

/// Requests from one address.
#[derive(Debug)]
pub(super) struct Http {
    agent: ureq::Agent,
}

impl Http {
    /// From this address; from any if there is none.
    pub(super) fn new(local_addr: Option<IpAddr>) -> Http {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_WITHIN))
            .http_status_as_error(false);
        let agent = match local_addr {
            None => config.build().into(),
            Some(local) => ureq::Agent::with_parts(
                // Through a proxy the venue would see the proxy's address.
                config.proxy(None).build(),
                Bound { local }.chain(RustlsConnector::default()),
                DefaultResolver::default(),
            ),
        };
        Http { agent }
    }

    /// Asks and reads the whole answer.
    pub(super) fn post(&self, url: &str, body: &str) -> Result<Vec<u8>, PostError> {
        let failed = |why: &dyn fmt::Display, may_be_counted: bool| {
            let why = format!("POST {}: {why}", without_query(url));
            PostError::Failed { why, may_be_counted }
        };
        let sent = self.agent.post(url).content_type("application/json").send(body);
        let mut response = sent.map_err(|error| failed(&error, !is_unsent(&error)))?;
        let status = response.status();
        if status.as_u16() == 429 {
            let header = response.headers().get("retry-after");
            let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
            let retry_after_ms =
                seconds.map(|seconds| seconds.saturating_mul(1000).min(RETRY_AFTER_MS_MAX));
            return Err(PostError::Limited { retry_after_ms });
        }
        let read = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = read.map_err(|error| failed(&error, status.is_success()))?;
        if !status.is_success() {
            let said = String::from_utf8_lossy(&bytes[..bytes.len().min(SAID_BYTES_MAX)]);
            return Err(failed(&format_args!("status {status}: {said}"), false));
        }
        Ok(bytes)
    }
}

/// What of a URL may be shown: providers put their keys into the query.
pub(super) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// The host of a URL, for messages; the whole URL where it is none.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Whether a request failed before the server had it.
fn is_unsent(error: &ureq::Error) -> bool {
    use io::ErrorKind::{
        AddrInUse, AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable,
    };
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => true,
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => true,
        ureq::Error::Io(error) => matches!(
            error.kind(),
            AddrInUse | AddrNotAvailable | ConnectionRefused | HostUnreachable | NetworkUnreachable
        ),
        _ => false,
    }
}

/// Connects from one address of this host.
#[derive(Debug)]
struct Bound {
    local: IpAddr,
}

impl Bound {
    fn open(&self, peer: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::new(self.local, 0).into())?;
        socket.connect_timeout(&peer.into(), within)?;
        Ok(socket.into())
    }
}

impl Connector<()> for Bound {
    type Out = Tcp;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _chained: Option<()>,
    ) -> Result<Option<Tcp>, ureq::Error> {
        let within = details.timeout.not_zero().map_or(REQUEST_WITHIN, |within| *within);
        let mut peers =
            details.addrs.iter().filter(|peer| peer.is_ipv4() == self.local.is_ipv4()).peekable();
        if peers.peek().is_none() {
            let family = if self.local.is_ipv4() { "IPv4" } else { "IPv6" };
            let what = format!("the host has no {family} address for local_addr {}", self.local);
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what).into());
        }
        let mut last = None;
        for peer in peers {
            match self.open(*peer, within) {
                Ok(stream) => {
                    let config = details.config;
                    let buffers =
                        LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
                    return Ok(Some(Tcp { stream, buffers }));
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.expect("there was an address, and it failed");
        let what = format!("connecting from {}: {error}", self.local);
        Err(io::Error::new(error.kind(), what).into())
    }
}

/// A connection that [`Bound`] has made.
struct Tcp {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tcp").field(&self.stream).finish()
    }
}

/// The system calls the end of a socket's time-out by either of two names.
fn timed_out(error: io::Error, timeout: &NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(timeout.not_zero().map(|within| *within))?;
        let output = &self.buffers.output()[..amount];
        (&self.stream).write_all(output).map_err(|error| timed_out(error, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = timeout.for_read();
        self.stream.set_read_timeout(timeout.not_zero().map(|within| *within))?;
        let amount = loop {
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| timed_out(error, &timeout))?,
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // An idle connection has nothing to read: bytes nobody asked for, an end and an error all mean that it is
        // of no more use.
        let nothing = self.stream.set_nonblocking(true).is_ok()
            && matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        nothing && self.stream.set_nonblocking(false).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_a_url_are_not_shown() {
        assert_eq!(without_query("https://a.example/info?key=secret"), "https://a.example/info");
        assert_eq!(without_query("https://a.example/info"), "https://a.example/info");
        assert_eq!(host_of("https://user:secret@a.example:81/info?key=secret"), "a.example:81");
        assert_eq!(host_of("http://127.0.0.1:3001"), "127.0.0.1:3001");
        assert_eq!(host_of("nonsense"), "nonsense");
    }
}
