/* Terms and phases: iceberg, stop, expiry, auction; and a snapshot of all of it. */
#include <string.h>

#include "check.h"
#include "corelane_book.h"

static clb_book *book;
static clb_outcome outcome;
static const clb_event *events;
static size_t count;

static int32_t apply(clb_command command) {
    int32_t code = clb_apply(book, &command, &outcome);
    events = clb_events(book, &count);
    CHECK(code == outcome.code && count == outcome.events);
    CHECK(clb_check(book) == CLB_OK);
    return code;
}

static clb_command limit(uint64_t id, uint32_t user, uint8_t side, int64_t price, uint64_t qty) {
    clb_command command = {
        .op = CLB_NEW, .side = side, .user = user, .id = id, .price = price, .qty = qty};
    return command;
}

static void open_book(void) {
    clb_config config;
    CHECK(clb_config_default(&config) == CLB_OK);
    clb_free(book);
    CHECK(clb_create(&config, &book) == CLB_OK);
}

static void an_iceberg_shows_a_slice_at_a_time(void) {
    clb_command iceberg = limit(1, 7, CLB_SELL, 100, 10);
    clb_level level;
    clb_order orders[3];
    clb_terms terms;

    open_book();
    iceberg.flags = CLB_HAS_DISPLAY;
    iceberg.display = 3;
    CHECK(apply(iceberg) == 0 && outcome.resting == 10);
    CHECK(events[1].kind == CLB_RESTED && events[1].qty == 3 && events[1].hidden == 7);
    CHECK(events[1].open == 10);
    CHECK(apply(limit(2, 8, CLB_SELL, 100, 4)) == 0);
    CHECK(clb_best(book, CLB_SELL, &level) == 1 && level.qty == 7 && level.orders == 2);
    CHECK(clb_find(book, 1, &orders[0], &terms) == 1);
    CHECK(orders[0].qty == 3 && orders[0].hidden == 7 && orders[0].state == CLB_RESTING);
    CHECK(terms.given == CLB_HAS_DISPLAY && terms.display == 3);

    /* Its slice is used up: the next one joins the end of the level, behind order 2. */
    CHECK(apply(limit(3, 9, CLB_BUY, 100, 3)) == 0 && outcome.filled == 3 && count == 3);
    CHECK(events[1].kind == CLB_TRADED && events[1].maker == 1 && events[1].maker_open == 7);
    CHECK(events[2].kind == CLB_REFRESHED && events[2].id == 1 && events[2].qty == 3);
    CHECK(events[2].hidden == 4 && events[2].open == 7);
    CHECK(clb_orders(book, CLB_SELL, orders, 3) == 2 && orders[0].id == 2 && orders[1].id == 1);
}

static void a_stop_waits_for_its_trigger(void) {
    clb_command stop = limit(10, 7, CLB_BUY, 105, 2);
    clb_order order;
    clb_terms terms;
    clb_summary summary;

    open_book();
    stop.flags = CLB_HAS_STOP;
    stop.stop = 101;
    CHECK(apply(stop) == 0 && outcome.resting == 2);
    CHECK(events[1].kind == CLB_WAITING && events[1].id == 10 && events[1].price == 101);
    CHECK(clb_waiting(book, CLB_BUY, &order, 1) == 1);
    CHECK(order.id == 10 && order.state == CLB_WAITING_STOP && order.price == 101);
    CHECK(clb_find(book, 10, &order, &terms) == 1 && terms.stop == 101);
    CHECK(terms.given == CLB_HAS_STOP && clb_orders(book, CLB_BUY, &order, 1) == 0);

    CHECK(apply(limit(1, 8, CLB_SELL, 101, 1)) == 0);
    CHECK(apply(limit(2, 8, CLB_SELL, 102, 5)) == 0);
    /* The trade at 101 triggers it; it takes 2 at 102 in the same command. */
    CHECK(apply(limit(3, 9, CLB_BUY, 101, 1)) == 0 && outcome.filled == 1 && count == 4);
    CHECK(events[2].kind == CLB_TRIGGERED && events[2].id == 10);
    CHECK(events[3].kind == CLB_TRADED && events[3].id == 10 && events[3].price == 102);
    CHECK(clb_waiting(book, CLB_BUY, &order, 1) == 0);
    CHECK(clb_summarize(book, &summary) == CLB_OK && summary.last_trade == 102);
}

static void an_order_expires_when_it_is_told(void) {
    clb_command order = limit(1, 7, CLB_BUY, 100, 2);
    clb_command expire = {.op = CLB_EXPIRE, .expires = 49};
    clb_summary summary;

    open_book();
    order.flags = CLB_HAS_EXPIRY;
    order.expires = 50;
    CHECK(apply(order) == 0);
    CHECK(apply(expire) == 0 && outcome.cancelled == 0);
    expire.expires = 50;
    CHECK(apply(expire) == 0 && outcome.cancelled == 2);
    CHECK(events[1].kind == CLB_CANCELLED && events[1].code == CLB_CUT_EXPIRED);
    CHECK(clb_summarize(book, &summary) == CLB_OK && summary.now == 50 && summary.orders == 0);
    CHECK(apply(order) == CLB_EXPIRY_PASSED);
}

