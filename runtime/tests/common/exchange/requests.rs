//! Requests: answered by the test's rule, or from what has happened; what neither knows is an error.

use std::net::TcpListener;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Shared, State};
use crate::common::venue::answer_one;

/// The largest page of fills.
const PAGE_FILLS: usize = 2000;

/// Answers until the test ends.
pub(super) fn serve(requests: &TcpListener, shared: &Arc<Shared>) {
    for connection in requests.incoming().flatten() {
        let shared = Arc::clone(shared);
        let Ok(peer) = connection.peer_addr() else { continue };
        std::thread::spawn(move || {
            let answer = |request: &Value| {
                let mut state = shared.lock();
                state.asked.push(request.clone());
                shared.changed.notify_all();
                let answer = (state.answer)(request).or_else(|| answer(&state, request));
                let items = answer.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
                let kind = request["type"].as_str().unwrap_or("");
                state.usage.entry(peer.ip()).or_default().requested(kind, items);
                answer
            };
            // A client that goes away in the middle asks again.
            let _ = answer_one(&connection, &answer);
        });
    }
}

fn answer(state: &State, request: &Value) -> Option<Value> {
    match request["type"].as_str()? {
        "userFillsByTime" => {
            let user = request["user"].as_str()?.to_lowercase();
            let from = request["startTime"].as_u64().unwrap_or(0);
            let to = request["endTime"].as_u64().unwrap_or(u64::MAX);
            let past = state.past.get(&user).map_or(&[][..], Vec::as_slice);
            let inside = |fill: &&Value| {
                fill["time"].as_u64().is_some_and(|time| (from..=to).contains(&time))
            };
            let mut page: Vec<&Value> = past.iter().filter(inside).collect();
            page.sort_by_key(|fill| fill["time"].as_u64());
            page.truncate(PAGE_FILLS);
            Some(json!(page))
        }
        "orderStatus" => Some(match state.orders.get(&request["oid"].as_u64()?) {
            Some(update) => json!({"status": "order", "order": update}),
            None => json!({"status": "unknownOid"}),
        }),
        "spotMeta" => Some(json!({
            "tokens": [{"name": "USDC", "index": 0}, {"name": "UPUMP", "index": 6}],
            "universe": [{"name": "@188", "index": 188, "tokens": [6, 0]}],
        })),
        "allPerpMetas" => Some(json!([
            {"universe": [{"name": "BTC"}, {"name": "ETH"}, {"name": "CL"}, {"name": "PUMP"}], "collateralToken": 0},
            {"universe": [{"name": "xyz:CL"}], "collateralToken": 0},
        ])),
        _ => None,
    }
}
