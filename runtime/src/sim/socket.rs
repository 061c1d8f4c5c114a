//! One WebSocket connection: carries text in, frames out, and breaks in the ways that faults ask
//! for.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::server::Shared;
use super::session::Out;

/// Frames written between two flushes, at most.
const FRAMES_PER_FLUSH: usize = 256;
/// Bytes read at a time.
const READ_BUFFER_BYTES: usize = 4096;
/// How long a peer may leave a batch unread.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// How long the peer has to answer a close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Serves a connection until either side ends it.
pub(crate) async fn serve_socket(upgraded: Upgraded, conn: u64, bell: &Notify, shared: &Shared) {
    let io = TokioIo::new(upgraded);
    // Requests are short; the whole buffer is cleared before each attempt to read.
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    if let Err(error) = exchange(&mut socket, conn, bell, shared).await {
        tracing::debug!(%error, conn, "a WebSocket connection ended");
    }
}

async fn exchange(
    socket: &mut Socket,
    conn: u64,
    bell: &Notify,
    shared: &Shared,
) -> Result<(), Error> {
    loop {
        loop {
            let batch = shared.venue.borrow_mut().take_out(conn, FRAMES_PER_FLUSH);
            if batch.is_empty() {
                break;
            }
            // A peer that does not read must not hold the connection for ever.
            let written = tokio::time::timeout(WRITE_WITHIN, write_batch(socket, batch));
            let goes_on = match written.await {
                Ok(written) => written?,
                Err(_too_late) => false,
            };
            if !goes_on {
                return Ok(());
            }
            shared.venue.borrow_mut().sent(conn, shared.now());
            shared.stir.notify_one();
        }
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Text(text)) => {
                    shared.venue.borrow_mut().message(conn, &text, shared.now());
                    shared.stir.notify_one();
                }
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => shared.venue.borrow_mut().touch(conn, shared.now()),
            },
            () = bell.notified() => {}
        }
    }
}

/// Writes and flushes; whether the connection goes on. Frames go out in one write, past the
/// WebSocket, whose own replies are flushed first: at high rates it is writes that cost.
async fn write_batch(socket: &mut Socket, batch: Vec<Out>) -> Result<bool, Error> {
    let mut bytes = Vec::new();
    let mut end = None;
    for out in batch {
        match out {
            Out::Text(text) => put_text_frame(&mut bytes, &text),
            Out::Half(text) => {
                let mut whole = Vec::new();
                put_text_frame(&mut whole, &text);
                bytes.extend_from_slice(&whole[..whole.len() / 2]);
                end = Some(Out::Drop);
            }
            Out::Expire | Out::Drop => end = Some(out),
        }
        if end.is_some() {
            break;
        }
    }
    socket.flush().await?;
    socket.get_mut().write_all(&bytes).await.map_err(Error::Io)?;
    match end {
        None => return Ok(true),
        Some(Out::Expire) => {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "Expired".into() };
            socket.close(Some(frame)).await?;
            // Until the peer has answered; what it says meanwhile is of no interest, nor is how it
            // ends.
            let answered = async { while let Some(Ok(_)) = socket.next().await {} };
            let _ = tokio::time::timeout(CLOSE_WITHIN, answered).await;
        }
        Some(_) => {}
    }
    Ok(false)
}

/// Appends a whole unmasked text frame (RFC 6455, section 5.2).
fn put_text_frame(bytes: &mut Vec<u8>, text: &str) {
    bytes.reserve(text.len() + 10);
    bytes.push(0x81);
    match text.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_frame(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_text_frame(&mut bytes, text);
        bytes
    }

    #[test]
    fn a_frame_says_its_length_in_each_of_the_three_ways() {
        assert_eq!(text_frame("abc"), [0x81, 3, b'a', b'b', b'c']);
        assert_eq!(text_frame(&"x".repeat(126))[..4], [0x81, 126, 0, 126]);
        assert_eq!(text_frame(&"x".repeat(65_536))[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
