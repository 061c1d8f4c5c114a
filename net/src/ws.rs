//! One WebSocket connection over our buffers: tungstenite, in this one file.
//!
//! The caller owns the TCP socket. It hands received bytes to [`Socket::feed`], asks [`Socket::next`] until there
//! is no message left, and sends what [`Socket::take_outgoing`] gives. Pings are answered inside; the handshakes
//! of TLS and WebSocket are driven by the same calls.
//!
//! A message shares the read buffer: drop it before the next `feed`, and the buffer is used again; keep it, and
//! tungstenite must allocate a new one. With that rule, a plain connection allocates nothing after warm-up
//! (`tests/allocations.rs`). The read buffer grows to the largest message seen, and is made anew
//! after one beyond 64 KiB (`frames.rs`).

mod frames;

use crate::target::Target;
use crate::tls::{Roots, TlsError, TlsStream};
use frames::Frames;
use std::io::{self, Read, Write};
use tungstenite::client::IntoClientRequest;
use tungstenite::error::Error;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
pub use tungstenite::{Bytes, Utf8Bytes};

/// Largest header of an HTTP answer to the handshake: real ones have a few hundred bytes.
const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a refusing server's body that are kept for the error.
const BODY_SAMPLE_BYTES_MAX: usize = 200;

/// Close code for a peer that gave none (RFC 6455 section 7.1.5).
const CLOSE_NO_STATUS: u16 = 1005;

/// Bytes that a frame header and its mask add to a payload, at most (RFC 6455 section 5.2).
const FRAME_OVERHEAD_BYTES_MAX: usize = 14;

/// What one connection may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Largest message that is accepted.
    pub message_bytes_max: usize,
    /// Size of the read buffer before it grows to the first larger message. It is resident: 10 connections cost
    /// ten of it.
    pub read_buffer_bytes: usize,
    /// Bytes that may wait to be sent; beyond it [`WsError::OutgoingFull`]. Answers to pings may take as much again.
    pub write_buffer_bytes_max: usize,
}

impl Default for Limits {
    /// Frames of several MiB are real (snapshots); what we send is small.
    fn default() -> Limits {
        Limits {
            message_bytes_max: 16 << 20,
            read_buffer_bytes: 16 << 10,
            write_buffer_bytes_max: 256 << 10,
        }
    }
}

/// Why a connection cannot go on. Every variant but [`WsError::OutgoingFull`] is its end.
#[derive(Debug, thiserror::Error)]
pub enum WsError {
    /// TLS failed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server answered the handshake with something other than a switch of protocols.
    #[error("the server answered the WebSocket handshake with HTTP status {status}: {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The answer to the handshake is longer than any real one.
    #[error("no end of the handshake's header in {HANDSHAKE_BYTES_MAX} bytes")]
    HandshakeTooLong,
    /// A message is larger than [`Limits::message_bytes_max`].
    #[error("a message of {bytes} bytes; at most {bytes_max} are accepted")]
    MessageTooLong {
        /// Its size as far as it is known.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Too many bytes wait to be sent. The message was not taken; the connection can go on.
    #[error("{waiting} bytes wait to be sent; at most {bytes_max} may")]
    OutgoingFull {
        /// Bytes waiting.
        waiting: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The connection is closed, or not open yet.
    #[error("the WebSocket connection is not open")]
    NotOpen,
    /// The peer breaks the protocol.
    #[error("WebSocket: {0}")]
    Protocol(Box<Error>),
}

/// What came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The handshakes are done: messages can be sent. Comes first, once.
    Opened,
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// The peer closed, or answered our close. Comes last, once.
    Closed {
        /// Close code; 1005 when the peer gave none.
        code: u16,
        /// The peer's words.
        reason: String,
    },
}

/// A WebSocket connection, client side.
pub struct Socket {
    stage: Stage,
    tls: Option<Box<TlsStream>>,
    limits: Limits,
}

enum Stage {
    Handshake(Box<MidHandshake<ClientHandshake<Pipe>>>),
    Open(Box<tungstenite::WebSocket<Pipe>>),
    /// Ended; holds what may still wait to be sent.
    Ended(Pipe),
}

impl Socket {
    /// Starts a connection, with the roots of [`Roots::from_environment`]. Nothing is sent by itself: ask
    /// [`Socket::take_outgoing`].
    pub fn connect(target: &Target, limits: &Limits) -> Result<Socket, WsError> {
        let roots = target.tls.then(Roots::from_environment).transpose()?;
        Socket::start(target, limits, roots.as_ref())
    }

    /// As [`Socket::connect`], with roots of the caller's choice.
    pub fn connect_with(
        target: &Target,
        limits: &Limits,
        roots: &Roots,
    ) -> Result<Socket, WsError> {
        Socket::start(target, limits, target.tls.then_some(roots))
    }

