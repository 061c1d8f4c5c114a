/* Orders that meet: trades, rejects, levels, queues, self-trade prevention; and wrong calls. */
#include <string.h>

#include "check.h"
#include "corelane_book.h"

static clb_book *book;
static clb_outcome outcome;
static const clb_event *events;
static size_t count;

/* Applies a command, fetches its events, and answers its code. */
static int32_t apply(clb_command command) {
    int32_t code = clb_apply(book, &command, &outcome);
    events = clb_events(book, &count);
    CHECK(code == outcome.code && count == outcome.events && count > 0);
    CHECK(events[0].kind == (code == 0 ? CLB_ACCEPTED : CLB_REJECTED));
    CHECK(clb_check(book) == CLB_OK);
    return code;
}

static clb_command limit(uint64_t id, uint32_t user, uint8_t side, int64_t price, uint64_t qty) {
    clb_command command = {
        .op = CLB_NEW, .side = side, .user = user, .id = id, .price = price, .qty = qty};
    return command;
}

static void open_book(uint8_t self_trade) {
    clb_config config;
    CHECK(clb_config_default(&config) == CLB_OK);
    config.self_trade = self_trade;
    config.level_changes = 1;
    clb_free(book);
    CHECK(clb_create(&config, &book) == CLB_OK);
}

static void orders_rest_and_trade(void) {
    clb_level levels[8];
    clb_order orders[8];
    clb_summary summary;

    open_book(CLB_ALLOW);
    CHECK(apply(limit(1, 7, CLB_SELL, 101, 5)) == 0);
    CHECK(outcome.resting == 5 && outcome.filled == 0 && count == 2);
    CHECK(events[1].kind == CLB_RESTED && events[1].id == 1 && events[1].user == 7);
    CHECK(events[1].side == CLB_SELL && events[1].price == 101 && events[1].qty == 5);
    CHECK(events[1].open == 5 && events[1].hidden == 0);
    CHECK(apply(limit(2, 8, CLB_SELL, 100, 3)) == 0);
    CHECK(apply(limit(3, 9, CLB_SELL, 100, 4)) == 0);
    CHECK(apply(limit(4, 9, CLB_BUY, 98, 1)) == 0);

    CHECK(clb_levels(book, CLB_SELL, levels, 8) == 2);
    CHECK(levels[0].price == 100 && levels[0].qty == 7 && levels[0].orders == 2);
    CHECK(levels[1].price == 101 && levels[1].qty == 5 && levels[1].side == CLB_SELL);
    CHECK(clb_levels(book, CLB_SELL, levels, 1) == 1 && clb_levels(book, CLB_SELL, levels, 0) == 0);
    CHECK(clb_best(book, CLB_BUY, &levels[0]) == 1 && levels[0].price == 98);
    CHECK(clb_orders(book, CLB_SELL, orders, 8) == 3);
    CHECK(orders[0].id == 2 && orders[1].id == 3 && orders[2].id == 1);

    /* The best level first, inside it the oldest order; what is left rests. */
    CHECK(apply(limit(5, 6, CLB_BUY, 100, 9)) == 0);
    CHECK(outcome.filled == 7 && outcome.resting == 2 && outcome.cancelled == 0 && count == 4);
    CHECK(events[1].kind == CLB_TRADED && events[1].maker == 2 && events[1].maker_open == 0);
    CHECK(events[1].id == 5 && events[1].open == 6 && events[1].price == 100 && events[1].qty == 3);
    CHECK(events[1].user == 6 && events[1].maker_user == 8 && events[1].side == CLB_BUY);
    CHECK(events[2].maker == 3 && events[2].qty == 4 && events[2].open == 2);
    CHECK(events[3].kind == CLB_RESTED && events[3].qty == 2);

    CHECK(clb_summarize(book, &summary) == CLB_OK);
    CHECK(summary.orders == 3 && summary.levels == 3 && summary.phase == CLB_CONTINUOUS);
}

