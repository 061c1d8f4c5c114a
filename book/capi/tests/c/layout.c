/* Sizes and offsets of every struct, at compile time: those that src/layout.rs asserts, and the
   record's table. Also built as C++. */
#include "check.h"
#include "corelane_book.h"

/* C99 has no static assertion: an array of negative size says the same. */
#define SIZE(type, bytes) typedef char type##_size[sizeof(type) == (bytes) ? 1 : -1]
#define FIELD(type, field, at) typedef char type##_##field[offsetof(type, field) == (at) ? 1 : -1]

SIZE(clb_command, CLB_RECORD_BYTES);
FIELD(clb_command, op, 0);
FIELD(clb_command, side, 1);
FIELD(clb_command, tif, 2);
FIELD(clb_command, flags, 3);
FIELD(clb_command, user, 4);
FIELD(clb_command, id, 8);
FIELD(clb_command, price, 16);
FIELD(clb_command, qty, 24);
FIELD(clb_command, display, 32);
FIELD(clb_command, stop, 40);
FIELD(clb_command, expires, 48);
FIELD(clb_command, self_trade, 56);
FIELD(clb_command, phase, 57);
FIELD(clb_command, zero, 58);

SIZE(clb_outcome, 32);
FIELD(clb_outcome, code, 0);
FIELD(clb_outcome, events, 4);
FIELD(clb_outcome, filled, 8);
FIELD(clb_outcome, resting, 16);
FIELD(clb_outcome, cancelled, 24);

SIZE(clb_event, 72);
FIELD(clb_event, kind, 0);
FIELD(clb_event, side, 1);
FIELD(clb_event, code, 2);
FIELD(clb_event, given, 3);
FIELD(clb_event, user, 4);
FIELD(clb_event, id, 8);
FIELD(clb_event, price, 16);
FIELD(clb_event, qty, 24);
FIELD(clb_event, open, 32);
FIELD(clb_event, hidden, 40);
FIELD(clb_event, maker, 48);
FIELD(clb_event, maker_open, 56);
FIELD(clb_event, maker_user, 64);
FIELD(clb_event, command, 68);

SIZE(clb_level, 24);
FIELD(clb_level, price, 0);
FIELD(clb_level, qty, 8);
FIELD(clb_level, orders, 16);
FIELD(clb_level, side, 20);

SIZE(clb_order, 40);
FIELD(clb_order, id, 0);
FIELD(clb_order, price, 8);
FIELD(clb_order, qty, 16);
FIELD(clb_order, hidden, 24);
FIELD(clb_order, user, 32);
FIELD(clb_order, side, 36);
FIELD(clb_order, state, 37);

SIZE(clb_terms, 32);
FIELD(clb_terms, display, 0);
FIELD(clb_terms, stop, 8);
FIELD(clb_terms, expires, 16);
FIELD(clb_terms, given, 24);

SIZE(clb_summary, 40);
FIELD(clb_summary, orders, 0);
FIELD(clb_summary, levels, 8);
FIELD(clb_summary, now, 16);
FIELD(clb_summary, last_trade, 24);
FIELD(clb_summary, growths, 32);
FIELD(clb_summary, phase, 36);

SIZE(clb_indicative, 32);
FIELD(clb_indicative, price, 0);
FIELD(clb_indicative, volume, 8);
FIELD(clb_indicative, surplus, 16);
FIELD(clb_indicative, surplus_side, 24);

SIZE(clb_config, 40);
FIELD(clb_config, orders, 0);
FIELD(clb_config, levels, 8);
FIELD(clb_config, events, 16);
FIELD(clb_config, seed, 24);
FIELD(clb_config, self_trade, 32);
FIELD(clb_config, level_changes, 33);

int main(void) {
    clb_config config;
    clb_book *book = NULL;

    CHECK(clb_version() == CLB_VERSION);
    CHECK(clb_config_default(&config) == CLB_OK);
    CHECK(clb_create(&config, &book) == CLB_OK);
    clb_free(book);
    printf("%lu checks\n", checks);
    return 0;
}
