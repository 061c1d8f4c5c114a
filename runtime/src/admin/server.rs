//! The thread: one task a connection, one request a connection.
//!
//! Everything has a limit: connections, the bytes of a head and of a body, and the time that a client may take for each of
//! them and altogether. A connection that is over its time is closed; nothing of it is left.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::port::{Port, Token};
use super::routes::{self, Refusal};
use super::{Answer, Ask, Asked, guard};
use crate::diag::{Problem, reason};
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor::Housekeeping;

/// Connections at a time. More wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// Questions to control that may wait.
const ASKS_MAX: usize = CONNECTIONS_MAX;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// Bytes of a body: some 15,000 lines with names.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a client may take for the head of its request, and again for its body.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// How long control may take for an answer: a busy database is waited for up to seven seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may take altogether.
const CONNECTION_WITHIN: Duration = Duration::from_secs(30);

/// The server, seen from control.
pub struct Admin {
    asks: Receiver<Asked>,
    /// The server ends when this is dropped.
    _running: oneshot::Sender<Infallible>,
}

impl Admin {
    /// The next question.
    pub fn receive(&mut self) -> Option<Asked> {
        self.asks.receive()
    }

    /// Whether there is one.
    pub fn has_news(&self) -> bool {
        !self.asks.is_empty()
    }
}

/// Times of a server; tests have shorter ones.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) read_within: Duration,
    pub(super) answer_within: Duration,
    pub(super) connection_within: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            read_within: READ_WITHIN,
            answer_within: ANSWER_WITHIN,
            connection_within: CONNECTION_WITHIN,
        }
    }
}

/// Starts the thread; `control` is rung when something is asked.
pub fn start(
    port: Port,
    control: &Arc<Bell>,
    housekeeping: &Housekeeping,
) -> Result<Admin, Problem> {
    start_with(port, control, housekeeping, Times::default())
}

pub(super) fn start_with(
    port: Port,
    control: &Arc<Bell>,
    housekeeping: &Housekeeping,
    times: Times,
) -> Result<Admin, Problem> {
    let failed = |error: std::io::Error| {
        let what = format!("cannot start the administration port: {}", reason(&error));
        Problem::error("SYS001", what)
    };
    let (asks, received) = channel(ASKS_MAX, control);
    let (running, stop) = oneshot::channel();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let Port { listener, token, .. } = port;
    let listener = {
        let _guard = runtime.enter();
        TcpListener::from_std(listener).map_err(failed)?
    };
    let housekeeping = housekeeping.clone();
    std::thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || {
            housekeeping.enter();
            let shared = Rc::new(Shared { asks: RefCell::new(asks), token, times });
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = accept(listener, shared) => {}
                    // Dropped by control: nobody answers any more.
                    _ = stop => {}
                }
            });
        })
        .map_err(failed)?;
    Ok(Admin { asks: received, _running: running })
}

/// What all tasks share. One thread, so that nothing is locked; no borrow lives across an await.
struct Shared {
    asks: RefCell<Sender<Asked>>,
    token: Option<Token>,
    times: Times,
}

async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: connections that end will free some.
                tracing::warn!(code = "ADM006", %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let shared = Rc::clone(&shared);
        spawn_local(async move {
            let within = shared.times.connection_within;
            // Over its time: dropped, which closes it.
            let _ = timeout(within, serve(stream, shared)).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, shared: Rc<Shared>) {
    let read_within = shared.times.read_within;
    let service = service_fn(move |request| {
        let shared = Rc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, &shared).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read_within)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an administration connection ended");
    }
}

async fn respond(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (status, body) = match answer(request, shared).await {
        Ok(reply) => reply,
        Err(refusal) => routes::refuse(&refusal),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<(StatusCode, String), Refusal> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method, head.uri.path());
    guard::check(&method, path, &head.headers, shared.token.as_ref())?;
    let body = match routes::has_body(&method) {
        true => read(body, shared.times.read_within).await?,
        false => Bytes::new(),
    };
    let question = routes::question(&method, path, head.uri.query(), &body)?;
    let answer = ask(question.ask.clone(), shared).await?;
    Ok(routes::reply(question, answer))
}

async fn read(body: Incoming, within: Duration) -> Result<Bytes, Refusal> {
    match timeout(within, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => {
            let what = format!("the body is longer than {BODY_BYTES_MAX} bytes, or broke off");
            let problem = Problem::error("ADM004", what).fix("send it in parts");
            Err((StatusCode::PAYLOAD_TOO_LARGE, problem))
        }
        Err(_) => {
            let what = format!("the body did not come within {} s", within.as_secs());
            Err((StatusCode::REQUEST_TIMEOUT, Problem::error("ADM004", what)))
        }
    }
}

async fn ask(ask: Ask, shared: &Shared) -> Result<Answer, Refusal> {
    let (answer, answered) = oneshot::channel();
    if shared.asks.borrow_mut().send(Asked { ask, answer }).is_err() {
        let problem = Problem::error("ADM006", "too many requests wait for an answer");
        return Err((StatusCode::SERVICE_UNAVAILABLE, problem.fix("ask again")));
    }
    match timeout(shared.times.answer_within, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => {
            let problem = Problem::error("ADM006", "corelane is stopping");
            Err((StatusCode::SERVICE_UNAVAILABLE, problem))
        }
        Err(_) => {
            let within = shared.times.answer_within.as_secs();
            let problem = Problem::error("ADM006", format!("no answer within {within} s"))
                .why("it may still be done");
            Err((StatusCode::GATEWAY_TIMEOUT, problem.fix("look, and ask again")))
        }
    }
}