    fn start(target: &Target, limits: &Limits, roots: Option<&Roots>) -> Result<Socket, WsError> {
        let tls = match roots {
            Some(roots) => Some(Box::new(TlsStream::connect(&target.host, roots)?)),
            None => None,
        };
        let request = target.to_string().into_client_request().map_err(WsError::from)?;
        let config = config(limits);
        let pipe = Pipe { outgoing_bytes_max: limits.write_buffer_bytes_max, ..Pipe::default() };
        let handshake =
            ClientHandshake::start(pipe, request, Some(config)).map_err(WsError::from)?;
        let mut socket = Socket { stage: Stage::Ended(Pipe::default()), tls, limits: *limits };
        // The first round writes the request and finds nothing to read.
        let opened = socket.shake(handshake)?;
        debug_assert!(opened.is_none(), "nothing was received yet");
        Ok(socket)
    }

    /// Takes bytes from the wire. Follow with [`Socket::next`] until it gives nothing.
    pub fn feed(&mut self, received: &[u8]) -> Result<(), WsError> {
        let pipe = match &mut self.stage {
            Stage::Handshake(handshake) => handshake.get_mut().get_mut(),
            Stage::Open(socket) => socket.get_mut(),
            Stage::Ended(_) => return Ok(()),
        };
        match &mut self.tls {
            Some(tls) => tls.feed(received, &mut pipe.incoming)?,
            None => pipe.incoming.extend_from_slice(received),
        }
        Ok(())
    }

    /// The next message, if one is complete.
    #[expect(
        clippy::should_implement_trait,
        reason = "it fails, and it is no iterator: it ends and goes on"
    )]
    pub fn next(&mut self) -> Result<Option<Message>, WsError> {
        if matches!(self.stage, Stage::Handshake(_)) {
            return self.next_in_handshake();
        }
        let Stage::Open(socket) = &mut self.stage else { return Ok(None) };
        if socket.get_ref().frames.is_bloated() {
            renew(socket, &self.limits);
        }
        let end = loop {
            match socket.read() {
                Ok(tungstenite::Message::Text(text)) => return Ok(Some(Message::Text(text))),
                Ok(tungstenite::Message::Binary(bytes)) => return Ok(Some(Message::Binary(bytes))),
                Ok(tungstenite::Message::Close(frame)) => break Ok(Some(closed(frame))),
                // Read again: the next round of `read` sends the answer to a ping.
                Ok(_) => {}
                Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(None),
                Err(error) => break Err(error.into()),
            }
        };
        // The answer to the peer's close waits inside; where there is no room for it, it does not matter.
        let _ = socket.flush();
        self.end();
        end
    }

    /// Queues a text message.
    pub fn send_text(&mut self, text: &str) -> Result<(), WsError> {
        let Stage::Open(socket) = &mut self.stage else { return Err(WsError::NotOpen) };
        let waiting = socket.get_ref().outgoing.len();
        let bytes_max = self.limits.write_buffer_bytes_max;
        if waiting + text.len() + FRAME_OVERHEAD_BYTES_MAX > bytes_max {
            return Err(WsError::OutgoingFull { waiting, bytes_max });
        }
        match socket.send(tungstenite::Message::text(text)) {
            Err(Error::WriteBufferFull(_)) => Err(WsError::OutgoingFull { waiting, bytes_max }),
            sent => sent.map_err(WsError::from),
        }
    }

    /// Queues a close frame. The peer's answer comes as [`Message::Closed`]; do not wait for it for ever.
    pub fn close(&mut self) {
        if let Stage::Open(socket) = &mut self.stage {
            let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            // It can only fail for want of room, and then the peer is not reading anyway.
            let _ = socket.close(Some(frame));
        }
    }

    /// Whether [`Socket::take_outgoing`] has something to give.
    pub fn wants_write(&self) -> bool {
        let waiting = match &self.stage {
            Stage::Handshake(handshake) => handshake.get_ref().get_ref(),
            Stage::Open(socket) => socket.get_ref(),
            Stage::Ended(pipe) => pipe,
        };
        match &self.tls {
            Some(tls) => tls.wants_write() || (tls.is_ready() && !waiting.outgoing.is_empty()),
            None => !waiting.outgoing.is_empty(),
        }
    }

    /// Appends all bytes that are to be sent. Ask also after an error: an alert or a close may be among them.
    pub fn take_outgoing(&mut self, into: &mut Vec<u8>) {
        loop {
            let pipe = match &mut self.stage {
                Stage::Handshake(handshake) => handshake.get_mut().get_mut(),
                Stage::Open(socket) => {
                    // Answers to pings that found no room wait inside tungstenite. What it has to say of the
                    // connection is said again by the next read.
                    let _ = socket.flush();
                    socket.get_mut()
                }
                Stage::Ended(pipe) => pipe,
            };
            let room = into.len();
            match &mut self.tls {
                Some(tls) => tls.take_outgoing(&mut pipe.outgoing, into),
                None => into.append(&mut pipe.outgoing),
            }
            if into.len() == room {
                return;
            }
        }
    }

    /// Waits for the whole header before tungstenite sees it: it would parse it anew for each piece, and it takes
    /// many small pieces for an attack.
    fn next_in_handshake(&mut self) -> Result<Option<Message>, WsError> {
        let Stage::Handshake(handshake) = &self.stage else { return Ok(None) };
        let incoming = &handshake.get_ref().get_ref().incoming;
        let header = &incoming[..incoming.len().min(HANDSHAKE_BYTES_MAX)];
        let Some(end) = header.windows(4).position(|end| end == b"\r\n\r\n") else {
            if incoming.len() < HANDSHAKE_BYTES_MAX {
                return Ok(None);
            }
            self.end();
            return Err(WsError::HandshakeTooLong);
        };
        let ended = Stage::Ended(Pipe::default());
        match std::mem::replace(&mut self.stage, ended) {
            Stage::Handshake(mut handshake) => {
                handshake.get_mut().get_mut().frames.let_pass(end + 4);
                self.shake(*handshake)
            }
            Stage::Open(_) | Stage::Ended(_) => Ok(None),
        }
    }

    fn shake(
        &mut self,
        handshake: MidHandshake<ClientHandshake<Pipe>>,
    ) -> Result<Option<Message>, WsError> {
        match handshake.handshake() {
            Ok((socket, _response)) => {
                self.stage = Stage::Open(Box::new(socket));
                Ok(Some(Message::Opened))
            }
            Err(HandshakeError::Interrupted(handshake)) => {
                self.stage = Stage::Handshake(Box::new(handshake));
                Ok(None)
            }
            Err(HandshakeError::Failure(error)) => Err(error.into()),
        }
    }

    /// Ends the connection, keeping what still waits to be sent.
    fn end(&mut self) {
        let outgoing = match &mut self.stage {
            Stage::Open(socket) => std::mem::take(&mut socket.get_mut().outgoing),
            Stage::Handshake(_) => Vec::new(),
            Stage::Ended(_) => return,
        };
        self.stage = Stage::Ended(Pipe { outgoing, ..Pipe::default() });
    }
}

