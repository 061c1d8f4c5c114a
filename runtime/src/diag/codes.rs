//! The table of codes: what each means, and how the program ends when one of them stops it.
//!
//! A code that is used anywhere has a row here (`runtime/tests/tidy.rs` looks), and keeps its
//! meaning for ever: people search for it.

mod administration;

use super::Exit;
use administration::ADMINISTRATION;

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow {
    /// Three letters for the area and a number.
    pub code: &'static str,
    /// How the program ends when it cannot go on. A warning ends nothing.
    pub exit: Exit,
    /// One phrase, for lists.
    pub title: &'static str,
    /// What `corelane explain` prints below the title.
    pub meaning: &'static str,
}

const fn code(
    code: &'static str,
    exit: Exit,
    title: &'static str,
    meaning: &'static str,
) -> CodeRow {
    CodeRow { code, exit, title, meaning }
}

/// Every code, by area and number.
pub static CODES: &[CodeRow] = &joined::<{ ADMINISTRATION.len() + OTHERS.len() }>();

/// The two parts of the table in one.
const fn joined<const ROWS: usize>() -> [CodeRow; ROWS] {
    let mut rows = [ADMINISTRATION[0]; ROWS];
    let mut at = 0;
    while at < ROWS {
        rows[at] = match at < ADMINISTRATION.len() {
            true => ADMINISTRATION[at],
            false => OTHERS[at - ADMINISTRATION.len()],
        };
        at += 1;
    }
    rows
}

