/*
 * corelane_book.h: the order book of corelane from C (C99) and C++ (C++11).
 *
 * A book holds the orders of one symbol. Commands change it, one after the other; each gives an
 * outcome and events. The book does no I/O, reads no clock, starts no thread and takes no lock. It
 * allocates when it is created, when a call exceeds the room it was given, and for a snapshot; where
 * memory is refused, the process ends. Count arrays may not be NULL, even when they are empty.
 *
 * Units. Prices count the symbol's tick, 1 to CLB_TICKS_MAX. Quantities count its lot, 1 to
 * CLB_LOTS_MAX. Order ids are all of uint64_t, 0 included. User 0 is nobody in particular.
 * Moments are in whatever unit the caller chose: the book only compares them.
 *
 * Threads. A book belongs to one thread at a time. It may be passed on to another thread, and
 * functions that take a `const clb_book *` may run on one book at once; any other call needs the
 * book for itself. Different books have nothing in common.
 *
 * Answers. A negative answer is an error of the call, or a defect of the library: nothing was
 * written, nothing changed. Zero and positive answers are said with each function.
 *
 * Ownership. What a function writes through a pointer is the caller's. What a function returns a
 * pointer to belongs to the book, until the call that is named with it. Pointers to different
 * things may not overlap. A pointer to a struct must be aligned as its type demands; a record may
 * be anywhere.
 */
#ifndef CORELANE_BOOK_H
#define CORELANE_BOOK_H

#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian, and so must be the machine: clb_command is read as bytes"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Counts the changes of this interface that need a new build of its users. */
#define CLB_VERSION 1u

#define CLB_TICKS_MAX ((int64_t)1 << 52)
#define CLB_LOTS_MAX ((uint64_t)1 << 40)
/* Most orders of one book, resting and waiting; also the most room that can be asked for. */
#define CLB_ORDERS_MAX (((uint64_t)1 << 24) - 1)

/* What functions answer. */
enum {
    CLB_OK = 0,
    /* An argument is NULL. */
    CLB_NULL = -1,
    /* An argument is out of its range, or a pointer is not aligned. */
    CLB_ARGUMENT = -2,
    /* The bytes are no snapshot, or are damaged. */
    CLB_SNAPSHOT = -3,
    /* A defect of the library. From a changing call on, the book answers this to every call; free
       it. Please report what standard error says. */
    CLB_DEFECT = -4
};

/* Why a command was refused: the answer of clb_apply, `code` of an outcome and of CLB_REJECTED. */
enum {
    CLB_UNKNOWN_ID = 1,
    CLB_DUPLICATE_ID = 2,
    CLB_BAD_QUANTITY = 3,
    CLB_BAD_PRICE = 4,
    CLB_BAD_COMMAND = 5,
    CLB_POST_WOULD_CROSS = 6,
    CLB_KILLED = 7,
    CLB_FULL = 8,
    CLB_WRONG_PHASE = 9,
    CLB_EXPIRY_PASSED = 10
};

/* Sides. */
enum { CLB_BUY = 0, CLB_SELL = 1, CLB_BOTH_SIDES = 255 /* of a mass cancel */ };

/* Phases. */
enum { CLB_CONTINUOUS = 0, CLB_HALTED = 1, CLB_AUCTION = 2 };

/*
 * What a phase takes. CLB_CONTINUOUS: all. CLB_HALTED: nothing new and no replace
 * (CLB_WRONG_PHASE); cancels, reduces and expiries go on. CLB_AUCTION: limit orders CLB_GTC, market
 * orders CLB_GTC and CLB_IOC, stops of any kind; other orders are CLB_WRONG_PHASE. Stops are
 * triggered only while the book is continuous; when that begins, they are held against all prices
 * traded since it ended. Going to CLB_CONTINUOUS takes a CLB_UNCROSS when the book is crossed or
 * market orders wait.
 *
 * An uncross trades all it can at one price, buyers with sellers, market orders first, then by price
 * and time, without self-trade prevention: the price was found with all orders. The price is one
 * from the lowest to the highest limit of an order (the last trade, where no order has a limit):
 * largest volume; then smallest surplus; then the highest if buyers are left over at all that remain,
 * the lowest if sellers are; else nearest the last trade; without one the middle, rounded down.
 *
 * Checks of a new order, in this order: CLB_BAD_COMMAND, CLB_BAD_QUANTITY, CLB_BAD_PRICE,
 * CLB_WRONG_PHASE, CLB_EXPIRY_PASSED, CLB_DUPLICATE_ID, CLB_POST_WOULD_CROSS, CLB_KILLED, CLB_FULL.
 * Of a replace: quantity, price, CLB_UNKNOWN_ID, slices, phase. Of a reduce: quantity, id.
 */