fn closed(frame: Option<CloseFrame>) -> Message {
    match frame {
        Some(frame) => {
            Message::Closed { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
        }
        None => Message::Closed { code: CLOSE_NO_STATUS, reason: String::new() },
    }
}

impl From<Error> for WsError {
    fn from(error: Error) -> WsError {
        match error {
            Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                let sample = &body[..body.len().min(BODY_SAMPLE_BYTES_MAX)];
                WsError::Refused {
                    status: response.status().as_u16(),
                    body: String::from_utf8_lossy(sample).trim().to_owned(),
                }
            }
            Error::Capacity(tungstenite::error::CapacityError::MessageTooLong {
                size,
                max_size,
            }) => WsError::MessageTooLong { bytes: size, bytes_max: max_size },
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(tungstenite::error::ProtocolError::SendAfterClosing) => {
                WsError::NotOpen
            }
            other => WsError::Protocol(Box::new(other)),
        }
    }
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limits.read_buffer_bytes)
        // Everything goes to our own buffer at once; its limit is the one that counts.
        .write_buffer_size(0)
        .max_write_buffer_size(limits.write_buffer_bytes_max.max(1))
        .max_message_size(Some(limits.message_bytes_max))
        .max_frame_size(Some(limits.message_bytes_max))
}

/// Gives back the room that a large message took inside tungstenite: with a connection for each handful of accounts, and
/// a snapshot of every account, that would be most of the memory there is. Between two messages nothing is inside.
fn renew(socket: &mut tungstenite::WebSocket<Pipe>, limits: &Limits) {
    // The answer to a ping may still wait for room; then it is tried again after the next message.
    if !socket.can_write() || socket.flush().is_err() {
        return;
    }
    let mut pipe = std::mem::take(socket.get_mut());
    pipe.frames.renewed();
    if pipe.incoming.is_empty() {
        pipe.incoming = Vec::new();
    }
    *socket = tungstenite::WebSocket::from_raw_socket(pipe, Role::Client, Some(config(limits)));
}

/// The two byte queues that tungstenite takes for a stream.
#[derive(Default, Debug)]
struct Pipe {
    incoming: Vec<u8>,
    /// How much of `incoming` was read already.
    taken: usize,
    frames: Frames,
    outgoing: Vec<u8>,
    outgoing_bytes_max: usize,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.incoming[self.taken..];
        if rest.is_empty() {
            // No end of file here: that the peer is gone is for the owner of the TCP socket to say.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(most) = self.frames.readable(rest) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let count = most.min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        self.frames.read(count);
        if self.taken == self.incoming.len() {
            self.incoming.clear();
            self.taken = 0;
        }
        Ok(count)
    }
}

impl Write for Pipe {
    /// Takes a frame whole while there is room for any of it, so a frame overshoots the limit once at most.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.outgoing.len() >= self.outgoing_bytes_max {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