static void commands_change_resting_orders(void) {
    clb_command reduce = {.op = CLB_REDUCE, .id = 1, .qty = 2};
    clb_command replace = {.op = CLB_REPLACE, .id = 1, .price = 99, .qty = 4};
    clb_command cancel = {.op = CLB_CANCEL, .id = 1};
    clb_command mass_cancel = {.op = CLB_MASS_CANCEL, .side = CLB_BOTH_SIDES, .user = 7};

    open_book(CLB_ALLOW);
    CHECK(apply(limit(1, 7, CLB_BUY, 98, 5)) == 0);
    CHECK(apply(reduce) == 0 && outcome.cancelled == 2 && outcome.resting == 3);
    CHECK(events[1].kind == CLB_CANCELLED && events[1].code == CLB_CUT_ASKED);
    CHECK(events[1].qty == 2 && events[1].open == 3 && events[1].price == 98);
    CHECK(apply(replace) == 0 && outcome.resting == 4 && outcome.cancelled == 0 && count == 3);
    CHECK(events[1].code == CLB_CUT_REPLACED && events[1].qty == 3 && events[1].open == 0);
    CHECK(events[2].kind == CLB_RESTED && events[2].price == 99);
    CHECK(apply(cancel) == 0 && outcome.cancelled == 4);
    CHECK(apply(cancel) == CLB_UNKNOWN_ID);

    CHECK(apply(limit(3, 7, CLB_BUY, 97, 1)) == 0);
    CHECK(apply(limit(2, 7, CLB_SELL, 99, 1)) == 0);
    CHECK(apply(limit(4, 8, CLB_SELL, 99, 1)) == 0);
    CHECK(apply(mass_cancel) == 0 && outcome.cancelled == 2 && count == 3);
    CHECK((events[0].given & CLB_GIVEN_ID) == 0);
    CHECK(events[1].id == 2 && events[2].id == 3);
}

static void refused_commands_say_why_and_change_nothing(void) {
    clb_command post = limit(9, 1, CLB_BUY, 100, 1);
    clb_command kill = limit(9, 1, CLB_BUY, 100, 9);
    clb_command market = {.op = CLB_NEW, .flags = CLB_MARKET, .id = 9, .qty = 1};
    clb_command bad = limit(9, 1, CLB_BUY, 100, 1);
    uint64_t before, after;

    open_book(CLB_ALLOW);
    CHECK(apply(limit(1, 7, CLB_SELL, 100, 5)) == 0);
    CHECK(clb_state_hash(book, &before) == CLB_OK);

    CHECK(apply(limit(1, 7, CLB_SELL, 100, 5)) == CLB_DUPLICATE_ID);
    CHECK(count == 1 && events[0].id == 1 && events[0].given == CLB_GIVEN_ID);
    CHECK(events[0].code == CLB_DUPLICATE_ID && outcome.filled + outcome.resting == 0);
    CHECK(apply(limit(2, 7, CLB_BUY, 99, 0)) == CLB_BAD_QUANTITY);
    CHECK(apply(limit(2, 7, CLB_BUY, 99, CLB_LOTS_MAX + 1)) == CLB_BAD_QUANTITY);
    CHECK(apply(limit(2, 7, CLB_BUY, 0, 1)) == CLB_BAD_PRICE);
    CHECK(apply(limit(2, 7, CLB_BUY, CLB_TICKS_MAX + 1, 1)) == CLB_BAD_PRICE);
    post.tif = CLB_POST;
    CHECK(apply(post) == CLB_POST_WOULD_CROSS);
    kill.tif = CLB_FOK;
    CHECK(apply(kill) == CLB_KILLED);
    bad.zero[5] = 1;
    CHECK(apply(bad) == CLB_BAD_COMMAND && events[0].given == 0);
    memset(&bad, 255, sizeof bad);
    CHECK(apply(bad) == CLB_BAD_COMMAND);
    market.price = 100;
    CHECK(apply(market) == CLB_BAD_COMMAND);

    CHECK(clb_state_hash(book, &after) == CLB_OK && before == after);
}

static void self_trade_prevention_is_the_books_or_the_orders(void) {
    clb_command taker = limit(2, 7, CLB_BUY, 100, 2);

    open_book(CLB_CANCEL_OLDEST);
    CHECK(apply(limit(1, 7, CLB_SELL, 100, 5)) == 0);
    taker.self_trade = 1 + CLB_CANCEL_NEWEST;
    CHECK(apply(taker) == 0 && outcome.cancelled == 2 && count == 2);
    CHECK(events[1].kind == CLB_CANCELLED && events[1].code == CLB_CUT_SELF_TRADE);
    CHECK(events[1].id == 2 && (events[1].given & CLB_GIVEN_PRICE) == 0);
    taker.self_trade = 0;
    CHECK(apply(taker) == 0 && outcome.resting == 2);
    CHECK(events[1].id == 1 && events[1].given == (CLB_GIVEN_ID | CLB_GIVEN_PRICE));
}