/* Self-trade prevention of a book. The byte of a command is 0 for the book's, else 1 + one of these. */
enum {
    CLB_ALLOW = 0,
    CLB_CANCEL_NEWEST = 1,
    CLB_CANCEL_OLDEST = 2,
    CLB_CANCEL_BOTH = 3,
    CLB_DECREMENT = 4
};

/* Operations of a command, with the fields of clb_command they use besides. */
enum {
    CLB_NEW = 1,         /* side tif flags user id price qty display stop expires self_trade */
    CLB_CANCEL = 2,      /* id */
    CLB_REDUCE = 3,      /* id, qty: by how much; keeps the place in the queue */
    CLB_REPLACE = 4,     /* id price qty self_trade; good till cancelled, loses its place */
    CLB_MASS_CANCEL = 5, /* user, side: a side or CLB_BOTH_SIDES */
    CLB_EXPIRE = 6,      /* expires: the moment that has come */
    CLB_SET_PHASE = 7,   /* phase */
    CLB_UNCROSS = 8      /* phase: the one to follow, not CLB_AUCTION */
};

/* Times in force. */
enum { CLB_GTC = 0, CLB_IOC = 1, CLB_FOK = 2, CLB_POST = 3 };

/* Flags of a new order; CLB_HAS_DISPLAY and those after it, of clb_terms too. */
enum {
    CLB_MARKET = 1,      /* no price */
    CLB_HAS_DISPLAY = 2, /* iceberg: show `display` lots at a time, a 4096th of it at least */
    CLB_HAS_STOP = 4,    /* wait for a trade at `stop`, or beyond */
    CLB_HAS_EXPIRY = 8   /* good till `expires`: cancelled by a CLB_EXPIRE of that moment */
};

/*
 * Icebergs and expiries are for orders that may rest (expiries for stops too), else CLB_BAD_COMMAND;
 * more than 4096 slices, also after a replace, is CLB_BAD_QUANTITY. A used-up slice is followed by
 * the next at the end of the level. Fill-or-kill counts hidden lots; a reduce takes hidden lots
 * first; CLB_DECREMENT goes slice by slice. A stop that the last trade has reached enters at once.
 * A triggered stop that is post-only and would trade, or fill-or-kill and can't be filled, is
 * CLB_CANCELLED. A replaced stop keeps its trigger and waits on, with the new limit.
 */

/*
 * A command: 64 bytes, which are its record in journals and on the wire too. What an operation
 * does not use must be zero, or the command is refused as CLB_BAD_COMMAND.
 */
typedef struct clb_command {
    uint8_t op;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint32_t user;
    uint64_t id;
    int64_t price;
    uint64_t qty;
    uint64_t display;
    int64_t stop;
    uint64_t expires;
    uint8_t self_trade;
    uint8_t phase;
    uint8_t zero[6];
} clb_command;

#define CLB_RECORD_BYTES 64
/* The record of command files: the first half of a clb_command, operations 1 to 5. A mass cancel
   means both sides there, flags are CLB_MARKET or none, and fields without use are not looked at. */
#define CLB_SHORT_RECORD_BYTES 32

/* What a command came to. All quantities are zero when it was refused. */
typedef struct clb_outcome {
    uint8_t code; /* 0, or why it was refused */
    uint8_t zero[3];
    uint32_t events;    /* how many events it has */
    uint64_t filled;    /* lots that traded at once; of an uncross, all that traded */
    uint64_t resting;   /* lots left of its order: resting, hidden or waiting */
    uint64_t cancelled; /* lots it cancelled of the orders it is about */
} clb_outcome;

/* Kinds of events, with the fields of clb_event they use besides `kind` and `command`. */
enum {
    CLB_ACCEPTED = 1,  /* id, if the command is about one order: CLB_GIVEN_ID */
    CLB_REJECTED = 2,  /* id likewise; code: why */
    CLB_TRADED = 3,    /* id user side open: of the taker; price qty maker maker_open maker_user */
    CLB_CANCELLED = 4, /* id user side qty open hidden; code: the cut; price: CLB_GIVEN_PRICE if
                          what was cut has rested */
    CLB_RESTED = 5,    /* id user side price; qty: what shows; hidden; open: both together */
    CLB_REFRESHED = 6, /* the same: the next slice of an iceberg joined the end of its level */
    CLB_WAITING = 7,   /* id user side qty open; price: the trigger, CLB_GIVEN_PRICE; without
                          one, a market order that waits for an uncross */
    CLB_TRIGGERED = 8, /* id: a stop, which enters the book now */
    CLB_PHASE_SET = 9, /* code: the phase */
    CLB_UNCROSSED = 10 /* price and qty of all the trades that follow */
};

