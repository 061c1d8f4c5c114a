//! The exact form of a problem on the screen.

use super::*;

fn spot(line: usize, column: usize, width: usize, text: &str, label: &str) -> Spot {
    Spot { line, column, width, text: text.into(), label: label.into() }
}

#[test]
fn an_excerpt_shows_line_column_underline_and_label() {
    let problem = Problem::error("CFG002", "unknown key")
        .at(Excerpt {
            source: "corelane.toml".into(),
            spots: vec![spot(6, 1, 15, "flush_intervall = \"1ms\"", "not a key of [journal]")],
        })
        .fix("did you mean `flush_interval`?");
    assert_eq!(
        problem.to_string(),
        "error[CFG002]: unknown key
   ╭─[corelane.toml:6:1]
 6 │ flush_intervall = \"1ms\"
   · ───────┬─────── not a key of [journal]
  help: did you mean `flush_interval`?"
    );
}

#[test]
fn places_on_one_line_share_it_and_line_numbers_line_up() {
    let problem = Problem::warning("ADR002", "the same address twice").at(Excerpt {
        source: "a.csv".into(),
        spots: vec![
            spot(9, 2, 1, "\tx y", "first"),
            spot(9, 4, 1, "\tx y", "again"),
            spot(10, 1, 2, "zz", ""),
        ],
    });
    assert_eq!(
        problem.to_string(),
        "warn[ADR002]: the same address twice
    ╭─[a.csv:9:2]
  9 │  x y
    ·  ▲ first
    ·    ▲ again
 10 │ zz
    · ─┬"
    );
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("{}HERE{}", "a".repeat(200), "b".repeat(200));
    let problem = Problem::error("CFG004", "x")
        .at(Excerpt { source: "environment".into(), spots: vec![spot(0, 201, 4, &text, "this")] });
    let shown = format!("…{}HERE{}…", "a".repeat(24), "b".repeat(72));
    let under = format!("{}──┬─ this", " ".repeat(25));
    assert_eq!(
        problem.to_string(),
        format!("error[CFG004]: x\n   ╭─[environment]\n   │ {shown}\n   · {under}")
    );
}

#[test]
fn without_an_excerpt_reasons_and_fixes_follow() {
    let problem = Problem::error("HST002", "io_uring is switched off")
        .why("found: kernel.io_uring_disabled = 2")
        .fix("one")
        .fix("two");
    assert_eq!(
        problem.to_string(),
        "error[HST002]: io_uring is switched off
  found: kernel.io_uring_disabled = 2
  fix: one
   or: two"
    );
    assert_eq!(
        problem.one_line(),
        "error[HST002]: io_uring is switched off · found: kernel.io_uring_disabled = 2 · one · two"
    );
}

#[test]
fn one_line_says_where_and_which_words() {
    let check = |spot: Spot, wanted: &str| {
        let excerpt = Excerpt { source: "a.csv".to_owned(), spots: vec![spot] };
        let problem = Problem::warning("CSV001", "left out").at(excerpt);
        assert_eq!(problem.one_line(), format!("warn[CSV001]: left out · {wanted} · why"));
    };
    check(spot(2, 3, 5, "x,whale", "why"), "a.csv:2:3 \"whale\"");
    check(spot(0, 3, 1, "ä=1", "why"), "a.csv \"1\"");
    check(spot(7, 1, 0, "", "why"), "a.csv:7:1");
}

#[test]
fn colour_is_added_only_when_asked_for_and_changes_no_word() {
    let problem = Problem::error("CFG002", "unknown key").fix("try");
    let coloured = problem.render(true);
    assert!(coloured.contains("\x1b[1;31merror[CFG002]\x1b[0m"), "{coloured:?}");
    let mut plain = String::new();
    let mut escape = false;
    for c in coloured.chars() {
        match c {
            '\x1b' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            _ => plain.push(c),
        }
    }
    assert_eq!(plain, problem.render(false));
}

#[test]
fn the_first_error_decides_the_exit_and_each_code_is_named_once() {
    let mut problems = Problems::new();
    assert_eq!(problems.exit(), Exit::Success);
    problems.push(Problem::warning("CFG008", "w"));
    assert_eq!(problems.exit(), Exit::Success);
    assert!(!problems.has_errors());
    problems.push(Problem::error("NET001", "n"));
    problems.push(Problem::error("CFG002", "c"));
    problems.push(Problem::error("NET001", "m"));
    problems.errors_first();
    assert_eq!(problems.exit(), Exit::Unavailable);
    assert_eq!(
        problems.to_string(),
        "error[NET001]: n\n\nerror[CFG002]: c\n\nerror[NET001]: m\n\nwarn[CFG008]: w\n\n\
         more: corelane explain NET001 CFG002 CFG008"
    );
}

#[test]
fn codes_are_sorted_unique_and_explained() {
    assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
    for row in CODES {
        let text = explain(row.code).expect("has a row");
        assert!(text.contains(row.title) && text.contains(&row.exit.code().to_string()));
        assert!(row.meaning.lines().all(|l| l.len() <= 100), "{}", row.code);
    }
    assert!(explain("cfg002").is_some_and(|t| t.starts_with("CFG002: unknown key\n")));
    assert_eq!(explain("CFG999"), None);
}

#[test]
fn exit_codes_are_listed() {
    let listed = exit_codes();
    assert!(listed.contains("  69  an upstream, a port"), "{listed}");
    assert_eq!(listed.lines().count(), 2 + Exit::ALL.len());
    let codes: Vec<u8> = Exit::ALL.iter().map(|e| e.code()).collect();
    assert_eq!(codes, [0, 1, 2, 69, 73, 74, 78]);
}

#[test]
fn no_reason_shows_a_bare_number() {
    for code in 1..134 {
        let text = reason(&io::Error::from_raw_os_error(code));
        assert!(!text.contains("os error") && !text.is_empty(), "{code}: {text}");
    }
    let full = reason(&io::Error::from_raw_os_error(28));
    assert_eq!(full, "no space left on this file system");
}

#[test]
fn a_wrapped_reason_is_still_the_reason() {
    let wrapped = tempfile::NamedTempFile::new_in("/no/such/place").expect_err("nothing is there");
    assert_eq!(wrapped.raw_os_error(), None, "tempfile wraps it to add the path");
    assert_eq!(reason(&wrapped), "it does not exist");
    assert_eq!(reason(&io::Error::other("a text of its own")), "a text of its own");
}

#[test]
fn a_number_of_the_system_does_not_reach_the_user() {
    let io = io::Error::from_raw_os_error(28);
    let problem =
        Problem::error("DIR002", format!("cannot write x: {io}")).why(format!("{io} twice, {io}"));
    let text = problem.render(false);
    assert!(text.contains("cannot write x: No space left on device\n"), "{text}");
    assert!(!text.contains("os error"), "{text}");
}