static void level_changes_are_the_levels_in_the_end(void) {
    const clb_level *changes;
    size_t changed;

    open_book(CLB_ALLOW);
    CHECK(apply(limit(1, 7, CLB_SELL, 100, 5)) == 0);
    CHECK(apply(limit(2, 7, CLB_SELL, 101, 5)) == 0);
    CHECK(apply(limit(3, 8, CLB_BUY, 101, 8)) == 0);
    changes = clb_level_changes(book, &changed);
    CHECK(changed == 2 && changes[0].price == 100 && changes[0].orders == 0);
    CHECK(changes[1].price == 101 && changes[1].qty == 2 && changes[1].orders == 1);
}

static void many_records_in_one_call(void) {
    clb_command commands[4];
    clb_outcome outcomes[4];
    unsigned char moved[1 + sizeof commands];

    commands[0] = limit(1, 7, CLB_SELL, 100, 5);
    commands[1] = limit(1, 7, CLB_SELL, 100, 5);
    commands[2] = limit(2, 8, CLB_BUY, 100, 2);
    commands[3] = limit(3, 8, CLB_BUY, 99, 2);
    /* Records may be anywhere: here, at an odd address or before one. */
    memcpy(moved + 1, commands, sizeof commands);

    open_book(CLB_ALLOW);
    CHECK(clb_apply_all(book, moved + 1, CLB_RECORD_BYTES, 4, outcomes) == CLB_OK);
    CHECK(outcomes[0].code == 0 && outcomes[1].code == CLB_DUPLICATE_ID);
    CHECK(outcomes[2].filled == 2 && outcomes[3].resting == 2);
    events = clb_events(book, &count);
    CHECK(count == 7 && outcomes[0].events == 2 && outcomes[1].events == 1);
    CHECK(events[2].command == 1 && events[2].kind == CLB_REJECTED);
    CHECK(events[4].command == 2 && events[4].kind == CLB_TRADED && events[6].command == 3);

    /* The first half of a limit order is its short record. */
    open_book(CLB_ALLOW);
    CHECK(clb_apply_short(book, &commands[0], &outcome) == 0 && outcome.resting == 5);
    CHECK(clb_apply_short(book, &commands[0], &outcome) == CLB_DUPLICATE_ID);

    CHECK(clb_apply_all(book, commands, CLB_RECORD_BYTES, 0, outcomes) == CLB_OK);
    CHECK(clb_events(book, &count) == NULL && count == 0);
}

