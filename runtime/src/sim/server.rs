//! The shell around the venue: one thread, one listener, a task for the clock and one for each
//! connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use shards::Address;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::node_files::NodeFiles;
use super::options::{SimError, SimOptions, SimStats};
use super::rest::{Ending, Reply};
use super::socket::serve_socket;
use super::truth::Truth;
use super::venue::Venue;

/// Bytes of a request's body, at most.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long stopping waits for slow readers.
const QUIET_WITHIN: Duration = Duration::from_secs(10);
/// The shortest pause of the clock: timers are no finer.
const TICK_MIN: Duration = Duration::from_millis(1);

/// What the handle asks of the thread.
#[derive(Debug)]
pub(crate) enum Command {
    Stats(mpsc::Sender<SimStats>),
    Truth(mpsc::Sender<Truth>),
    StartTrading(mpsc::Sender<SimStats>),
    StopTrading(mpsc::Sender<Result<SimStats, SimError>>),
    Shutdown(mpsc::Sender<Result<(), SimError>>),
}

/// Address bound and accounts, or why not.
type Started = Result<(SocketAddr, Vec<Address>), SimError>;

/// What all tasks share. One thread, so that nothing is locked; no borrow lives across an await.
pub(crate) struct Shared {
    pub(crate) venue: RefCell<Venue>,
    started: Instant,
    /// Rings when the clock must look again.
    pub(crate) stir: Notify,
    /// Rings when a connection has something to send.
    bells: RefCell<BTreeMap<u64, Rc<Notify>>>,
    /// A node's files, or which of them could not be written.
    node: RefCell<Result<Option<NodeFiles>, (PathBuf, io::ErrorKind)>>,
}

impl Shared {
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Wakes every connection that has something to send.
    pub(crate) fn ring(&self) {
        let bells = self.bells.borrow();
        for conn in self.venue.borrow_mut().take_ready() {
            if let Some(bell) = bells.get(&conn) {
                bell.notify_one();
            }
        }
    }

    fn write_truth(&self) -> Result<(), SimError> {
        let venue = self.venue.borrow();
        let Some(path) = &venue.options.truth else { return Ok(()) };
        let written = venue.truth().write(path);
        written.map_err(|source| SimError::Write { path: path.clone(), source })
    }

    fn start_trading(&self) -> SimStats {
        let now = self.now();
        self.venue.borrow_mut().start_all(now);
        self.stir.notify_one();
        self.venue.borrow().stats()
    }

    /// Writes what the node has to write. After an error nothing more: the files would have a hole.
    fn write_node(&self) {
        let ops = self.venue.borrow_mut().take_node_ops();
        let mut node = self.node.borrow_mut();
        if let Ok(Some(files)) = &mut *node
            && let Err((path, source)) = files.apply(ops)
        {
            tracing::error!(path = %path.display(), error = %source, "a node's file cannot be written");
            *node = Err((path, source.kind()));
        }
    }

    fn node_outcome(&self) -> Result<(), SimError> {
        match &*self.node.borrow() {
            Ok(_) => Ok(()),
            Err((path, kind)) => {
                Err(SimError::Write { path: path.clone(), source: (*kind).into() })
            }
        }
    }

    async fn stop_trading(&self) -> Result<SimStats, SimError> {
        let now = self.now();
        self.venue.borrow_mut().stop(now);
        self.write_node();
        self.ring();
        let deadline = tokio::time::Instant::now() + QUIET_WITHIN;
        let mut look = tokio::time::interval(Duration::from_millis(2));
        while !self.venue.borrow().stats().quiet && tokio::time::Instant::now() < deadline {
            look.tick().await;
        }
        self.write_truth()?;
        self.node_outcome()?;
        Ok(self.venue.borrow().stats())
    }
}

/// The thread's main function.
pub(crate) fn serve(
    options: SimOptions,
    inbox: UnboundedReceiver<Command>,
    started: &mpsc::Sender<Started>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(|source| SimError::Thread { source }).and_then(|runtime| {
        let venue = Venue::new(options)?;
        if let Some(node) = &venue.options.node {
            let failed = |source| SimError::Write { path: node.dir.clone(), source };
            std::fs::create_dir_all(&node.dir).map_err(failed)?;
        }
        let listen = venue.options.listen;
        let listener = runtime
            .block_on(TcpListener::bind(listen))
            .map_err(|source| SimError::Listen { listen, source })?;
        let addr = listener.local_addr().map_err(|source| SimError::Listen { listen, source })?;
        Ok((runtime, venue, listener, addr))
    });
    match outcome {
        // If nobody waits for the answer any more, the inbox is closed too and the thread ends at
        // once.
        Err(error) => drop(started.send(Err(error))),
        Ok((runtime, venue, listener, addr)) => {
            drop(started.send(Ok((addr, venue.addresses()))));
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, run(venue, listener, inbox));
        }
    }
}

async fn run(mut venue: Venue, listener: TcpListener, mut inbox: UnboundedReceiver<Command>) {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    venue.set_epoch(since_epoch.map_or(0, |since| since.as_micros() as u64));
    let node = &venue.options.node;
    let node = node.as_ref().map(|node| NodeFiles::new(node.dir.clone(), node.plain));
    let shared = Rc::new(Shared {
        venue: RefCell::new(venue),
        started: Instant::now(),
        stir: Notify::new(),
        bells: RefCell::default(),
        node: RefCell::new(Ok(node)),
    });
    spawn_local(accept(listener, Rc::clone(&shared)));
    spawn_local(keep_time(Rc::clone(&shared)));
    // An asker that has gone away needs no answer.
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Stats(reply) => drop(reply.send(shared.venue.borrow().stats())),
            Command::Truth(reply) => drop(reply.send(shared.venue.borrow().truth())),
            Command::StartTrading(reply) => drop(reply.send(shared.start_trading())),
            Command::StopTrading(reply) => drop(reply.send(shared.stop_trading().await)),
            Command::Shutdown(reply) => {
                drop(reply.send(shared.write_truth().and_then(|()| shared.node_outcome())));
                return;
            }
        }
    }
}

