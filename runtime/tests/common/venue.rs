//! A server that says exactly what a test wants: the test's own thread accepts, reads and writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use super::program::PATIENCE;

/// The two listeners of a venue.
pub struct Venue {
    stream: TcpListener,
    requests: SocketAddr,
}

/// How a venue answers a request: `None` refuses it.
pub trait Answer: Fn(&Value) -> Option<Value> + Send + 'static {}

impl<F: Fn(&Value) -> Option<Value> + Send + 'static> Answer for F {}

impl Venue {
    /// Listens on free ports.
    pub fn open(answer: impl Answer) -> Venue {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let requests = listen();
        let addr = requests.local_addr().expect("it is bound");
        // It ends with the test's process.
        std::thread::spawn(move || {
            for connection in requests.incoming().flatten() {
                // A client that goes away in the middle asks again.
                let _ = answer_one(&connection, &answer);
            }
        });
        Venue { stream: listen(), requests: addr }
    }

    /// Where its stream is.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws", self.stream.local_addr().expect("it is bound"))
    }

    /// Where it takes requests.
    pub fn info_url(&self) -> String {
        format!("http://{}/info", self.requests)
    }

    /// The next connection.
    #[track_caller]
    pub fn accept(&self) -> Connection {
        let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
        let patience = Timespec::try_from(PATIENCE).expect("seconds");
        let ready = poll(&mut fds, Some(&patience)).expect("a listener can be polled");
        assert!(ready > 0, "nobody connected");
        let (connection, _) = self.stream.accept().expect("somebody connects");
        connection.set_read_timeout(Some(PATIENCE)).expect("an option");
        connection.set_nodelay(true).expect("an option");
        let socket = tungstenite::accept(connection).expect("a WebSocket handshake");
        Connection { socket }
    }
}

/// One connection of the monitor.
pub struct Connection {
    socket: WebSocket<TcpStream>,
}

impl Connection {
    /// Sends a text frame.
    pub fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("the monitor reads");
    }

    /// Sends a frame of a channel.
    pub fn send(&mut self, channel: &str, data: &Value) {
        self.say(&json!({"channel": channel, "data": data}).to_string());
    }

    /// The next message, as JSON.
    #[track_caller]
    pub fn hear(&mut self) -> Value {
        loop {
            match self.socket.read().expect("the monitor says something in time") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(_) => panic!("the monitor closed"),
                _ => {}
            }
        }
    }

    /// Reads this many subscriptions and acknowledges each in canonical form; their types, in the order asked.
    #[track_caller]
    pub fn acknowledge(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        while kinds.len() < count {
            let message = self.hear();
            assert_eq!(message["method"], "subscribe", "{message}");
            let mut subscription = message["subscription"].clone();
            let kind = subscription["type"].as_str().expect("a type").to_owned();
            match kind.as_str() {
                "userFills" => subscription["aggregateByTime"] = json!(false),
                "spotState" => subscription["ignorePortfolioMargin"] = json!(false),
                _ => {}
            }
            let data = json!({"method": "subscribe", "subscription": subscription});
            self.send("subscriptionResponse", &data);
            kinds.push(kind);
        }
        kinds
    }

    /// Closes as the venue does in its routine, and waits until the monitor has gone.
    pub fn expire(mut self) {
        let frame = CloseFrame { code: 1000.into(), reason: "Expired".into() };
        self.socket.close(Some(frame)).expect("the monitor reads");
        while self.socket.read().is_ok() {}
    }
}

/// Answers one request and closes: simple, and allowed.
pub fn answer_one(
    connection: &TcpStream,
    answer: &impl Fn(&Value) -> Option<Value>,
) -> std::io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(connection);
    let mut body_bytes = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(("content-length", value)) = line.to_lowercase().split_once(": ") {
            body_bytes = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; body_bytes];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, text) = match answer(&request) {
        Some(value) => ("200 OK", value.to_string()),
        None => ("500 Internal Server Error", "null".to_owned()),
    };
    let mut out = connection;
    write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    )?;
    out.flush()
}
