//! Tests of the socket against a server in memory, in pieces of every size.

use super::*;
use proptest::prelude::*;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::sync::Arc;
use tungstenite::handshake::server::{NoCallback, ServerHandshake};

const ROOT: &[u8] = include_bytes!("../../tests/fixtures/root.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../tests/fixtures/server.pem");
const KEY: &[u8] = include_bytes!("../../tests/fixtures/server.key");

/// tungstenite's server at the other end of the wire, behind TLS if wanted.
struct Peer {
    tls: Option<rustls::ServerConnection>,
    received: Vec<u8>,
    socket: Option<tungstenite::WebSocket<Pipe>>,
}

fn roomy() -> Pipe {
    Pipe { outgoing_bytes_max: usize::MAX, ..Pipe::default() }
}

impl Peer {
    fn plain() -> Peer {
        Peer { tls: None, received: Vec::new(), socket: None }
    }

    fn with_tls() -> Peer {
        let chain = rustls::pki_types::CertificateDer::pem_slice_iter(CERTIFICATE)
            .collect::<Result<Vec<_>, _>>()
            .expect("the fixture is a certificate");
        let key = PrivateKeyDer::from_pem_slice(KEY).expect("the fixture is a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key fits the certificate");
        let mut tls =
            rustls::ServerConnection::new(Arc::new(config)).expect("a valid configuration");
        tls.set_buffer_limit(None);
        Peer { tls: Some(tls), ..Peer::plain() }
    }

    /// Takes bytes from the client; gives the messages that they complete.
    fn feed(&mut self, mut bytes: &[u8]) -> Vec<tungstenite::Message> {
        let mut plain = Vec::new();
        match &mut self.tls {
            None => plain.extend_from_slice(bytes),
            Some(tls) => {
                while !bytes.is_empty() {
                    tls.read_tls(&mut bytes).expect("a slice never fails");
                    if tls.process_new_packets().is_err() {
                        return Vec::new();
                    }
                    while tls.reader().read_to_end(&mut plain).is_ok_and(|count| count > 0) {}
                }
            }
        }
        let Some(socket) = &mut self.socket else {
            self.received.extend_from_slice(&plain);
            if self.received.ends_with(b"\r\n\r\n") {
                let mut pipe = roomy();
                pipe.incoming.append(&mut self.received);
                let shake = ServerHandshake::start(pipe, NoCallback, None).handshake();
                self.socket = Some(shake.expect("a whole request was received"));
            }
            return Vec::new();
        };
        socket.get_mut().incoming.extend_from_slice(&plain);
        let mut messages = Vec::new();
        while let Ok(message) = socket.read() {
            messages.push(message);
        }
        messages
    }

    fn say(&mut self, message: tungstenite::Message) {
        self.socket.as_mut().expect("open").send(message).expect("there is room");
    }

    fn take(&mut self, into: &mut Vec<u8>) {
        let mut plain = Vec::new();
        if let Some(socket) = &mut self.socket {
            plain.append(&mut socket.get_mut().outgoing);
        }
        match &mut self.tls {
            None => into.append(&mut plain),
            Some(tls) => {
                tls.writer().write_all(&plain).expect("rustls buffers it");
                while tls.wants_write() {
                    tls.write_tls(into).expect("a vector takes all");
                }
            }
        }
    }
}

fn target(url: &str) -> Target {
    Target::parse(url).expect("a target in a test")
}

fn plain_socket() -> Socket {
    Socket::connect(&target("ws://127.0.0.1:1/ws?x=1"), &Limits::default()).expect("starts")
}

/// Everything that `socket` says after `bytes` came in pieces of `piece`.
fn feed(socket: &mut Socket, bytes: &[u8], piece: usize) -> Result<Vec<Message>, WsError> {
    let mut messages = Vec::new();
    for part in bytes.chunks(piece) {
        socket.feed(part)?;
        while let Some(message) = socket.next()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

/// Moves bytes both ways until neither end has any.
fn exchange(
    socket: &mut Socket,
    peer: &mut Peer,
    piece: usize,
) -> (Vec<Message>, Vec<tungstenite::Message>) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        let (mut out, mut back) = (Vec::new(), Vec::new());
        assert!(
            !socket.wants_write() || {
                socket.take_outgoing(&mut out);
                !out.is_empty()
            }
        );
        theirs.extend(out.chunks(piece).flat_map(|part| peer.feed(part)));
        peer.take(&mut back);
        ours.extend(feed(socket, &back, piece).expect("a good peer"));
        if out.is_empty() && back.is_empty() {
            return (ours, theirs);
        }
    }
}

fn opened(mut peer: Peer, mut socket: Socket, piece: usize) -> (Peer, Socket) {
    let (ours, _) = exchange(&mut socket, &mut peer, piece);
    assert_eq!(ours, [Message::Opened]);
    (peer, socket)
}

