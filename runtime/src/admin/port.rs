//! The listening socket and the token. Opened by whoever starts the node, before anything else: a port that is taken, or a
//! token that cannot be read, ends the start while nothing has begun.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::config;
use crate::diag::{Problem, reason};
use crate::host::{Root, ports};

/// Characters that a token has at least: it stands in the way of guessing.
const TOKEN_CHARS_MIN: usize = 16;

/// An open port.
pub struct Port {
    pub(super) listener: TcpListener,
    pub(super) addr: SocketAddr,
    pub(super) token: Option<Token>,
}

impl Port {
    /// Opens what the configuration names; `None` if it names nothing.
    pub fn open(admin: &config::Admin) -> Result<Option<Port>, Problem> {
        let Some(listen) = admin.listen else { return Ok(None) };
        let token = admin.token_file.as_deref().map(Token::read).transpose()?;
        let refused = |error| ports::refused(&Root::system(), listen, "admin.listen", &error);
        let listener = TcpListener::bind(listen).map_err(refused)?;
        Port::new(listener, token).map(Some).map_err(refused)
    }

    /// Any free port of this host's own address.
    pub fn free() -> Result<Port, Problem> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let refused = |error| ports::refused(&Root::system(), any, "admin.listen", &error);
        let listener = TcpListener::bind(any).map_err(refused)?;
        Port::new(listener, None).map_err(refused)
    }

    fn new(listener: TcpListener, token: Option<Token>) -> std::io::Result<Port> {
        listener.set_nonblocking(true)?;
        Ok(Port { addr: listener.local_addr()?, listener, token })
    }

    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Asks for this token from now on.
    #[cfg(test)]
    pub(super) fn with_token(self, token: &str) -> Port {
        Port { token: Some(Token::new(token)), ..self }
    }
}

/// The secret that requests carry. Only its hash is kept.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    fn new(text: &str) -> Token {
        Token(Sha256::digest(text.as_bytes()).into())
    }

    fn read(path: &Path) -> Result<Token, Problem> {
        read_token(path).map(|text| Token::new(&text))
    }

    /// Whether `text` is it. Takes as long for one text as for another of its length: hashes are compared, to the end.
    pub(super) fn is(&self, text: &str) -> bool {
        let other = Token::new(text).0;
        let differences = self.0.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differences) == 0
    }
}

/// The token in a file: its only line.
pub fn read_token(path: &Path) -> Result<String, Problem> {
    let unusable = |why: &str| {
        Problem::error("ADM002", format!("{} is no token file: {why}", path.display()))
            .fix(format!("head -c 32 /dev/urandom | base64 > {0} && chmod 600 {0}", path.display()))
    };
    let bytes = std::fs::read(path).map_err(|error| unusable(&reason(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not text"))?;
    let token = text.trim();
    if token.len() < TOKEN_CHARS_MIN {
        let why = format!("{} characters; at least {TOKEN_CHARS_MIN} are needed", token.len());
        return Err(unusable(&why));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable("it holds other than printable ASCII characters, or several lines"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_of_some_length_and_fits_itself_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            read_token(&path).map_err(|problem| problem.what)
        };
        assert_eq!(read("0123456789abcdef\n"), Ok("0123456789abcdef".to_owned()));
        assert!(
            read("short\n").expect_err("short").ends_with("5 characters; at least 16 are needed")
        );
        assert!(read("0123456789abcdef\nsecond").is_err());
        assert!(read("").is_err() && read_token(&dir.path().join("none")).is_err());
        let token = Token::new("0123456789abcdef");
        assert!(token.is("0123456789abcdef"));
        assert!(!token.is("0123456789abcdeF") && !token.is("") && !token.is("0123456789abcdef0"));
    }

    #[test]
    fn a_port_that_is_taken_says_who_has_it() {
        let taken = Port::free().expect("a port");
        let admin = config::Admin { listen: Some(taken.addr()), token_file: None };
        let problem = Port::open(&admin).err().expect("taken");
        let pid = format!("(pid {}, user ", std::process::id());
        assert!(problem.code == "NET001" && problem.what.contains(&pid), "{problem}");
        assert!(problem.fix[0].contains("admin.listen"), "{problem}");
        let none = config::Admin { listen: None, token_file: None };
        assert!(Port::open(&none).expect("nothing to open").is_none());
    }
}