/* Why quantity was cut: `code` of CLB_CANCELLED. */
enum {
    CLB_CUT_ASKED = 1,       /* a cancel, a reduce or a mass cancel */
    CLB_CUT_REPLACED = 2,    /* out, to be entered again by the same replace */
    CLB_CUT_UNFILLED = 3,    /* the order may not rest */
    CLB_CUT_SELF_TRADE = 4,  /* it met an order of the same user */
    CLB_CUT_EXPIRED = 5,     /* its time has come */
    CLB_CUT_WOULD_CROSS = 6  /* a triggered post-only stop that would trade */
};

/* Bits of `given`. */
enum { CLB_GIVEN_ID = 1, CLB_GIVEN_PRICE = 2 };

/* One thing that happened. Fields that its kind does not use are zero. */
typedef struct clb_event {
    uint8_t kind;
    uint8_t side;
    uint8_t code;
    uint8_t given;       /* which of id and price are there: both may be zero */
    uint32_t user;
    uint64_t id;
    int64_t price;
    uint64_t qty;
    uint64_t open;       /* lots still open of the order, hidden ones too; it has left at zero */
    uint64_t hidden;     /* of these, lots that the book does not show */
    uint64_t maker;      /* the resting order of a trade; in an uncross, the seller's */
    uint64_t maker_open; /* like open */
    uint32_t maker_user;
    uint32_t command;    /* which command of the call, from 0 */
} clb_event;

/* A price level. As a change: what it is now, with qty and orders zero when it is gone. */
typedef struct clb_level {
    int64_t price;
    uint64_t qty;    /* lots that show */
    uint32_t orders;
    uint8_t side;
    uint8_t zero[3];
} clb_level;

/* States of an order. */
enum { CLB_RESTING = 0, CLB_WAITING_STOP = 1, CLB_WAITING_MARKET = 2 };

/* An order. */
typedef struct clb_order {
    uint64_t id;
    int64_t price;   /* where it rests; the trigger of a stop; 0 of a waiting market order */
    uint64_t qty;    /* lots that show, or wait */
    uint64_t hidden; /* lots beyond those */
    uint32_t user;
    uint8_t side;
    uint8_t state;
    uint8_t zero[2];
} clb_order;

/* The terms an order has left: those that `given` (CLB_HAS_...) says. */
typedef struct clb_terms {
    uint64_t display;
    int64_t stop;
    uint64_t expires;
    uint8_t given;
    uint8_t zero[7];
} clb_terms;

/* The book as a whole. */
typedef struct clb_summary {
    uint64_t orders;    /* live: resting or waiting */
    uint64_t levels;    /* price levels of both sides */
    uint64_t now;       /* the latest moment it was told */
    int64_t last_trade; /* price of the last trade; 0 before the first */
    uint32_t growths;   /* how often a command had to allocate */
    uint8_t phase;
    uint8_t zero[3];
} clb_summary;

/* What an uncross would do now. */
typedef struct clb_indicative {
    int64_t price;
    uint64_t volume;
    uint64_t surplus;      /* lots that would be left over at that price */
    uint8_t surplus_side;  /* of this side; CLB_BUY when there are none */
    uint8_t zero[7];
} clb_indicative;

/* What a book is made with. Room is for speed only: what exceeds it is taken, after a pause. */
typedef struct clb_config {
    uint64_t orders;       /* room for orders, up to CLB_ORDERS_MAX */
    uint64_t levels;       /* room for levels, up to CLB_ORDERS_MAX */
    uint64_t events;       /* room for the events of one call, up to CLB_ORDERS_MAX */
    uint64_t seed;         /* of the id table; at random where outsiders choose ids */
    uint8_t self_trade;    /* of orders that name none of their own */
    uint8_t level_changes; /* 1: keep the changes of levels too, for clb_level_changes */
    uint8_t zero[6];
} clb_config;

/* A book. Only the library looks inside. */
typedef struct clb_book clb_book;