fn open_plain() -> (Peer, Socket) {
    opened(Peer::plain(), plain_socket(), usize::MAX)
}

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

#[test]
fn messages_pass_both_ways_in_any_pieces() {
    let long = "é€𝄞 ".repeat(30_000);
    for tls in [false, true] {
        for piece in [1, 2, 3, 7, 1000, 4097, usize::MAX] {
            let (peer, socket) = if tls {
                let roots = Roots::from_pem(ROOT, "root.pem").expect("a root");
                let target = target("wss://sim.local/ws");
                let socket = Socket::connect_with(&target, &Limits::default(), &roots);
                (Peer::with_tls(), socket.expect("starts"))
            } else {
                (Peer::plain(), plain_socket())
            };
            let (mut peer, mut socket) = opened(peer, socket, piece);
            socket.send_text("hello").expect("open");
            for message in ["one", &long, ""] {
                peer.say(tungstenite::Message::text(message));
            }
            peer.say(tungstenite::Message::binary(vec![0, 159]));
            let (ours, theirs) = exchange(&mut socket, &mut peer, piece);
            let binary = Message::Binary(Bytes::from_static(&[0, 159]));
            assert!(
                ours == [text("one"), text(&long), text(""), binary],
                "tls {tls}, pieces of {piece}"
            );
            assert_eq!(
                theirs,
                [tungstenite::Message::text("hello")],
                "tls {tls}, pieces of {piece}"
            );
        }
    }
}

#[test]
fn half_a_frame_is_no_message() {
    let (mut peer, mut socket) = open_plain();
    peer.say(tungstenite::Message::text("x".repeat(500)));
    let mut bytes = Vec::new();
    peer.take(&mut bytes);
    let (half, rest) = bytes.split_at(250);
    assert_eq!(feed(&mut socket, half, usize::MAX).expect("good"), []);
    assert_eq!(feed(&mut socket, rest, usize::MAX).expect("good"), [text(&"x".repeat(500))]);
}

#[test]
fn pings_are_answered_and_not_shown() {
    let (mut peer, mut socket) = open_plain();
    peer.say(tungstenite::Message::Ping(Bytes::from_static(b"abc")));
    peer.say(tungstenite::Message::text("x"));
    let (ours, theirs) = exchange(&mut socket, &mut peer, 1);
    assert_eq!(ours, [text("x")]);
    assert_eq!(theirs, [tungstenite::Message::Pong(Bytes::from_static(b"abc"))]);
}

#[test]
fn the_pieces_of_a_fragmented_message_are_joined() {
    let (_, mut socket) = open_plain();
    // RFC 6455 section 5.4: text without FIN, a ping between, then a continuation with FIN.
    let bytes = b"\x01\x02ab\x89\x00\x80\x01c";
    assert_eq!(feed(&mut socket, bytes, 1).expect("good"), [text("abc")]);
}

#[test]
fn a_close_of_the_peer_is_told_once_and_answered() {
    let (mut peer, mut socket) = open_plain();
    let frame = CloseFrame { code: CloseCode::Normal, reason: "Expired".into() };
    peer.say(tungstenite::Message::Close(Some(frame)));
    let (ours, theirs) = exchange(&mut socket, &mut peer, 1);
    assert_eq!(ours, [Message::Closed { code: 1000, reason: "Expired".to_owned() }]);
    assert!(matches!(theirs[..], [tungstenite::Message::Close(Some(_))]), "{theirs:?}");
    assert!(matches!(socket.send_text("x"), Err(WsError::NotOpen)));
    assert_eq!(feed(&mut socket, b"\x81\x01x", 1).expect("ignored"), []);
    assert!(!socket.wants_write());
}

#[test]
fn a_close_without_a_code_has_one() {
    let (_, mut socket) = open_plain();
    let closed = Message::Closed { code: 1005, reason: String::new() };
    assert_eq!(feed(&mut socket, b"\x88\x00", 1).expect("good"), [closed]);
}

#[test]
fn our_close_reaches_the_peer_and_its_answer_comes_back() {
    let (mut peer, mut socket) = open_plain();
    socket.close();
    socket.close();
    assert!(matches!(socket.send_text("x"), Err(WsError::NotOpen)));
    let (ours, theirs) = exchange(&mut socket, &mut peer, 1);
    assert!(matches!(theirs[..], [tungstenite::Message::Close(Some(_))]), "{theirs:?}");
    assert_eq!(ours, [Message::Closed { code: 1000, reason: String::new() }]);
}

