//! The small language of the tests.
//!
//! Commands, separated by `;`: `b 5@100 #1` bids five lots at 100 as order 1, `s 5@mkt #2` sells at
//! market. Behind that, in any order: `ioc`, `fok`, `post`, `u7` (user), `show2` (iceberg),
//! `stop105`, `till9` (expiry), and `allow`, `newest`, `oldest`, `both`, `dec` (self-trade mode).
//! Further `cancel #1`, `reduce #1 2`, `replace #1 5@101`, `mass u7`, `mass u7 b`, `expire 9`,
//! `phase auction`, `uncross continuous`. `MAX` is the largest number of its kind that is taken, of
//! ids the largest there is; `OVER` is one more than that.
//!
//! Events:
//!
//! | text | event |
//! |---|---|
//! | `ok`, `no6` | accepted, refused for reason 6 |
//! | `1/2 5@100`, `1[3]/2 5@100` | maker/taker, lots, price; in brackets what is still open |
//! | `cut 1 5@100 asked`, `cut 1[3] 2@100 asked` | five lots left, two left and three are open |
//! | `cut 1[9:2] 1@100 asked` | nine are open, of which the book shows two |
//! | `cut 2 5 unfilled` | what left had never rested |
//! | `rest 2 3@100`, `rest 2 3+7@100` | rests, showing three, hiding seven |
//! | `next 2 3+4@100` | shows the next slice |
//! | `wait 3 5^105`, `wait 3 5^` | waits for a trade at 105, for the uncross |
//! | `trigger 3`, `phase auction`, `uncross 9@100` | |
//!
//! Books: `b100 1=5 2=3, s101 4=1+9` are levels with their orders, then `b^105 3=5` are stops of a
//! trigger, `b^ 4=5` market orders that wait. A phase other than continuous stands in front.

use book::{
    Cancelled, Command, Event, LOTS_MAX, Lots, NewOrder, OrderId, Phase, RestingOrder, SelfTrade,
    Side, TICKS_MAX, Terms, Ticks, Time, TimeInForce, User, Waiting,
};

const SIDES: [&str; 2] = ["b", "s"];
const MODES: [&str; 5] = ["allow", "newest", "oldest", "both", "dec"];
const TIFS: [(&str, TimeInForce); 4] = [
    ("gtc", TimeInForce::Gtc),
    ("ioc", TimeInForce::Ioc),
    ("fok", TimeInForce::Fok),
    ("post", TimeInForce::Post),
];
const PHASES: [&str; 3] = ["continuous", "halted", "auction"];

/// The commands of a script.
pub(crate) fn commands(script: &str) -> Vec<Command> {
    script.split(';').map(str::trim).filter(|text| !text.is_empty()).map(command).collect()
}