static void wrong_calls_do_nothing(void) {
    clb_config config;
    clb_book *other = NULL;
    clb_command command = limit(1, 7, CLB_SELL, 100, 5);
    clb_level level;
    clb_order order;
    clb_terms terms;
    clb_summary summary;
    clb_indicative indicative;
    uint64_t hash;
    size_t size = 7;
    unsigned char room[2 * sizeof outcome];

    open_book(CLB_ALLOW);
    CHECK(clb_apply(NULL, &command, &outcome) == CLB_NULL);
    CHECK(clb_apply(book, NULL, &outcome) == CLB_NULL);
    CHECK(clb_apply(book, &command, NULL) == CLB_NULL);
    CHECK(clb_apply_short(book, &command, NULL) == CLB_NULL);
    CHECK(clb_apply_all(book, &command, 33, 1, &outcome) == CLB_ARGUMENT);
    CHECK(clb_apply_all(book, &command, CLB_RECORD_BYTES, SIZE_MAX, &outcome) == CLB_ARGUMENT);
    CHECK(clb_apply(book, &command, (clb_outcome *)(void *)(room + ((size_t)room % 2 == 0))) ==
          CLB_ARGUMENT);
    CHECK(clb_best(book, CLB_SELL, &level) == 0 && "none of these entered the order");

    CHECK(clb_best(NULL, CLB_SELL, &level) == CLB_NULL && clb_best(book, 0, NULL) == CLB_NULL);
    CHECK(clb_best(book, 2, &level) == CLB_ARGUMENT);
    CHECK(clb_levels(NULL, 0, &level, 1) == CLB_NULL && clb_levels(book, 0, NULL, 1) == CLB_NULL);
    CHECK(clb_levels(book, CLB_BOTH_SIDES, &level, 1) == CLB_ARGUMENT);
    CHECK(clb_levels(book, 0, &level, SIZE_MAX) == CLB_ARGUMENT);
    CHECK(clb_orders(NULL, 0, &order, 1) == CLB_NULL && clb_orders(book, 0, NULL, 1) == CLB_NULL);
    CHECK(clb_waiting(NULL, 0, &order, 1) == CLB_NULL && clb_waiting(book, 0, NULL, 1) == CLB_NULL);
    CHECK(clb_find(NULL, 1, &order, &terms) == CLB_NULL);
    CHECK(clb_find(book, 1, NULL, &terms) == CLB_NULL);
    CHECK(clb_find(book, 1, &order, NULL) == CLB_NULL);
    CHECK(clb_find(book, 1, &order, &terms) == 0);
    CHECK(clb_summarize(NULL, &summary) == CLB_NULL && clb_summarize(book, NULL) == CLB_NULL);
    CHECK(clb_indicate(NULL, &indicative) == CLB_NULL && clb_indicate(book, NULL) == CLB_NULL);
    CHECK(clb_state_hash(NULL, &hash) == CLB_NULL && clb_state_hash(book, NULL) == CLB_NULL);
    CHECK(clb_check(NULL) == CLB_NULL);
    CHECK(clb_events(NULL, &size) == NULL && size == 0 && clb_events(book, NULL) == NULL);
    CHECK(clb_level_changes(NULL, &size) == NULL && clb_level_changes(book, NULL) == NULL);
    CHECK(clb_snapshot(NULL, &size) == NULL && size == 0 && clb_snapshot(book, NULL) == NULL);
    CHECK(clb_reserve(NULL, 1, 1) == CLB_NULL);
    CHECK(clb_reserve(book, CLB_ORDERS_MAX + 1, 1) == CLB_ARGUMENT);
    CHECK(clb_reserve(book, 10, 10) == CLB_OK);

    CHECK(clb_config_default(NULL) == CLB_NULL && clb_config_default(&config) == CLB_OK);
    CHECK(clb_create(NULL, &other) == CLB_NULL && clb_create(&config, NULL) == CLB_NULL);
    CHECK(clb_restore(NULL, 1, &config, &other) == CLB_NULL);
    CHECK(clb_restore(room, 1, NULL, &other) == CLB_NULL);
    CHECK(clb_restore(room, 1, &config, NULL) == CLB_NULL);
    CHECK(clb_restore(room, SIZE_MAX, &config, &other) == CLB_ARGUMENT);
    config.self_trade = 5;
    CHECK(clb_create(&config, &other) == CLB_ARGUMENT);
    config.self_trade = 0;
    config.zero[0] = 1;
    CHECK(clb_create(&config, &other) == CLB_ARGUMENT);
    config.zero[0] = 0;
    config.orders = CLB_ORDERS_MAX + 1;
    CHECK(clb_create(&config, &other) == CLB_ARGUMENT);
    config.orders = 0;
    config.events = UINT64_MAX;
    CHECK(clb_create(&config, &other) == CLB_ARGUMENT && other == NULL);
    config.events = 0;
    config.levels = 0;
    CHECK(clb_create(&config, &other) == CLB_OK);
    CHECK(clb_apply(other, &command, &outcome) == 0 && clb_summarize(other, &summary) == CLB_OK);
    CHECK(summary.orders == 1 && summary.growths > 0);
    clb_free(other);
    clb_free(NULL);

    CHECK(strcmp(clb_text(CLB_OK), "ok") == 0);
    CHECK(strcmp(clb_text(CLB_KILLED), clb_text(CLB_NULL)) != 0 && clb_text(99) != NULL);
}

int main(void) {
    orders_rest_and_trade();
    commands_change_resting_orders();
    refused_commands_say_why_and_change_nothing();
    self_trade_prevention_is_the_books_or_the_orders();
    level_changes_are_the_levels_in_the_end();
    many_records_in_one_call();
    wrong_calls_do_nothing();
    clb_free(book);
    printf("%lu checks\n", checks);
    return 0;
}