#[test]
fn nothing_is_sent_before_the_connection_is_open() {
    let mut socket = plain_socket();
    assert!(matches!(socket.send_text("x"), Err(WsError::NotOpen)));
    socket.close();
    let mut request = Vec::new();
    socket.take_outgoing(&mut request);
    let request = String::from_utf8(request).expect("ASCII");
    assert!(request.starts_with("GET /ws?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Host: 127.0.0.1:1\r\n"), "{request}");
    assert!(!socket.wants_write());
}

#[test]
fn a_refused_handshake_says_status_and_body() {
    let answer = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 9\r\n\r\nslow down";
    for piece in [1, 64, usize::MAX] {
        let mut socket = plain_socket();
        match feed(&mut socket, answer, piece) {
            Err(WsError::Refused { status: 429, body }) => assert!("slow down".starts_with(&body)),
            other => panic!("{other:?}"),
        }
        assert!(matches!(socket.next(), Ok(None)), "ended");
    }
    let endless = vec![b'x'; HANDSHAKE_BYTES_MAX + 1];
    let mut socket = plain_socket();
    assert!(matches!(feed(&mut socket, &endless, 1000), Err(WsError::HandshakeTooLong)));
    assert!(matches!(feed(&mut socket, &endless, 1000), Ok(messages) if messages.is_empty()));
    let nonsense = feed(&mut plain_socket(), b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 5);
    assert!(matches!(nonsense, Err(WsError::Protocol(_))), "{nonsense:?}");
}

#[test]
fn messages_over_the_limit_end_the_connection() {
    let limits = Limits { message_bytes_max: 100, ..Limits::default() };
    let socket = Socket::connect(&target("ws://127.0.0.1:1/ws"), &limits).expect("starts");
    let (mut peer, mut socket) = opened(Peer::plain(), socket, usize::MAX);
    let mut bytes = Vec::new();
    peer.say(tungstenite::Message::text("x".repeat(100)));
    peer.say(tungstenite::Message::text("x".repeat(101)));
    peer.take(&mut bytes);
    let error = feed(&mut socket, &bytes, 10).expect_err("too long");
    assert!(matches!(error, WsError::MessageTooLong { bytes: 101, bytes_max: 100 }), "{error}");
    assert_eq!(feed(&mut socket, &bytes, 10).expect("ended"), []);
}

#[test]
fn what_a_slow_peer_does_not_take_is_bounded() {
    let limits = Limits { write_buffer_bytes_max: 1000, ..Limits::default() };
    let socket = Socket::connect(&target("ws://127.0.0.1:1/ws"), &limits).expect("starts");
    let (mut peer, mut socket) = opened(Peer::plain(), socket, usize::MAX);
    let message = "x".repeat(300);
    let taken = (0..10).take_while(|_| socket.send_text(&message).is_ok()).count();
    assert_eq!(taken, 3);
    let full = socket.send_text(&message);
    assert!(matches!(full, Err(WsError::OutgoingFull { bytes_max: 1000, .. })), "{full:?}");
    // A peer that pings and never reads: answers replace each other, memory stays.
    for _ in 0..1000 {
        let ping = b"\x89\x7d".iter().chain(&[b'p'; 125]).copied().collect::<Vec<u8>>();
        assert_eq!(feed(&mut socket, &ping, usize::MAX).expect("goes on"), []);
    }
    let mut out = Vec::new();
    socket.take_outgoing(&mut out);
    assert!(out.len() <= 2 * 1000 + 200, "{} bytes waited", out.len());
    let messages = peer.feed(&out);
    assert_eq!(messages.iter().filter(|m| m.is_text()).count(), 3);
    socket.send_text(&message).expect("there is room again");
    let (_, theirs) = exchange(&mut socket, &mut peer, 100);
    assert!(theirs.contains(&tungstenite::Message::text(message)));
}

#[test]
fn a_certificate_that_is_not_trusted_ends_the_connection() {
    let ours = Roots::from_pem(ROOT, "root.pem").expect("a root");
    for (url, roots) in [("wss://sim.local/ws", Roots::bundled()), ("wss://other.local/ws", ours)] {
        let mut socket =
            Socket::connect_with(&target(url), &Limits::default(), &roots).expect("starts");
        let mut peer = Peer::with_tls();
        let (mut hello, mut answer) = (Vec::new(), Vec::new());
        socket.take_outgoing(&mut hello);
        peer.feed(&hello);
        peer.take(&mut answer);
        let error = feed(&mut socket, &answer, usize::MAX).expect_err("not trusted");
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
        assert!(socket.wants_write(), "the alert");
    }
}

proptest! {
    #[test]
    fn a_peer_that_sends_nonsense_never_makes_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        piece in 1usize..50,
    ) {
        let (_, mut socket) = open_plain();
        let _ = feed(&mut socket, &bytes, piece);
        let _ = socket.send_text("x");
        socket.take_outgoing(&mut Vec::new());
    }
}