/// All but those of the list of accounts and the administration port.
const OTHERS: &[CodeRow] = &[
    code(
        "BEN001",
        Exit::Unavailable,
        "not a disk",
        "The directory to be measured is in memory (tmpfs, ramfs). A flush there does nothing, so\n\
         figures of it would say nothing about a journal. Name a directory on the disk that will\n\
         hold the journals.",
    ),
    code(
        "BEN002",
        Exit::Failed,
        "measurement without a result",
        "A signal ended the measurement, or it was too short for a single sample. What had been\n\
         written was removed.",
    ),
    code(
        "BEN003",
        Exit::Io,
        "measurement failed",
        "A write, a flush or io_uring itself failed while it was measured. The reason is the\n\
         system's own. On a disk that fails here no journal would be safe either.",
    ),
    code(
        "BEN004",
        Exit::Failed,
        "machine not fit to measure",
        "--require-tuned asks for a machine whose figures can be compared: an optimised build on bare\n\
         metal, the thread pinned to an isolated CPU, the governor at performance, nothing else\n\
         running, O_DIRECT. Each thing that was found otherwise is named. Without the flag the\n\
         figures are printed with the word UNTUNED.",
    ),
    code(
        "BEN005",
        Exit::Usage,
        "batch too large",
        "So many records of that size do not fit into one batch of the journal, which is closed at\n\
         1 MiB, or at an eighth of --segment-size if that is less.",
    ),
    code(
        "BEN006",
        Exit::Usage,
        "load that cannot be",
        "An account of the simulator makes at most a block in a millisecond, and with --real-limits\n\
         an address of this host serves ten accounts: what was asked for needs more accounts, or\n\
         more addresses.",
    ),
    code(
        "BEN007",
        Exit::Failed,
        "no node to measure",
        "The node that was to be measured did not start, did not follow every account in time, gave\n\
         no counters, or ended early. The last lines of its log are told.",
    ),
    code(
        "BEN008",
        Exit::Failed,
        "signals are not the truth",
        "After the load, the signals in the database do not add up to what the simulator knows: fills\n\
         were lost, or taken twice. This must never be. The node's directory, with its log, its\n\
         journals and its database, is kept where the message says.",
    ),
    code(
        "BOK001",
        Exit::Io,
        "command file cannot be read",
        "The file that `book exec` was given, or standard input, could not be read. The reason\n\
         is the system's own. Check path, permission and disk, then run it again.",
    ),
    code(
        "BOK002",
        Exit::Failed,
        "not a command file",
        "A command file is a 64-byte header (MECMD01, version 1, counts) and as many 32-byte\n\
         records as the header says. The first thing that does not fit is named, with its place\n\
         in the header: magic, version, record size, self-trade mode, length, prefill; no command\n\
         was run. A file that was cut on its way has fewer records than its header says, one that\n\
         was joined with another more: fetch it again. The tables are in `cargo doc -p book`,\n\
         modules exec and record.",
    ),
    code(
        "CFG001",
        Exit::Config,
        "not TOML",
        "The file is not well-formed TOML 1.1, so nothing in it can be trusted. Strings are quoted,\n\
         a table starts with [name], a list of sources with [[source]].",
    ),
    code(
        "CFG002",
        Exit::Config,
        "unknown key",
        "Nothing reads this key. It is refused, because a mistyped key would otherwise leave its\n\
         default in force without a word. `corelane config init` prints every key.",
    ),
    code(
        "CFG004",
        Exit::Config,
        "wrong type or missing unit",
        "Durations and sizes are text with a unit (\"100ms\", \"5m\", \"64MiB\"): a bare number has been\n\
         read as seconds here and as milliseconds there too often.",
    ),
    code(
        "CFG005",
        Exit::Config,
        "unknown CORELANE_ variable",
        "A variable that begins with CORELANE_ is taken for a setting: CORELANE_SECTION__KEY, with two\n\
         underscores between section and key. --ignore-unknown-env lets others stand.",
    ),
    code(
        "CFG006",
        Exit::Config,
        "value out of range",
        "The value has the right form, but is not one that works: outside the limits, or not one of\n\
         the words that the key knows.",
    ),
    code(
        "CFG007",
        Exit::Config,
        "not in this build",
        "The configuration asks for a part that this build does not have, and without which the rest\n\
         would not do what was asked.",
    ),
    code(
        "CFG008",
        Exit::Config,
        "setting without effect",
        "The key is known and was checked, but the part of corelane that reads it is not in this build.\n\
         It is a warning: everything else works as configured.",
    ),
    code(
        "CFG009",
        Exit::Config,
        "file cannot be read",
        "A file that the command line or the configuration names could not be read as text.",
    ),
    code(
        "CFG010",
        Exit::Config,
        "settings contradict each other",
        "Each of the values is fine by itself; together they cannot do what was meant.",
    ),
    code(
        "CFG011",
        Exit::Usage,
        "not a setting",
        "--set takes section.key=value, for example --set node.shards=2.",
    ),
    code(
        "CFG012",
        Exit::Config,
        "not encrypted",
        "ws:// and http:// carry what they carry in the clear, and anybody on the way can change it. They\n\
         are meant for loopback and private test servers. It is a warning.",
    ),
    code(
        "CFG013",
        Exit::Config,
        "no addresses to follow",
        "Neither monitor.addresses nor monitor.addresses_file names an account. Unless some are on\n\
         the list that is kept at run time (`corelane addr`), a monitor would have nothing to do.\n\
         `corelane sim --config-out corelane.toml` writes a file with some that can be followed.",
    ),
    code(
        "CFG014",
        Exit::Config,
        "a change that needs a restart",
        "The file was read again, and a key in it has another value that only a start takes over.\n\
         Until then the old value is in force. `corelane config reference` says which keys are live.",
    ),
    code(
        "CFG015",
        Exit::Config,
        "the configuration was not read again",
        "The file has errors now. Nothing of it was taken over, the old values stay in force; the\n\
         first of what is wrong is named, `corelane check` names all.",
    ),
    code(
        "CFG016",
        Exit::Io,
        "a table of pairs is not as it should be",
        "pair_configs decides the coin type of a signal. A row whose category is no number from 0 to\n\
         255 is left out; while the table cannot be read, what was read last stays in force.",
    ),
    code(
        "CSV001",
        Exit::Config,
        "line of the address file skipped",
        "One line of monitor.addresses_file holds no address in its first column. It is left out, named,\n\
         and does not stop the others.",
    ),
    code(
        "DB001",
        Exit::Unavailable,
        "database cannot be used",
        "The SQLite file of store.url cannot be opened, locked, read or written: another\n\
         program holds it, it is not a database, or its directory does not exist. Close that\n\
         program, or name another file. Journals are not touched by it, so no signal is lost.",
    ),
    code(
        "DB002",
        Exit::Unavailable,
        "the database is new, its cursor is not",
        "The database file was not there and was made anew, while the cursor-store files say that\n\
         rows up to some seq were written. Those do not come again by themselves. Bring the old file\n\
         back; or stop, remove the cursor-store files, and start: what the journals still have is\n\
         written again. It is a warning.",
    ),
    code(
        "DIR001",
        Exit::CannotCreate,
        "directory cannot be created or written",
        "corelane keeps its journals in node.data_dir and must be able to create files there.",
    ),
    code(
        "DIR002",
        Exit::Io,
        "directory cannot be examined",
        "The system refused to say what is in the directory, or to write to it. The reason is the\n\
         system's own.",
    ),
    code(
        "DSK001",
        Exit::Io,
        "not enough disk space",
        "Journal segments are written in full before use, so that a record is never half written for\n\
         want of space. Three spare segments per shard must fit.",
    ),
    code(
        "DSK002",
        Exit::Io,
        "disk space is back",
        "Journal segments can be prepared again. Nothing was lost in between; new accounts are taken\n\
         again. It is a note that all is well.",
    ),
    code(
        "HST001",
        Exit::Unavailable,
        "io_uring refused to this process",
        "The kernel has io_uring, but this process may not use it: a seccomp filter (the default of\n\
         container runtimes), a security module, or a limit. What was found is printed.",
    ),
    code(
        "HST002",
        Exit::Unavailable,
        "io_uring switched off on this host",
        "kernel.io_uring_disabled is 2 (nobody), or 1 (only privileged processes and the group\n\
         kernel.io_uring_group). `sudo sysctl -w kernel.io_uring_disabled=0` switches it on.",
    ),
    code(
        "HST003",
        Exit::Unavailable,
        "kernel too old",
        "The core loop needs io_uring as Linux 5.8 has it, or newer.",
    ),
    code(
        "HST004",
        Exit::Unavailable,
        "locked memory limit too low",
        "Each core needs 512 KiB of memory that is never paged out (RLIMIT_MEMLOCK), also for root.\n\
         shell: ulimit -l unlimited · systemd: LimitMEMLOCK=infinity · docker: --ulimit memlock=-1",
    ),
    code(
        "JRN001",
        Exit::Io,
        "journal cannot be used",
        "Reading, writing or locking the journal failed, for the reason given, or the directory\n\
         holds none. Nothing is acknowledged that is not in a journal, so the program does not\n\
         go on without it. Look at the disk (dmesg), its free space, and the rights of the\n\
         directory.",
    ),
    code(
        "JRN002",
        Exit::Config,
        "other number of shards",
        "The data directory was written with another number of shards. Accounts are spread over\n\
         the shards by a hash: with another number they would move and leave their journals\n\
         behind. Set node.shards to the number found, or write a new directory with `corelane\n\
         journal reshard`. Where one shard is of another number than the others, directories\n\
         were mixed: bring all of them back from one copy.",
    ),
    code(
        "JRN003",
        Exit::Config,
        "journal of a newer corelane",
        "A journal, or a record in it, has a format that this version does not know, and its\n\
         checksum is right: a later version wrote it. It is left as it is. Use that version, or\n\
         a later one.",
    ),
    code(
        "JRN004",
        Exit::Io,
        "journal ended inside a batch",
        "The last write before a power loss or a kill was not finished, and was cut off.\n\
         Nothing that had been acknowledged is in it, so nothing is lost. It is a warning;\n\
         there is nothing to do. The file named need not be the last one: those behind it are\n\
         spares, made ahead of need. Without a power loss or a kill before it, look at the disk.",
    ),
    code(
        "JRN005",
        Exit::Io,
        "acknowledged journal data is damaged",
        "A batch or a superblock is damaged, and what follows it proves that it had been\n\
         durable: this is no torn tail. The disk or a person changed it. corelane refuses to\n\
         start rather than cut acknowledged data, and changes nothing. Bring the file back from\n\
         a copy, and look at the disk.",
    ),
    code(
        "JRN006",
        Exit::CannotCreate,
        "data directory is in use",
        "Another corelane works on this data directory. Two writers would destroy each other's\n\
         journals, so the second never starts. Stop the other, or use another directory. The\n\
         lock ends with the process that holds it: there is no lock file to remove.",
    ),
    code(
        "JRN007",
        Exit::Io,
        "journal segment cannot be prepared",
        "The next segment file could not be created or written in full. It is tried again each\n\
         second; input waits only when the segments at hand are used up. It is a warning. Look\n\
         at the disk and at the rights of the directory.",
    ),
    code(
        "JRN008",
        Exit::Io,
        "a cursor does not fit its journal",
        "A cursor file says how far a sink has acknowledged. It is damaged, or it is ahead of the\n\
         journal: journal files were removed or an older copy was put back. New events would be\n\
         taken for old ones and lost, so the start is refused. A data directory is one piece.",
    ),
    code(
        "JRN009",
        Exit::Usage,
        "not said clearly enough",
        "The verb writes a new directory. Without a terminal nobody can be asked, so --yes must say\n\
         it; --dry-run only tells what would be done. A seq belongs to one shard, so the directory\n\
         must be that of one shard. The new directory cannot be inside the old one, and a range of\n\
         seqs begins before it ends.",
    ),
    code(
        "JRN010",
        Exit::Io,
        "a snapshot cannot be used",
        "It is damaged, of another journal, or of a later version. A start uses the one before it,\n\
         or the journal from its beginning if that was not recycled, and takes longer; if it has\n\
         neither, it is refused with JRN014. A node warns and goes on, and replaces the file by and\n\
         by; `journal verify` counts it as an error. A file that changed by itself speaks of a disk\n\
         or memory that fails.",
    ),
    code(
        "JRN011",
        Exit::Failed,
        "two computations of the same inputs differ",
        "The shard journals a digest of its state now and then; a replay of the same journal, in the\n\
         background or at the start, has another. Memory or a CPU at fault, a program that was\n\
         changed, or a defect of corelane. Which of the two is right is not known, so the process\n\
         stops. Keep the directory: `corelane replay DIR --verify` names the first event that\n\
         differs, and on another host tells whether the journal or the host is wrong.",
    ),
    code(
        "JRN012",
        Exit::Io,
        "no snapshot could be made",
        "Nothing is lost: the journal is kept whole until there is one, and grows. It is tried\n\
         again each minute. It is a warning. Look at the disk.",
    ),
    code(
        "JRN013",
        Exit::Io,
        "the file system has no O_DIRECT",
        "Journals are then written through the page cache and synced: as safe, slower, and it takes\n\
         memory. It is a warning. ext4 and XFS have it.",
    ),
    code(
        "JRN014",
        Exit::Io,
        "a journal without its beginning",
        "Segments behind two snapshots are used again, so the replay begins with one of these. None\n\
         of them can be used. Bring a snapshot file of this directory back from a copy; one that does\n\
         not fit is refused. Without any, the state cannot be had: `corelane journal dump` still\n\
         reads the records that are there, and a node needs a new directory. Nothing was changed.",
    ),
    code(
        "JRN015",
        Exit::Failed,
        "the journal does not have that seq",
        "The verb was asked to stop or to cut at an input that is not there: the journal ends\n\
         before it, begins behind it (what came before was recycled), or is damaged before it.\n\
         `corelane journal info DIR` says which inputs there are.",
    ),
    code(
        "JRN016",
        Exit::Failed,
        "a file of gopherex is damaged",
        "A record has a wrong checksum, a length that no record has, or a payload that is neither\n\
         JSON nor one of the two binary records (67 and 68 bytes). A record that is cut short at\n\
         the end of the file is no damage: it is said, and left out.",
    ),
    code(
        "JRN017",
        Exit::Failed,
        "a data directory cannot be divided anew",
        "Either it has that number of shards already, or it is not whole, or a sink has not taken\n\
         all events. The journals that reshard writes begin with the states and have no old events,\n\
         so every sink must have had them before: run the node until it is done, stop it, and try\n\
         again. Nothing was written.",
    ),
    code(
        "JRN018",
        Exit::Io,
        "segments are not recycled",
        "A cursor or a snapshot cannot be read, so it is not known which segments are still needed.\n\
         Nothing is lost, but the journal grows. It is a warning. A damaged cursor of a sink that is\n\
         gone can be removed; one that is in use begins anew when it is.",
    ),
    code(
        "LAN001",
        Exit::Failed,
        "a shard cannot go on",
        "The loop of one core met a fault that it must not work around, such as a failed flush.\n\
         Outputs leave a shard only when they are durable, so nothing was seen that a restart\n\
         does not know. Mend the cause that is named, and start again: the journal is replayed.",
    ),
    code(
        "LAN002",
        Exit::Failed,
        "a thread has ended",
        "A thread beside the shards has ended by itself: one that reads a node's files, asks by REST,\n\
         reads the lists of accounts, prepares journal segments, makes snapshots, or publishes. What\n\
         it did would stand still, so the process stops. It is a defect of corelane; starting again\n\
         goes on from the journal.",
    ),
    code(
        "NET001",
        Exit::Unavailable,
        "port in use",
        "Another program listens on the address. `demo` takes a free port by itself, `run` and `sim`\n\
         never do: a service that moves is a service that is not found.",
    ),
    code(
        "NET002",
        Exit::Config,
        "not loopback without a token",
        "admin.listen is an address that other hosts reach. Whoever can send a request there could\n\
         change what is watched. Name a file with a secret in admin.token_file, which clients send as\n\
         `Authorization: Bearer ...`, or listen on 127.0.0.1.",
    ),
    code(
        "NET003",
        Exit::Unavailable,
        "cannot listen",
        "The system refused to listen on the address, for the reason given: it is not an address of\n\
         this host, or the port is below 1024 and this user may not use it.",
    ),
    code(
        "SIM001",
        Exit::Unavailable,
        "simulator does not run or answer",
        "The simulator could not be started, has ended, or gave no answer that can be read.\n\
         Start it by itself with `corelane sim` to see what it says.",
    ),
    code(
        "SIM002",
        Exit::Io,
        "recorded material cannot be read",
        "A file behind --replay could not be read, for the reason given.",
    ),
    code(
        "SIM003",
        Exit::Usage,
        "this cannot be simulated",
        "A file behind --replay holds something else than recorded frames\n\
         ({\"recv_ms\":..,\"frame\":{..}} lines) or fills (a JSON array as /info gives it), two\n\
         files are of the same account, or an option has no meaning.",
    ),
    code(
        "SNK001",
        Exit::Unavailable,
        "a sink does not take signals",
        "Standard output, the database or another receiver of signals failed. Signals stay in\n\
         the journal and go out, in order, when it takes them again. It is a warning while the\n\
         monitor runs. Mend the receiver; corelane need be restarted for standard output only. If\n\
         a journal file is named, the receiver is well: it is behind, and what it has missed cannot\n\
         be read. `corelane journal verify DIR` says why, and what to do.",
    ),
    code(
        "SYS001",
        Exit::Unavailable,
        "the system refuses a thread, a file or a signal",
        "A thread could not be started, a descriptor not made, or signals not listened for.\n\
         Usually a limit of this user or container is reached: open files (ulimit -n),\n\
         processes (ulimit -u, pids.max).",
    ),
    code(
        "TOP001",
        Exit::Config,
        "more shards than CPUs",
        "Each shard owns a core. With profile \"prod\" that must be so; with \"dev\" shards share cores\n\
         and park, which works and makes latency unpredictable.",
    ),
    code("TOP002", Exit::Config, "CPU does not exist", "The host has no CPU of that number."),
    code(
        "TOP003",
        Exit::Config,
        "CPU is offline",
        "The CPU exists and is switched off: see /sys/devices/system/cpu/cpuN/online.",
    ),
    code(
        "TOP004",
        Exit::Config,
        "CPU not allowed",
        "The CPU is online, but outside the set that this process may use (taskset, cpuset cgroup,\n\
         systemd CPUAffinity=, docker --cpuset-cpus).",
    ),
    code(
        "TOP005",
        Exit::Config,
        "CPUs are siblings of one core",
        "Two of the CPUs are hardware threads of one physical core. They share its execution units and\n\
         caches: each makes the other slower. It is a warning.",
    ),
    code(
        "UPS001",
        Exit::Config,
        "not a server address",
        "source.ws_url must be wss://host[:port][/path]. ws:// is accepted for loopback and\n\
         private hosts only: what moves money does not go over the internet in the clear.",
    ),
    code(
        "UPS002",
        Exit::Config,
        "more addresses than the venue takes",
        "The venue limits users, subscriptions and connections per source IP. corelane never connects in\n\
         a way that is known to be refused, and never leaves an address unmonitored without saying so.",
    ),
    code(
        "UPS003",
        Exit::Unavailable,
        "subscription refused or not answered",
        "The server answered a subscription with an error, or not at all. It is asked again,\n\
         ever more slowly, and the account is not live until then. Another program on this IP\n\
         may hold its place. It is a warning.",
    ),
    code(
        "UPS004",
        Exit::Unavailable,
        "host name cannot be resolved",
        "The name in source.ws_url or source.info_url has no address here: it is mistyped, or\n\
         the name servers of this host (/etc/resolv.conf) do not answer. `getent hosts NAME`\n\
         asks the same.",
    ),
    code(
        "UPS005",
        Exit::Unavailable,
        "missed fills could not be fetched",
        "After an interruption the fills in between are asked for by request. That failed, so\n\
         what may be missing is told as a gap event; live fills go on. It is a warning.",
    ),
    code(
        "UPS006",
        Exit::Unavailable,
        "symbol table could not be read",
        "Signals carry the raw coin name (@107) instead of the symbol until the table can be\n\
         read; it is tried again. It is a warning. source.info_url is where it is read from.",
    ),
    code(
        "UPS007",
        Exit::Unavailable,
        "connection lost",
        "The connection to the server ended or could not be opened. It is opened again, ever\n\
         more slowly, and what was missed is fetched. It is a warning.",
    ),
    code(
        "UPS008",
        Exit::Unavailable,
        "the server sent something that cannot be used",
        "A frame could not be read, or a fill in it has numbers that no market makes (a size of\n\
         zero, more than 10 digits after the point, a notional of 10^12 and more). It was left\n\
         out and counted; the connection goes on. It is a warning.",
    ),
    code(
        "UPS009",
        Exit::Unavailable,
        "fills are missing for good",
        "An account's positions do not follow one another, and the missing fills could not be\n\
         fetched. The same is told to consumers as a gap event. It is a warning.",
    ),
    code(
        "UPS020",
        Exit::Unavailable,
        "no node files",
        "source.node_dir is where a node keeps its data (~/hl/data); its fills are in\n\
         node_fills_by_block/hourly/DAY/HOUR, or in node_fills without --batch-by-block. Nothing is\n\
         there, or it cannot be read. It is looked for every second, and the accounts on this\n\
         source are not followed until then. It is a warning.",
    ),
    code(
        "UPS021",
        Exit::Unavailable,
        "the node writes no order statuses",
        "Without them the end of an order is not known from the node: a signal waits for\n\
         aggregation.timeout, or is sent with each block (aggregation.emit = \"frame\"). The node\n\
         writes them with --write-order-statuses. It is a warning, said once.",
    ),
    code(
        "UPS022",
        Exit::Unavailable,
        "the node left out blocks",
        "Block numbers in a node's files rise by one. These do not: the node lost its peers for a\n\
         while, or began again from a snapshot. All accounts on this source are treated as after\n\
         a lost connection: their missing fills are asked for by request (source.info_url), and\n\
         what cannot be had is told as a gap. It is a warning.",
    ),
    code(
        "UPS023",
        Exit::Unavailable,
        "a line of the node cannot be read",
        "A line of a node's file is no JSON of the known form, is longer than 16 MiB, or has no end\n\
         although the node has gone on to its next file (it was killed while it wrote). The line is\n\
         left out, and what was in it is asked for by request. It is a warning.",
    ),
    code(
        "UPS024",
        Exit::Unavailable,
        "a node's file was changed",
        "A node only ever appends. This file became shorter, is another one under the same name, or\n\
         the node writes files of another kind since it was started with other flags. Reading\n\
         begins anew there, and what may be missing is asked for by request. It is a warning.",
    ),
    code(
        "UPS025",
        Exit::Unavailable,
        "the node's files have no block numbers",
        "Without --batch-by-block a node writes fills one by one, and nothing tells when it leaves\n\
         some out; a broken chain of an account's positions is the only sign. It is a warning,\n\
         said once.",
    ),
    code(
        "UPS026",
        Exit::Unavailable,
        "reading a node cannot go on where it ended",
        "DATA_DIR/node-K.position says how far the files of source K were read. It is damaged, or\n\
         the file that it names is gone or another one. Reading begins at the end of the newest\n\
         file, and the fills in between are asked for by request. It is a warning.",
    ),
    code(
        "UPS027",
        Exit::Io,
        "the node position cannot be written",
        "DATA_DIR/node-K.position could not be replaced. The old one stays, so that after a restart\n\
         more is read again, which changes nothing. The reason is the system's own. It is a\n\
         warning.",
    ),
    code(
        "UPS028",
        Exit::Unavailable,
        "the node is not up to date",
        "Its files have not grown for 30 s, or their newest block is more than a minute old: the\n\
         node is down, without peers, or catching up. Signals are late by that. It is a warning,\n\
         said when it begins and when it ends.",
    ),
    code(
        "UPS029",
        Exit::Unavailable,
        "the node leaves out empty blocks",
        "Five small holes within 500 blocks, and never a block without events: this node seems to\n\
         write no line for such a block. From then on a hole of up to twice the longest of those is\n\
         not asked for at once: the fills of all such holes are asked for together once an hour. A\n\
         longer one is asked for at once, and so is each one after 10 000 blocks without any.",
    ),
    code(
        "UPS030",
        Exit::Unavailable,
        "requests wait for the REST budget",
        "The server counts the weight of REST requests per source address and minute (1200: about 55\n\
         back-fills of a few fills, or 10 of 2000). More is asked for than that, so requests wait:\n\
         back-fills first, then order statuses, then the symbol table. It is told when that begins\n\
         and when nothing waits any more. Fills of an account are held for 300 s; a back-fill that\n\
         cannot be had by then ends as a gap event. It is a warning.",
    ),
    code(
        "UPS031",
        Exit::Unavailable,
        "frames of a provider did not come",
        "A provider numbers the frames of a connection, and a number was left out: fills may have been\n\
         in what did not come. The fills of every account on that connection are fetched by REST\n\
         (source.info_url) from the last known one on; what cannot be had ends as a gap event. If it\n\
         comes often, this host reads too slowly for the provider, or the provider drops. It is a\n\
         warning.",
    ),
    code(
        "UPS032",
        Exit::Config,
        "not an address of this host",
        "source.local_addr (or local_addrs) names an address that no interface of this host has, so\n\
         nothing can be connected from it. `ip -brief address` lists those that it has.",
    ),
    code(
        "UPS040",
        Exit::Unavailable,
        "two spot pairs of one name",
        "With the aliases of its tokens (UPUMP is called PUMP) a spot pair would have a symbol\n\
         that another one has. Two instruments never share a symbol: the pair with the alias\n\
         has it, signals of the other carry its coin (@20). symbols.aliases changes who is\n\
         called what. It is for information.",
    ),
    code(
        "UPS041",
        Exit::Unavailable,
        "coin without a symbol",
        "A coin is traded that the symbol table does not have: it may be minutes old. Its\n\
         signals carry the raw coin (@107) until the table has it; the table is read again\n\
         within seconds, then as often as symbols.refresh says. It is said once for each coin.\n\
         It is a warning.",
    ),
];

/// The row of a code, in any case.
pub(super) fn row(code: &str) -> Option<&'static CodeRow> {
    CODES.iter().find(|row| row.code.eq_ignore_ascii_case(code))
}

/// What `corelane explain CODE` prints; `None` for a code that does not exist.
pub fn explain(code: &str) -> Option<String> {
    let row = row(code)?;
    let exit = row.exit;
    Some(format!(
        "{}: {}\n\n{}\n\nWhen it stops the program, the exit code is {} ({}).\n",
        row.code,
        row.title,
        row.meaning,
        exit.code(),
        exit.meaning()
    ))
}

/// What `corelane help exit-codes` prints.
pub fn exit_codes() -> String {
    let mut out = String::from("Exit codes\n\n");
    for exit in Exit::ALL {
        out.push_str(&format!("  {:>2}  {}\n", exit.code(), exit.meaning()));
    }
    out
}
