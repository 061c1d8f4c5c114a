//! From a request to an [`Ask`], from an [`Answer`] to a response.

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use shards::Address;

use super::wire::{Added, Canary, Error, Imported, ImportedLine, Reloaded, Removed};
use super::{Answer, Ask, import, name_fault};
use crate::config::address_fault;
use crate::control::lists::Named;
use crate::diag::Problem;

/// A refusal: status and reason.
pub(super) type Refusal = (StatusCode, Problem);

/// What a request asks, and what is needed to put the answer into words.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) ask: Ask,
    how: How,
}

#[derive(Debug)]
enum How {
    Plain,
    Import(Vec<ImportedLine>),
    Remove(Address),
}

/// What a path takes.
const PATHS: &str = "GET /health, /v1/addresses, /v1/status, /v1/canary; PUT and DELETE \
                     /v1/addresses/0x...; POST /v1/addresses, /v1/reload; PUT /v1/canary";

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutBody {
    #[serde(default, alias = "name")]
    nickname: String,
}

/// Whether requests of this method bring a body that is read.
pub(super) fn has_body(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::POST)
}

/// Understands a request.
pub(super) fn question(
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<Question, Refusal> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let ask = match path {
        "/health" if reads => Ask::Health,
        "/v1/status" if reads => Ask::Status,
        "/v1/addresses" if reads => Ask::Accounts,
        "/v1/canary" if reads => Ask::Canary,
        "/v1/canary" if method == Method::PUT => set_canary(body)?,
        "/v1/reload" if method == Method::POST => Ask::Reload,
        "/v1/addresses" if method == Method::POST => return import_list(body),
        "/health" | "/v1/status" | "/v1/addresses" | "/v1/canary" | "/v1/reload" => {
            return Err(not_taken(method, path));
        }
        _ => return one_account(method, path, query, body),
    };
    no_query(query)?;
    Ok(Question { ask, how: How::Plain })
}

fn one_account(
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<Question, Refusal> {
    let Some(text) = path.strip_prefix("/v1/addresses/") else {
        let problem = Problem::error("ADM004", format!("there is no {path}")).fix(PATHS);
        return Err((StatusCode::NOT_FOUND, problem));
    };
    let address = address_fault(text).map_err(|(code, what, label)| {
        let problem = Problem::error(code, what).why(format!("{text:?}: {label}"));
        (StatusCode::BAD_REQUEST, problem)
    })?;
    if method == Method::PUT {
        no_query(query)?;
        let PutBody { nickname } = match body {
            [] => PutBody::default(),
            body => json(body, "{\"nickname\": \"...\"}, or nothing")?,
        };
        if let Some(problem) = name_fault(&nickname) {
            return Err((StatusCode::BAD_REQUEST, problem));
        }
        let ask = Ask::Add(vec![Named { address, name: nickname }]);
        return Ok(Question { ask, how: How::Plain });
    }
    if method == Method::DELETE {
        let now = match query {
            None | Some("" | "now=false") => false,
            Some("now=true") => true,
            Some(other) => return Err(bad_query(other, "?now=true")),
        };
        return Ok(Question { ask: Ask::Remove { address, now }, how: How::Remove(address) });
    }
    Err(not_taken(method, path))
}

fn import_list(body: &[u8]) -> Result<Question, Refusal> {
    let (lines, accounts) =
        import::read(body).map_err(|problem| (StatusCode::BAD_REQUEST, problem))?;
    Ok(Question { ask: Ask::Add(accounts), how: How::Import(lines) })
}

fn set_canary(body: &[u8]) -> Result<Ask, Refusal> {
    let Canary { ratio } = json(body, "{\"ratio\": N}")?;
    if ratio > 100 {
        let problem = Problem::error("ADM004", format!("{ratio} is no percentage: 0 to 100"));
        return Err((StatusCode::BAD_REQUEST, problem));
    }
    Ok(Ask::SetCanary(ratio))
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8], form: &str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = Problem::error("ADM004", format!("the body is not understood: {error}"));
        (StatusCode::BAD_REQUEST, problem.fix(format!("send {form}")))
    })
}

fn no_query(query: Option<&str>) -> Result<(), Refusal> {
    query.map_or(Ok(()), |query| Err(bad_query(query, "nothing")))
}

fn bad_query(query: &str, takes: &str) -> Refusal {
    let problem = Problem::error("ADM004", format!("?{query} is not understood"));
    (StatusCode::BAD_REQUEST, problem.fix(format!("this path takes {takes}")))
}

fn not_taken(method: &Method, path: &str) -> Refusal {
    let problem = Problem::error("ADM004", format!("{path} does not take {method}")).fix(PATHS);
    (StatusCode::METHOD_NOT_ALLOWED, problem)
}

/// Puts an answer into words.
pub(super) fn reply(question: Question, answer: Answer) -> (StatusCode, String) {
    match (answer, question.how) {
        (Answer::Health(health), _) => {
            let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, text(&health))
        }
        (Answer::Status(status), _) => ok(&status),
        (Answer::Accounts(accounts), _) => ok(&accounts),
        (Answer::Added(added), How::Import(lines)) => {
            let changed: Vec<bool> = added.into_iter().map(|(changed, _)| changed).collect();
            ok(&import::imported(lines, &changed))
        }
        (Answer::Added(added), _) => match added.into_iter().next() {
            Some((changed, account)) => ok(&Added { changed, account }),
            None => ok(&Imported::default()),
        },
        (Answer::Removed { was_listed, account }, How::Remove(address)) => {
            let still_in = account.as_ref().map_or(Vec::new(), |a| a.origins.clone());
            if !was_listed {
                return refuse(&not_listed(&address, &still_in, account.is_some()));
            }
            let leaves_at_ms = account.and_then(|account| account.leaves_at_ms);
            ok(&Removed { address: address.to_string(), still_in, leaves_at_ms })
        }
        (Answer::Reloaded(needs_restart), _) => ok(&Reloaded { needs_restart }),
        (Answer::Canary(ratio), _) => ok(&Canary { ratio }),
        (Answer::Refused(problem), _) => {
            let status = match problem.code {
                "CFG015" => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            refuse(&(status, problem))
        }
        (answer @ Answer::Removed { .. }, _) => {
            unreachable!("only a removal is answered by {answer:?}")
        }
    }
}

fn not_listed(address: &Address, still_in: &[String], is_there: bool) -> Refusal {
    let problem =
        Problem::error("ADM007", format!("{address} is not on the list kept at run time"));
    match (is_there, still_in.is_empty()) {
        (true, false) => {
            let problem = problem
                .why(format!("it is watched because of: {}", still_in.join(", ")))
                .fix("take it out there");
            (StatusCode::CONFLICT, problem)
        }
        (true, true) => (StatusCode::CONFLICT, problem.why("it is leaving already")),
        (false, _) => (StatusCode::NOT_FOUND, problem.why("it is not watched at all")),
    }
}

fn ok(value: &impl Serialize) -> (StatusCode, String) {
    (StatusCode::OK, text(value))
}

/// A refusal in words.
pub(super) fn refuse((status, problem): &Refusal) -> (StatusCode, String) {
    (*status, text(&Error::from(problem)))
}

fn text(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain fields serialize");
    text.push('\n');
    text
}
