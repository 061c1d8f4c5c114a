//! Counts what the allocator is asked for between the wire and the decoded fills.
//!
//! A file of its own, because the counting allocator is the whole process's.

use net::hyperliquid::provider;
use net::hyperliquid::{Frame, Policy, Scratch, decode};
use net::payload::signal_json;
use net::tls::Roots;
use net::ws::{Limits, Message, Socket};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shards::event::{AssetType, Direction, PositionSide, Trigger};
use shards::{Address, Coin, Decimal, Dir, EventId, Seq, ShardId, Signal, Symbol, Token};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::sync::Arc;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more, and nobody to read it.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is passed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above; `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above; `at` came from `System`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() -> u64 {
    COUNT.with(Cell::get)
}

/// A text frame as a server sends it: no mask.
fn server_frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match text.len() {
        len @ 0..126 => bytes.push(len as u8),
        len @ 126..65_536 => {
            bytes.push(126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn user_fills(fills: usize) -> String {
    let fill = r#"{"coin":"BTC","px":"86006.0","sz":"0.07905","side":"B","time":1791280942711,"startPosition":"-0.14136","dir":"Close Short","closedPnl":"-2.600745","hash":"0x0da3f51a7423740a0f1d0445f5707e02017400000f2692dcb16ca06d33274df4","oid":566617233807,"crossed":true,"fee":"-0.067987","tid":669583051366496,"cloid":"0x000000000000000000065d2917ff6969","feeToken":"USDC","twapId":null}"#;
    let fills = vec![fill; fills].join(",");
    format!(
        r#"{{"channel":"userFills","data":{{"user":"0x000000000000000000000000000000000000000a","fills":[{fills}]}}}}"#
    )
}

/// What a server answers to a client's request for a WebSocket.
fn switch_of_protocols(request: &[u8]) -> String {
    let request = std::str::from_utf8(request).expect("ASCII");
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .expect("a request has a key");
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A plain connection whose handshake is done.
fn open_socket() -> Socket {
    let target = net::Target::parse("ws://127.0.0.1/ws").expect("a target");
    let mut socket = Socket::connect(&target, &Limits::default()).expect("starts");
    let mut request = Vec::new();
    socket.take_outgoing(&mut request);
    let answer = switch_of_protocols(&request);
    socket.feed(answer.as_bytes()).expect("a good answer");
    assert_eq!(socket.next().expect("a good answer"), Some(Message::Opened));
    socket
}

/// Feeds `bytes` in pieces, decodes all that comes, and says how many fills came.
fn turn(socket: &mut Socket, scratch: &mut Scratch, bytes: &[u8], piece: usize) -> usize {
    let mut fills = 0;
    for part in bytes.chunks(piece) {
        socket.feed(part).expect("good bytes");
        while let Some(message) = socket.next().expect("good bytes") {
            let Message::Text(text) = message else { panic!("{message:?}") };
            let frame = decode(&text, scratch).expect("a good frame");
            assert!(matches!(frame, Frame::UserFills { snapshot: false, .. }));
            fills += scratch.fills.len();
        }
    }
    fills
}

#[test]
fn after_warm_up_a_frame_of_fills_allocates_nothing() {
    let one = server_frame(&user_fills(1));
    let many = server_frame(&user_fills(60));
    let mut burst = Vec::new();
    for frame in [&one, &one, &many, &one] {
        burst.extend_from_slice(frame);
    }
    // In one piece, in pieces that cut frames and headers, and one frame at a time.
    for (bytes, piece, fills) in [
        (&one, usize::MAX, 1),
        (&one, 1, 1),
        (&many, 1448, 60),
        (&burst, usize::MAX, 63),
        (&burst, 1448, 63),
        (&burst, 61, 63),
    ] {
        let mut socket = open_socket();
        let mut scratch = Scratch::default();
        for _ in 0..8 {
            turn(&mut socket, &mut scratch, bytes, piece);
        }
        let before = count();
        assert!(before > 0, "the counter counts");
        for _ in 0..1000 {
            assert_eq!(turn(&mut socket, &mut scratch, bytes, piece), fills);
        }
        assert_eq!(count() - before, 0, "{} bytes in pieces of {piece}", bytes.len());
    }
}

/// rustls at the server's end, with the key and certificate of the fixtures.
fn tls_server() -> rustls::ServerConnection {
    let certificate = include_bytes!("fixtures/server.pem");
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .expect("the fixture is a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key fits the certificate");
    rustls::ServerConnection::new(Arc::new(config)).expect("a valid configuration")
}

/// A connection over TLS whose handshakes are done, and its server.
fn open_tls_socket() -> (Socket, rustls::ServerConnection) {
    let roots = Roots::from_pem(include_bytes!("fixtures/root.pem"), "root.pem").expect("a root");
    let target = net::Target::parse("wss://sim.local/ws").expect("a target");
    let mut socket = Socket::connect_with(&target, &Limits::default(), &roots).expect("starts");
    let mut server = tls_server();
    let mut request = Vec::new();
    for _ in 0..10 {
        let (mut out, mut back) = (Vec::new(), Vec::new());
        socket.take_outgoing(&mut out);
        let mut out = out.as_slice();
        while !out.is_empty() {
            server.read_tls(&mut out).expect("a slice never fails");
            server.process_new_packets().expect("a good client");
        }
        while server.reader().read_to_end(&mut request).is_ok_and(|count| count > 0) {}
        if request.ends_with(b"\r\n\r\n") {
            server.writer().write_all(switch_of_protocols(&request).as_bytes()).expect("room");
            request.clear();
        }
        while server.wants_write() {
            server.write_tls(&mut back).expect("a vector takes all");
        }
        socket.feed(&back).expect("a good server");
        if socket.next().expect("a good server") == Some(Message::Opened) {
            return (socket, server);
        }
    }
    panic!("the handshakes do not end");
}

#[test]
fn with_tls_each_record_costs_what_rustls_takes_for_it() {
    let (mut socket, mut server) = open_tls_socket();
    let mut scratch = Scratch::default();
    let frame = server_frame(&user_fills(3));
    let (warm_up, records) = (16, 500);
    let mut allocations = 0;
    for round in 0..warm_up + records {
        let mut wire = Vec::new();
        server.writer().write_all(&frame).expect("room");
        while server.wants_write() {
            server.write_tls(&mut wire).expect("a vector takes all");
        }
        let before = count();
        assert_eq!(turn(&mut socket, &mut scratch, &wire, usize::MAX), 3);
        if round >= warm_up {
            allocations += count() - before;
        }
    }
    // One: the vector that rustls 0.23 puts each decrypted record into. Fewer is welcome.
    assert!(allocations <= records, "{allocations} allocations in {records} records");
}

#[test]
fn a_signal_is_written_without_allocating() {
    let number = |text: &str| text.parse::<Decimal>().expect("a decimal");
    let signal = Signal {
        address: Address([7; 20]),
        asset_type: AssetType::Futures,
        coin: Coin::new("xyz:CL"),
        symbol: Symbol::new("xyz:CLUSDC"),
        coin_type: b'D',
        direction: Direction::Close,
        side: PositionSide::Short,
        leg: Dir::CloseShort,
        position_rate: None,
        close_rate: number("0.333333333333333333"),
        size: number("0.07905"),
        notional: number("6798.7743"),
        price: number("86006"),
        timestamp_ms: 1_791_280_942_711,
        last_fill_ms: 1_791_280_942_711,
        oid: 566_617_233_807,
        cloid: Some([9; 16]),
        revision: 2,
        is_final: false,
        status: None,
        trigger: Trigger::Timeout,
        fills: 1,
        order_size: number("0.1"),
        order_notional: number("8600.6"),
        partial_history: true,
        reason: None,
        closed_pnl: number("-2.600745"),
        fee: number("-0.067987"),
        fee_token: Token::new("USDC"),
    };
    let id = EventId { shard: ShardId(1), seq: Seq(u64::MAX), index: 3 };
    let mut bytes = Vec::with_capacity(2048);
    let before = count();
    signal_json(&signal, id, &mut bytes);
    assert_eq!(count() - before, 0);
    assert!(bytes.len() > 500);
}

#[test]
fn other_frames_of_the_hot_path_allocate_nothing_either() {
    let user = "0x000000000000000000000000000000000000000a";
    let mids: Vec<String> = (0..500).map(|n| format!("\"@{n}\":\"{n}.5\"")).collect();
    let frames = [
        r#"{"channel":"pong"}"#.to_owned(),
        r#"{"channel":"orderUpdates","data":[{"order":{"oid":1,"sz":"0","origSz":"1"},"status":"filled","statusTimestamp":1}]}"#.to_owned(),
        format!(r#"{{"channel":"allMids","data":{{"mids":{{{}}}}}}}"#, mids.join(",")),
        format!(r#"{{"channel":"allDexsClearinghouseState","data":{{"user":"{user}","clearinghouseStates":[["",{{"marginSummary":{{"accountValue":"1","totalNtlPos":"1","totalMarginUsed":"1"}},"withdrawable":"1","assetPositions":[{{"position":{{"coin":"BTC","szi":"1","leverage":{{"value":20}},"entryPx":"1","positionValue":"1","unrealizedPnl":"1","returnOnEquity":"1","marginUsed":"1"}}}}]}}]]}}}}"#),
        format!(r#"{{"channel":"spotState","data":{{"user":"{user}","spotState":{{"balances":[{{"coin":"USDC","token":0,"total":"1","hold":"0","entryNtl":"1"}}]}}}}}}"#),
    ];
    let mut scratch = Scratch::default();
    for frame in &frames {
        decode(frame, &mut scratch).expect("a good frame");
    }
    let before = count();
    for frame in &frames {
        decode(frame, &mut scratch).expect("a good frame");
    }
    assert_eq!(count() - before, 0);
}

#[test]
fn frames_of_providers_allocate_nothing() {
    let user = "0x000000000000000000000000000000000000000a";
    let fill = r#"{"coin":"BTC","px":"86006.0","sz":"0.07905","side":"B","time":1791280942711,"startPosition":"-0.14136","dir":"Close Short","closedPnl":"-2.600745","hash":"0x0d","oid":566617233807,"crossed":true,"fee":"-0.067987","tid":669583051366496,"cloid":"0x000000000000000000065d2917ff6969","feeToken":"USDC","twapId":null,"builder":"0x01","txIndex":3}"#;
    let tuples = vec![format!("[\"{user}\",{fill}]"); 60].join(",");
    let frames = [
        format!(r#"{{"channel":"userFills","fills":[{tuples}]}}"#),
        format!(
            r#"{{"type":"userFills","channel":"userFills","seq":7,"cursor":"500:1704067200000:3","fills":[{tuples}]}}"#
        ),
        format!(
            r#"{{"channel":"userFills","data":{{"block_number":500,"events":[{tuples}]}},"seq":7}}"#
        ),
        r#"{"channel":"pong"}"#.to_owned(),
        r#"{"type":"ping"}"#.to_owned(),
    ];
    let mut scratch = provider::Scratch::default();
    let mut session = provider::Session::new(Policy::default());
    session.want(user.parse().expect("an address"));
    session.on_open(0);
    let mut turn = |now_ms| {
        for frame in &frames {
            let frame = provider::decode(frame, &mut scratch).expect("a good frame");
            session.on_frame(&frame, now_ms);
            while session.poll(now_ms).is_some() {}
        }
    };
    for now_ms in 0..4 {
        turn(now_ms);
    }
    let before = count();
    turn(4);
    assert_eq!(count() - before, 0);
}
