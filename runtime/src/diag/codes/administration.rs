//! The codes of the administration port (ADM) and of lists of accounts (ADR).

use super::{CodeRow, Exit, code};

/// Sorted; they stand before all others.
pub(super) const ADMINISTRATION: &[CodeRow] = &[
    code(
        "ADM001",
        Exit::Unavailable,
        "no or another token",
        "The administration port asks for the secret in admin.token_file, as the header\n\
         `Authorization: Bearer ...`; `corelane addr` takes it with --token-file, or from the\n\
         configuration.",
    ),
    code(
        "ADM002",
        Exit::Config,
        "token file cannot be used",
        "admin.token_file cannot be read, or what is in it is no secret: at least 16 printable\n\
         characters on one line. `head -c 32 /dev/urandom | base64 > FILE` makes one.",
    ),
    code(
        "ADM003",
        Exit::Unavailable,
        "request from a web page",
        "A browser sent this request on behalf of a page (it has an Origin header), or under a host\n\
         name that this program does not know, as a page does that had its own name point here. No\n\
         page may change what is watched. Send it from a program, to the IP address or to localhost.",
    ),
    code(
        "ADM004",
        Exit::Usage,
        "request not understood",
        "There is no such path, the path does not take this method, or the body is not what it takes.",
    ),
    code(
        "ADM005",
        Exit::Unavailable,
        "nobody answers on the administration port",
        "No corelane listens where the configuration (or --admin) says, or it does not answer.\n\
         Addresses can be put into the configuration, or with --offline into the database: the next\n\
         start, or the next reload, reads them.",
    ),
    code(
        "ADM006",
        Exit::Unavailable,
        "too much at a time",
        "The program has more requests than it takes at a time, or could not answer this one within\n\
         its time. Ask again.",
    ),
    code(
        "ADM007",
        Exit::Failed,
        "not on the list kept at run time",
        "`addr rm` takes accounts off the list that is kept at run time: rows of hl_watch_addresses of\n\
         player 0, or addresses.csv of the data directory. An account that the configuration, the CSV\n\
         file or another program's row names is taken out there.",
    ),
    code(
        "ADR001",
        Exit::Config,
        "not an address",
        "An account address is 0x and 40 hex digits, in any case. Names (ENS and the like) are not\n\
         resolved: what they point at may change, and money would follow.",
    ),
    code(
        "ADR002",
        Exit::Config,
        "the same address twice",
        "Two entries of one list name the same account (case does not count). One of them was meant\n\
         to be another account, or can go.",
    ),
    code(
        "ADR003",
        Exit::Config,
        "the zero address",
        "0x0000000000000000000000000000000000000000 belongs to nobody and never trades. It usually\n\
         stands where a value was to be filled in.",
    ),
    code(
        "ADR004",
        Exit::Config,
        "row of an address table left out",
        "A row of hl_watch_addresses or hl_active_addresses does not hold an address. It is named by\n\
         its table, id and value, and left out; the other rows count. Correct it or delete it.",
    ),
    code(
        "ADR005",
        Exit::Io,
        "a list of addresses cannot be read or written",
        "The database or the file that holds the list is missing, locked or damaged. While a list\n\
         cannot be read, the one that was read last stays in force: nobody is let go because a file\n\
         was away. It is read again at each monitor.reload_interval.",
    ),
];
