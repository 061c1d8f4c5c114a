/* Runs a command file and prints the line of `corelane book exec`: everything that goes into its
   digests crosses the interface. With "all" behind the file, in calls of 256 records; else one by
   one. */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "corelane_book.h"

#define HEADER_BYTES 64
#define BATCH 256

static uint64_t fnv(uint64_t hash, uint64_t value, int bytes) {
    for (; bytes > 0; bytes--, value >>= 8) {
        hash = (hash ^ (value & 255)) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static const uint64_t start = UINT64_C(0xcbf29ce484222325);
static uint64_t trades, traded_qty, rejects, t, r, l2, l3, level_count, order_count;

static void take_events(const clb_book *book) {
    size_t i, count;
    const clb_event *events = clb_events(book, &count);
    for (i = 0; i < count; i++) {
        const clb_event *event = &events[i];
        if (event->kind == CLB_TRADED) {
            trades++;
            traded_qty += event->qty;
            t = fnv(fnv(t, event->maker, 8), event->id, 8);
            t = fnv(fnv(t, (uint64_t)event->price, 8), event->qty, 8);
        }
    }
}

static void take_outcome(const clb_outcome *outcome) {
    rejects += outcome->code != 0;
    r = fnv(fnv(r, outcome->code, 1), outcome->filled, 8);
    r = fnv(fnv(r, outcome->resting, 8), outcome->cancelled, 8);
}

static void take_book(const clb_book *book) {
    clb_summary summary;
    clb_level *levels;
    clb_order *orders;
    uint8_t side;
    int64_t i, count;

    CHECK(clb_summarize(book, &summary) == CLB_OK);
    level_count = summary.levels;
    order_count = summary.orders;
    levels = (clb_level *)malloc((size_t)(summary.levels + 1) * sizeof *levels);
    orders = (clb_order *)malloc((size_t)(summary.orders + 1) * sizeof *orders);
    CHECK(levels != NULL && orders != NULL);
    for (side = CLB_BUY; side <= CLB_SELL; side++) {
        count = clb_levels(book, side, levels, (size_t)summary.levels);
        CHECK(count >= 0);
        for (i = 0; i < count; i++) {
            l2 = fnv(fnv(l2, levels[i].side, 1), (uint64_t)levels[i].price, 8);
            l2 = fnv(fnv(l2, levels[i].qty, 8), levels[i].orders, 4);
        }
        count = clb_orders(book, side, orders, (size_t)summary.orders);
        CHECK(count >= 0);
        for (i = 0; i < count; i++) {
            l3 = fnv(fnv(l3, orders[i].side, 1), orders[i].id, 8);
            l3 = fnv(fnv(l3, (uint64_t)orders[i].price, 8), orders[i].qty, 8);
            l3 = fnv(l3, orders[i].user, 4);
        }
    }
    free(levels);
    free(orders);
}

int main(int argc, char **argv) {
    static uint8_t records[BATCH * CLB_SHORT_RECORD_BYTES];
    static clb_outcome outcomes[BATCH];
    uint8_t header[HEADER_BYTES];
    uint64_t cmds = 0;
    clb_config config;
    clb_book *book;
    size_t batch, got, i;
    FILE *file;

    CHECK(argc >= 2);
    batch = argc > 2 && strcmp(argv[2], "all") == 0 ? BATCH : 1;
    file = fopen(argv[1], "rb");
    CHECK(file != NULL);
    CHECK(fread(header, HEADER_BYTES, 1, file) == 1 && memcmp(header, "MECMD01", 8) == 0);
    CHECK(clb_config_default(&config) == CLB_OK);
    config.self_trade = header[32];
    CHECK(clb_create(&config, &book) == CLB_OK);

    t = r = l2 = l3 = start;
    while ((got = fread(records, CLB_SHORT_RECORD_BYTES, batch, file)) > 0) {
        if (batch == 1) {
            CHECK(clb_apply_short(book, records, outcomes) == outcomes[0].code);
        } else {
            CHECK(clb_apply_all(book, records, CLB_SHORT_RECORD_BYTES, got, outcomes) == CLB_OK);
        }
        for (i = 0; i < got; i++) {
            take_outcome(&outcomes[i]);
        }
        take_events(book);
        cmds += got;
    }
    fclose(file);
    take_book(book);
    CHECK(clb_check(book) == CLB_OK);
    clb_free(book);
    printf("{\"cmds\":%" PRIu64 ",\"trades\":%" PRIu64 ",\"traded_qty\":%" PRIu64, cmds, trades,
           traded_qty);
    printf(",\"rejects\":%" PRIu64 ",\"T\":\"%016" PRIx64 "\",\"R\":\"%016" PRIx64, rejects, t, r);
    printf("\",\"L2\":\"%016" PRIx64 "\",\"L3\":\"%016" PRIx64, l2, l3);
    printf("\",\"levels\":%" PRIu64 ",\"orders\":%" PRIu64 "}\n", level_count, order_count);
    return 0;
}