/* The CLB_VERSION that the library was built with: must equal the one of this header. */
uint32_t clb_version(void);

/* An answer in words: never NULL, never freed. */
const char *clb_text(int32_t answer);

/* Writes a config to start from: room for 4096 orders, 1024 levels and 256 events, seed 0,
   CLB_ALLOW, no level changes. */
int32_t clb_config_default(clb_config *config);

/* Makes an empty book, to be freed by clb_free. */
int32_t clb_create(const clb_config *config, clb_book **book);

/* Frees a book; does nothing with NULL. The one function for a book with a defect. */
void clb_free(clb_book *book);

/* Makes room for so many orders and levels in all, up to CLB_ORDERS_MAX each. May take long. */
int32_t clb_reserve(clb_book *book, uint64_t orders, uint64_t levels);

/*
 * Applies one command: `record` is a clb_command, or CLB_RECORD_BYTES of the same layout. Answers
 * 0 when it was accepted, and why not (CLB_UNKNOWN_ID and on) when it was refused. Always writes
 * the outcome.
 */
int32_t clb_apply(clb_book *book, const void *record, clb_outcome *outcome);

/* Applies one record of a command file, CLB_SHORT_RECORD_BYTES long; else as clb_apply. */
int32_t clb_apply_short(clb_book *book, const void *record, clb_outcome *outcome);

/*
 * Applies `count` records that follow one another, each `record_bytes` long: CLB_RECORD_BYTES or
 * CLB_SHORT_RECORD_BYTES. Writes as many outcomes. Answers CLB_OK when all have been applied,
 * refused ones too. For languages in which a call costs more than a command. At most 2^32 - 1.
 */
int32_t clb_apply_all(clb_book *book, const void *records, size_t record_bytes, size_t count,
                      clb_outcome *outcomes);

/*
 * The events of the last clb_apply..., in order; their number goes to `count`. They are the book's
 * and last until its next clb_apply... or clb_free. NULL, and a count of 0, on an error.
 */
const clb_event *clb_events(const clb_book *book, size_t *count);

/*
 * The levels that the last clb_apply... changed, in order, a level as often as it was told: who
 * sets each as it comes has the levels of the book. Else as clb_events. None unless the config
 * asked for them.
 */
const clb_level *clb_level_changes(const clb_book *book, size_t *count);

/* The best level of a side. Answers 1, or 0 when the side is empty, and writes nothing then. */
int32_t clb_best(const clb_book *book, uint8_t side, clb_level *level);

/* Up to `max` levels of a side, the best first. Answers how many were written. */
int64_t clb_levels(const clb_book *book, uint8_t side, clb_level *levels, size_t max);

/* Up to `max` resting orders of a side: the best level first, each in the order of its queue.
   Answers how many were written. */
int64_t clb_orders(const clb_book *book, uint8_t side, clb_order *orders, size_t max);

/* Up to `max` waiting orders of a side: stops in the order they would be triggered, then market
   orders by arrival. Answers how many were written. */
int64_t clb_waiting(const clb_book *book, uint8_t side, clb_order *orders, size_t max);

/* An order by its id, resting or waiting, and its terms. Answers 1, or 0 when there is none, and
   writes nothing then. */
int32_t clb_find(const clb_book *book, uint64_t id, clb_order *order, clb_terms *terms);

/* Counts, phase, moment and last trade. */
int32_t clb_summarize(const clb_book *book, clb_summary *summary);

/* What an uncross would do now, in any phase. Answers 1, or 0 when nothing would trade, and writes
   nothing then. */
int32_t clb_indicate(const clb_book *book, clb_indicative *indicative);

/* A hash of all that decides what the book does from here on: equal in books that took the same
   commands, also when one was restored from a snapshot on the way. */
int32_t clb_state_hash(const clb_book *book, uint64_t *hash);

/* Checks every invariant, which reads the whole book. CLB_DEFECT when one does not hold. */
int32_t clb_check(const clb_book *book);

/* The whole state as bytes; their number goes to `bytes`. They are the book's and last until its
   next clb_snapshot or clb_free. NULL, and 0 bytes, on an error. */
const uint8_t *clb_snapshot(clb_book *book, size_t *bytes);

/* Makes a book of a snapshot, which is checked in full. Self-trade prevention is that of the
   snapshot; all else of the config counts. */
int32_t clb_restore(const uint8_t *snapshot, size_t bytes, const clb_config *config,
                    clb_book **book);

#ifdef __cplusplus
}
#endif

#endif
