/*
 * The outbox: events that are durable with their change and not yet known to be on the bus.
 *
 * How it works, in ten lines. An event's key belongs to one of 16 lanes for ever. What a turn adds
 * to a lane is one row of the outbox table, whatever the number of events, written with the turn.
 * After the commit the lane's relay numbers the events in order (`sequence`), says of each which
 * one of the lane came before it in the same partition (`prev`), and publishes them. Rows whose
 * events are all confirmed, and all rows before them too, are deleted by the next turn, together
 * with one row for the lane that keeps the last sequence and the last one of each partition. So
 * after a crash the rows that are left get the very same numbers again, and readers know what they
 * have. Committed rows are also kept in memory until they are confirmed, up to a bound; beyond it
 * they are read back from the table when their turn comes.
 *
 * outbox.c is the side of the turn, relay.c that of the loop and the bus, outbox_check.c finds out
 * at the start whether the database was restored, outbox_row.c is the form of a row.
 */
#ifndef ADAPTERS_STORE_OUTBOX_H
#define ADAPTERS_STORE_OUTBOX_H

#include "bus/events.h"
#include "store/turn_internal.h"

enum {
    OUTBOX_MEMORY_MAX = 4 << 20, /* bytes that committed rows may take */
    OUTBOX_READ_ROWS = 16,       /* read back at once for a lane */
    OUTBOX_READ_BYTES = 256 << 10,
    OUTBOX_AT_BUS_MAX = 256, /* events of a lane at the bus at once, but for a single row */
    INCARNATION_TEXT = 32,
};

struct outbox_check;
struct outbox_row;
struct lane;

/* One event of a row. */
struct outbox_event {
    struct bus_record record; /* the bus has it while its value isn't NULL and it isn't confirmed */
    struct outbox_row *row;
    struct event *event; /* NULL if the row was read back */
    const char *body;    /* in row->bytes */
    uint32_t length;
    uint32_t tail; /* of the lane: topic and partition */
    uint64_t sequence;
};

/* What a piece has added to the turn under way. */
struct outbox_added {
    unsigned lane;
    struct event *event;
    size_t at, length; /* of its body, in outbox->bodies */
};

/* What one turn added to one lane. */
struct outbox_row {
    struct outbox_row *next;
    struct lane *lane;
    int64_t number;
    uint64_t written_ns;
    uint64_t taken_ns; /* of loop_elapsed_ns(): since when it is to be sent */
    char *bytes;       /* as stored */
    size_t size;
    size_t memory; /* that all of it takes */
    unsigned count, unconfirmed;
    struct outbox_event events[];
};

/* The last sequences of a lane in one partition of a topic: of what was sent, and of what is
 * confirmed without a gap. */
struct tail {
    const struct topic *topic;
    unsigned partition;
    uint64_t sent, confirmed;
};

struct lane {
    struct outbox *outbox;
    unsigned index;
    char source[SOURCE_MAX + 1];
    struct outbox_row *first, *last; /* in memory, not yet confirmed */
    struct outbox_row *unsent;       /* the first of them that the bus was not given */
    unsigned at_bus;                 /* events that the bus has */
    bool failed;                     /* it gave one back: all are sent again */
    int64_t newest;                  /* numbers of rows: the last committed one, */
    int64_t loaded;                  /* the last that came into memory, */
    int64_t confirmed;               /* the last that is on the bus with all before it, */
    int64_t deleted;                 /* the same, known to the database */
    uint64_t sequence_sent, sequence_confirmed;
    struct tail *tails;
    unsigned tail_count;
};

/* What a turn writes about a lane that has come further. */
struct lane_step {
    unsigned lane;
    int64_t number;
    uint64_t sequence;
    struct buffer tails;
};

/* Rows of a lane that are read back from the table. */
struct lane_read {
    struct lane *lane;
    bool asked; /* the lane waits for them */
    bool taken; /* this turn reads them */
    bool damaged;
    int64_t after; /* those behind this number */
    size_t bytes;
    struct outbox_row *first, *last;
};

struct outbox {
    struct turns *turns;
    char service[32]; /* "payment" */
    uint8_t incarnation[16];
    struct lane lanes[OUTBOX_LANES];

    /* the turn's side */
    int64_t newest[OUTBOX_LANES]; /* numbers given, those of the turn under way among them */
    struct outbox_added *added;   /* by the pieces of this turn */
    unsigned added_count, added_room;
    struct buffer bodies;
    struct outbox_row *written;           /* rows of this turn */
    struct lane_step steps[OUTBOX_LANES]; /* what this turn writes about lanes */
    unsigned step_count;
    bool redraws; /* this turn writes a new incarnation */
    struct lane_read reads[OUTBOX_LANES];

    /* the loop's side */
    bool open;     /* the check is done: lanes send */
    bool redraw;   /* the incarnation is new and not yet stored */
    size_t memory; /* bytes of rows in memory */
    unsigned at_bus;
    struct work reading;
    bool reading_waits;
    struct loop_timer retry; /* sends again what the bus gave back */
    bool retry_waits;
    unsigned failures;                       /* of the bus, in a row */
    uint64_t waiting_at_start[OUTBOX_LANES]; /* events that an earlier life left */
    struct outbox_check *check;
};

/* --- outbox_row.c --- */

/* Adds the stored form of an event to the bytes of a row. */
void outbox_row_add(struct buffer *bytes, const struct topic *topic, struct uuid key,
                    const char *body, size_t length);
/* Makes a row of its bytes, which it takes over; NULL if they aren't `count` events. */
struct outbox_row *outbox_row_make(char *bytes, size_t size, unsigned count);
void outbox_row_free(struct outbox_row *row); /* NULL is allowed */

/* --- outbox_load.c --- */

/* Reads all that an earlier life left; *drawn = there is an incarnation. */
enum outcome outbox_load_start(struct outbox *outbox, bool *drawn, struct error *err) MUST_USE;
/* Asks for rows of a lane that aren't in memory. */
void outbox_read(struct lane *lane);
/* What was asked for is read by the turn that starts. */
void outbox_start_reading(struct outbox *outbox);
void outbox_load_free(struct outbox *outbox);

/* --- relay.c --- */

void relay_set_up(struct outbox *outbox);
/* A committed row comes to its lane, or stays in the table alone if memory is full. */
void relay_take(struct outbox *outbox, struct outbox_row *row);
/* So do rows that were read back; takes them out of `read`. */
void relay_take_read(struct lane_read *read);
/* Sends what can be sent; has read back what isn't in memory. */
void relay_send_all(struct outbox *outbox);
/* The lane is as if nothing behind what is confirmed had been sent. */
void relay_rewind(struct lane *lane);
/* Starts the numbers of all lanes anew, in the name of another incarnation. */
void relay_renumber(struct outbox *outbox);
void relay_name_sources(struct outbox *outbox);
/* How far the lane is in each partition, as it is stored. False if the text makes no sense. */
bool relay_read_tails(struct lane *lane, const char *text, size_t length);
void relay_print_tails(const struct lane *lane, struct buffer *out);
/* Frees what lanes have in memory; nothing may be at the bus. */
void relay_free(struct outbox *outbox);

/* --- outbox_check.c --- */

struct outbox_check *outbox_check_make(struct outbox *outbox);
/* Reads the newest records of the service's topics; then opens the outbox, with a new incarnation
 * if the bus has more of this one than the database knows of. */
void outbox_check_start(struct outbox_check *check);
void outbox_check_stop(struct outbox_check *check);
void outbox_check_free(struct outbox_check *check);

#endif