/// Does what is due when it is due.
async fn keep_time(shared: Rc<Shared>) {
    loop {
        let now = shared.now();
        let next = shared.venue.borrow_mut().tick(now);
        shared.write_node();
        shared.ring();
        match next {
            Some(at) if at <= now => tokio::task::yield_now().await,
            Some(at) => {
                let pause = (at - now).max(TICK_MIN);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shared.stir.notified() => {}
                }
            }
            None => shared.stir.notified().await,
        }
    }
}

async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: connections that end will free some.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Frames are small and their time matters; without the option they are only later.
        let _ = stream.set_nodelay(true);
        let shared = Rc::clone(&shared);
        spawn_local(async move {
            let service = service_fn(move |request| {
                let shared = Rc::clone(&shared);
                async move { answer(request, peer.ip(), &shared).await }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "an HTTP connection ended");
            }
        });
    }
}

/// An answer's body; one that breaks off is an error of the connection.
type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How long the half of an answer has to go out before the connection ends.
const HALF_FIRST: Duration = Duration::from_millis(20);
/// How long a request without an answer is left hanging.
const HANG: Duration = Duration::from_secs(30);

fn reply(status: u16, body: String) -> Response<Body> {
    let whole = Full::new(Bytes::from(body)).map_err(|never| match never {});
    reply_of(status, whole.boxed_unsync())
}

/// An answer of which only half comes.
fn half_reply(status: u16, body: String) -> Response<Body> {
    let length = body.len();
    let half = Bytes::from(body).slice(..length / 2);
    // The error would overtake what is not yet written.
    let end = futures_util::stream::once(async {
        tokio::time::sleep(HALF_FIRST).await;
        Err(io::ErrorKind::ConnectionReset.into())
    });
    let frames = futures_util::stream::iter([Ok(Frame::data(half))]).chain(end);
    let body = StreamBody::new(frames);
    let mut response = reply_of(status, body.boxed_unsync());
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn reply_of(status: u16, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("the callers' constants");
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn answer(
    request: Request<Incoming>,
    ip: IpAddr,
    shared: &Rc<Shared>,
) -> io::Result<Response<Body>> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/ws") => upgrade(request, ip, shared, false),
        (&Method::GET, "/provider") => upgrade(request, ip, shared, true),
        (&Method::POST, "/info") => {
            let Ok(body) = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await else {
                return Ok(reply(413, "null".into()));
            };
            let now = shared.now();
            let Reply { status, body, ending } =
                shared.venue.borrow_mut().request(ip, &body.to_bytes(), now);
            match ending {
                Ending::Whole => reply(status, body),
                Ending::Half => half_reply(status, body),
                Ending::Never => {
                    tokio::time::sleep(HANG).await;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
        }
        (&Method::GET, "/sim/stats") => reply(200, stats_json(&shared.venue.borrow().stats())),
        (&Method::GET, "/sim/addresses") => {
            let addresses = shared.venue.borrow().addresses();
            let list: Value = addresses.iter().map(Address::to_string).collect();
            reply(200, list.to_string())
        }
        (&Method::GET, "/sim/starts") => reply(200, shared.venue.borrow().starts().to_string()),
        (&Method::GET, "/sim/truth") => match shared.write_truth() {
            Ok(()) => reply(200, shared.venue.borrow().truth().to_json_lines()),
            Err(error) => reply(500, Value::from(error.to_string()).to_string()),
        },
        (&Method::POST, "/sim/start_trading") => reply(200, stats_json(&shared.start_trading())),
        (&Method::POST, "/sim/stop_trading") => match shared.stop_trading().await {
            Ok(stats) => reply(200, stats_json(&stats)),
            Err(error) => reply(500, Value::from(error.to_string()).to_string()),
        },
        _ => reply(404, "null".into()),
    })
}

fn stats_json(stats: &SimStats) -> String {
    serde_json::to_string(stats).expect("numbers and texts serialise")
}

/// Answers the WebSocket handshake; the connection's task begins when the socket is free.
fn upgrade(
    mut request: Request<Incoming>,
    ip: IpAddr,
    shared: &Rc<Shared>,
    provider: bool,
) -> Response<Body> {
    let headers = request.headers();
    let upgrades = headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| upgrades);
    let Some(accept) = key.map(|key| derive_accept_key(key.as_bytes())) else {
        return reply(400, "null".into());
    };
    let now = shared.now();
    let conn = match provider {
        true => Some(shared.venue.borrow_mut().connect_provider(ip, now)),
        false => shared.venue.borrow_mut().connect(ip, now),
    };
    let Some(conn) = conn else { return reply(429, "null".into()) };
    let bell = Rc::new(Notify::new());
    shared.bells.borrow_mut().insert(conn, Rc::clone(&bell));
    shared.stir.notify_one();
    let shared = Rc::clone(shared);
    spawn_local(async move {
        match hyper::upgrade::on(&mut request).await {
            Ok(upgraded) => serve_socket(upgraded, conn, &bell, &shared).await,
            Err(error) => tracing::debug!(%error, "a handshake was not finished"),
        }
        shared.bells.borrow_mut().remove(&conn);
        shared.venue.borrow_mut().disconnect(conn);
        shared.stir.notify_one();
    });
    let accept = HeaderValue::from_str(&accept).expect("base64 is ASCII");
    let mut response = reply(101, String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}