fn command(text: &str) -> Command {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |mark: &str| words[1..].iter().find_map(|word| word.strip_prefix(mark));
    let one_of = |names: &[&str]| names.iter().position(|name| words[1..].contains(name));
    let id =
        OrderId(after("#").map_or(0, |text| if text == "MAX" { u64::MAX } else { number(text) }));
    let user =
        User(words.iter().find_map(|word| word.strip_prefix('u')?.parse().ok()).unwrap_or(0));
    let self_trade = one_of(&MODES).map(|at| SelfTrade::ALL[at]);
    let side_word = |word: &str| Some(Side::BOTH[SIDES.iter().position(|name| *name == word)?]);
    let phase = || Phase::ALL[one_of(&PHASES).expect("a phase")];
    match words[0] {
        "cancel" => Command::Cancel { id },
        "reduce" => Command::Reduce { id, by: lots(words[2]) },
        "replace" => {
            let (qty, price) = lots_and_price(words[2]);
            Command::Replace { id, price: price.expect("a price"), qty, self_trade }
        }
        "mass" => Command::MassCancel { user, side: words.get(2).and_then(|word| side_word(word)) },
        "expire" => Command::Expire { now: Time(number(words[1])) },
        "phase" => Command::SetPhase { phase: phase() },
        "uncross" => Command::Uncross { then: phase() },
        word => {
            let side = side_word(word).unwrap_or_else(|| panic!("not a command: {text}"));
            let (qty, limit) = lots_and_price(words[1]);
            let tif = TIFS.iter().find(|(name, _)| words.contains(name));
            let tif = tif.map_or(TimeInForce::Gtc, |(_, tif)| *tif);
            let terms = Terms {
                display: after("show").map(lots),
                stop: after("stop").map(ticks),
                expires: after("till").map(|text| Time(number(text))),
            };
            let new = NewOrder { id, user, side, limit, qty, tif, self_trade };
            match terms == Terms::default() {
                true => Command::New(new),
                false => Command::NewWith(new, terms),
            }
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap_or_else(|| panic!("not a number: {text}"))
}

fn lots(text: &str) -> Lots {
    match text {
        "MAX" => LOTS_MAX,
        "OVER" => Lots(LOTS_MAX.0 + 1),
        _ => Lots(number(text)),
    }
}

fn ticks(text: &str) -> Ticks {
    match text {
        "MAX" => TICKS_MAX,
        "OVER" => Ticks(TICKS_MAX.0 + 1),
        _ => Ticks(number(text)),
    }
}

fn lots_and_price(text: &str) -> (Lots, Option<Ticks>) {
    let (qty, price) = text.split_once('@').unwrap_or_else(|| panic!("not quantity@price: {text}"));
    (lots(qty), (price != "mkt").then(|| ticks(price)))
}

/// A command as a script has it, so that a failing case can be made a test.
pub(crate) fn command_text(command: &Command) -> String {
    let mode = |mode: Option<SelfTrade>| {
        mode.map_or(String::new(), |mode| format!(" {}", MODES[mode as usize]))
    };
    match *command {
        Command::New(new) => order_text(&new, &Terms::default()) + &mode(new.self_trade),
        Command::NewWith(new, terms) => order_text(&new, &terms) + &mode(new.self_trade),
        Command::Cancel { id } => format!("cancel #{}", id.0),
        Command::Reduce { id, by } => format!("reduce #{} {}", id.0, by.0),
        Command::Replace { id, price, qty, self_trade } => {
            format!("replace #{} {}@{}{}", id.0, qty.0, price.0, mode(self_trade))
        }
        Command::MassCancel { user, side } => {
            let side = side.map_or(String::new(), |side| format!(" {}", SIDES[side as usize]));
            format!("mass u{}{side}", user.0)
        }
        Command::Expire { now } => format!("expire {}", now.0),
        Command::SetPhase { phase } => format!("phase {}", PHASES[phase as usize]),
        Command::Uncross { then } => format!("uncross {}", PHASES[then as usize]),
    }
}

fn order_text(new: &NewOrder, terms: &Terms) -> String {
    let NewOrder { id, user, side, limit, qty, tif, .. } = *new;
    let limit = limit.map_or("mkt".to_owned(), |price| price.0.to_string());
    let mut text = format!("{} {}@{limit} #{}", SIDES[side as usize], qty.0, id.0);
    let mut add = |word: String| text += &format!(" {word}");
    if user != User(0) {
        add(format!("u{}", user.0));
    }
    if tif != TimeInForce::Gtc {
        add(TIFS[tif as usize].0.to_owned());
    }
    terms.display.into_iter().for_each(|display| add(format!("show{}", display.0)));
    terms.stop.into_iter().for_each(|stop| add(format!("stop{}", stop.0)));
    terms.expires.into_iter().for_each(|expires| add(format!("till{}", expires.0)));
    text
}

/// The events of a command.
pub(crate) fn events_text(events: &[Event]) -> String {
    events.iter().map(event_text).collect::<Vec<_>>().join("; ")
}

fn event_text(event: &Event) -> String {
    let still = |open: Lots| match open {
        Lots::ZERO => String::new(),
        Lots(open) => format!("[{open}]"),
    };
    let slice = |qty: Lots, hidden: Lots| match hidden {
        Lots::ZERO => format!("{}", qty.0),
        Lots(hidden) => format!("{}+{hidden}", qty.0),
    };
    match *event {
        Event::Accepted { .. } => "ok".to_owned(),
        Event::Rejected { reject, .. } => format!("no{}", reject as u8),
        Event::Traded(t) => {
            let (maker, taker) = (still(t.maker_open), still(t.taker_open));
            format!("{}{maker}/{}{taker} {}@{}", t.maker.0, t.taker.0, t.qty.0, t.price.0)
        }
        Event::Cancelled(Cancelled { id, price, qty, open, shown, cut, .. }) => {
            let price = price.map_or(String::new(), |price| format!("@{}", price.0));
            let open = match price.is_empty() || open == shown {
                true => still(open),
                false => format!("[{}:{}]", open.0, shown.0),
            };
            format!("cut {}{open} {}{price} {}", id.0, qty.0, format!("{cut:?}").to_lowercase())
        }
        Event::Rested(r) => format!("rest {} {}@{}", r.id.0, slice(r.qty, r.hidden), r.price.0),
        Event::Refreshed(r) => format!("next {} {}@{}", r.id.0, slice(r.qty, r.hidden), r.price.0),
        Event::Waiting(Waiting { id, qty, stop, .. }) => {
            let stop = stop.map_or(String::new(), |stop| stop.0.to_string());
            format!("wait {} {}^{stop}", id.0, qty.0)
        }
        Event::Triggered { id } => format!("trigger {}", id.0),
        Event::PhaseSet { phase } => format!("phase {}", PHASES[phase as usize]),
        Event::Uncrossed { price, volume } => format!("uncross {}@{}", volume.0, price.0),
    }
}

/// A whole book: its queues, bids first, then what waits.
pub(crate) fn book_text(
    phase: Phase,
    queues: [Vec<RestingOrder>; 2],
    waiting: [Vec<Waiting>; 2],
) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (side, queue) in SIDES.iter().zip(&queues) {
        for level in queue.chunk_by(|a, b| a.price == b.price) {
            let mut text = format!("{side}{}", level[0].price.0);
            for order in level {
                text += &format!(" {}={}", order.id.0, order.qty.0);
                if order.hidden > Lots::ZERO {
                    text += &format!("+{}", order.hidden.0);
                }
            }
            lines.push(text);
        }
    }
    for (side, orders) in SIDES.iter().zip(&waiting) {
        for together in orders.chunk_by(|a, b| a.stop == b.stop) {
            let stop = together[0].stop.map_or(String::new(), |stop| stop.0.to_string());
            let mut text = format!("{side}^{stop}");
            together.iter().for_each(|order| text += &format!(" {}={}", order.id.0, order.qty.0));
            lines.push(text);
        }
    }
    let phase = match phase {
        Phase::Continuous => String::new(),
        other => format!("{}: ", PHASES[other as usize]),
    };
    phase + &lines.join(", ")
}