static void an_auction_trades_at_one_price(void) {
    clb_command auction = {.op = CLB_SET_PHASE, .phase = CLB_AUCTION};
    clb_command uncross = {.op = CLB_UNCROSS, .phase = CLB_CONTINUOUS};
    clb_command market = {.op = CLB_NEW, .side = CLB_BUY, .flags = CLB_MARKET, .id = 4, .qty = 2};
    clb_indicative indicative;
    clb_order order;

    open_book();
    CHECK(apply(uncross) == CLB_WRONG_PHASE);
    CHECK(apply(auction) == 0 && events[1].kind == CLB_PHASE_SET);
    CHECK(events[1].code == CLB_AUCTION && events[1].given == 0);
    CHECK(clb_indicate(book, &indicative) == 0);
    CHECK(apply(limit(1, 7, CLB_BUY, 102, 5)) == 0);
    CHECK(apply(limit(2, 8, CLB_SELL, 100, 3)) == 0);
    CHECK(apply(limit(3, 8, CLB_SELL, 101, 3)) == 0);
    CHECK(apply(market) == 0 && outcome.resting == 2);
    CHECK(events[1].kind == CLB_WAITING && (events[1].given & CLB_GIVEN_PRICE) == 0);
    CHECK(clb_waiting(book, CLB_BUY, &order, 1) == 1 && order.state == CLB_WAITING_MARKET);

    /* Seven want to buy, six to sell, at 101 and at 102; the surplus is of buyers: the higher. */
    CHECK(clb_indicate(book, &indicative) == 1 && indicative.price == 102);
    CHECK(indicative.volume == 6 && indicative.surplus == 1);
    CHECK(indicative.surplus_side == CLB_BUY);

    CHECK(apply(uncross) == 0 && outcome.filled == 6 && outcome.cancelled == 0);
    CHECK(events[1].kind == CLB_UNCROSSED && events[1].price == 102 && events[1].qty == 6);
    CHECK(events[2].kind == CLB_TRADED && events[2].id == 4 && events[2].maker == 2);
    CHECK(events[2].price == 102 && events[2].qty == 2);
    CHECK(events[count - 1].kind == CLB_PHASE_SET && events[count - 1].code == CLB_CONTINUOUS);
    CHECK(clb_find(book, 1, &order, &(clb_terms){0}) == 1 && order.qty == 1);
}

static void a_snapshot_is_the_book_again(void) {
    clb_config config;
    clb_command iceberg = limit(1, 7, CLB_SELL, 100, 10);
    clb_command stop = limit(2, 7, CLB_BUY, 105, 2);
    clb_book *copy = NULL;
    const uint8_t *bytes;
    uint8_t *damaged;
    uint64_t hash, again;
    size_t size, size_again;

    open_book();
    iceberg.flags = CLB_HAS_DISPLAY | CLB_HAS_EXPIRY;
    iceberg.display = 3;
    iceberg.expires = 99;
    stop.flags = CLB_HAS_STOP;
    stop.stop = 101;
    CHECK(apply(iceberg) == 0 && apply(stop) == 0);
    CHECK(apply(limit(3, 8, CLB_BUY, 100, 4)) == 0);
    CHECK(clb_state_hash(book, &hash) == CLB_OK);
    bytes = clb_snapshot(book, &size);
    CHECK(bytes != NULL && size > 0);

    CHECK(clb_config_default(&config) == CLB_OK);
    CHECK(clb_restore(bytes, size, &config, &copy) == CLB_OK && clb_check(copy) == CLB_OK);
    CHECK(clb_state_hash(copy, &again) == CLB_OK && hash == again);
    CHECK(memcmp(bytes, clb_snapshot(copy, &size_again), size) == 0 && size == size_again);

    /* Both go on alike. */
    CHECK(apply(limit(4, 8, CLB_BUY, 101, 5)) == 0);
    clb_free(book);
    book = copy;
    copy = NULL;
    CHECK(apply(limit(4, 8, CLB_BUY, 101, 5)) == 0 && outcome.filled == 5);

    CHECK((bytes = clb_snapshot(book, &size)) != NULL);
    damaged = (uint8_t *)malloc(size);
    CHECK(damaged != NULL);
    memcpy(damaged, bytes, size);
    damaged[size / 2] ^= 64;
    CHECK(clb_restore(damaged, size, &config, &copy) == CLB_SNAPSHOT && copy == NULL);
    CHECK(clb_restore(damaged, 0, &config, &copy) == CLB_SNAPSHOT);
    free(damaged);
}

int main(void) {
    an_iceberg_shows_a_slice_at_a_time();
    a_stop_waits_for_its_trigger();
    an_order_expires_when_it_is_told();
    an_auction_trades_at_one_price();
    a_snapshot_is_the_book_again();
    clb_free(book);
    printf("%lu checks\n", checks);
    return 0;
}
