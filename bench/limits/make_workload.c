/*
 * make_workload: writes a workload file (workload_format.h) of random transfers.
 *
 * The same options give the same bytes on every machine. Shares no code with the engine.
 */
#include "workload_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: make_workload FILE [--transfers N] [--accounts N] [--seed N] [--ascending]\n"
    "\n"
    "Writes N transfers between uniformly drawn, different accounts with random 128-bit ids.\n"
    "  --transfers N  number of transfers (default 8190000: 1000 batches of 8190)\n"
    "  --accounts N   number of accounts, at least 2 (default 10000)\n"
    "  --seed N       seed of the generator (default 1)\n"
    "  --ascending    transfer ids count up instead of being random\n";

enum { CHUNK_TRANSFERS = 4096, LEDGER = 1, CODE = 1, AMOUNT_MAX = 9999 };

struct options {
    const char *path;
    uint64_t transfers;
    uint64_t accounts;
    uint64_t seed;
    bool ascending;
};

struct generator {
    uint64_t state;
};

static struct options parse_options(int argc, char **argv);
static struct workload_id *draw_accounts(struct generator *random, uint64_t count);
static void write_padded(FILE *out, const void *data, size_t size);
static void write_transfers(FILE *out, struct generator *random, const struct options *options,
                            const struct workload_id *accounts);
_Noreturn static void die(const char *what);

int main(int argc, char **argv)
{
    const struct options options = parse_options(argc, argv);
    struct generator random = {.state = options.seed};
    struct workload_id *accounts = draw_accounts(&random, options.accounts);
    const uint64_t accounts_size = options.accounts * sizeof *accounts;
    const struct workload_header header = {
        .magic = WORKLOAD_MAGIC,
        .transfer_count = options.transfers,
        .account_count = options.accounts,
        .seed = options.seed,
        .accounts_offset = WORKLOAD_ALIGN,
        .transfers_offset =
            WORKLOAD_ALIGN + (accounts_size + WORKLOAD_ALIGN - 1) / WORKLOAD_ALIGN * WORKLOAD_ALIGN,
        .id_order = options.ascending ? WORKLOAD_IDS_ASCENDING : WORKLOAD_IDS_RANDOM,
        .ledger = LEDGER,
        .code = CODE,
    };
    FILE *out = fopen(options.path, "wb");

    if (out == NULL) {
        die(options.path);
    }
    write_padded(out, &header, sizeof header);
    write_padded(out, accounts, accounts_size);
    write_transfers(out, &random, &options, accounts);
    if (fclose(out) != 0) {
        die(options.path);
    }
    free(accounts);
    return EXIT_SUCCESS;
}

/* SplitMix64: a bijection of a counter, so one seed gives one sequence everywhere. */
static uint64_t draw(struct generator *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [0, bound) but for a bias of bound / 2^32. */
static uint64_t draw_below(struct generator *random, uint64_t bound)
{
    return ((draw(random) >> 32) * bound) >> 32;
}

/* 128 random bits; the outputs of SplitMix64 don't repeat, so neither do the ids. */
static struct workload_id draw_id(struct generator *random)
{
    struct workload_id id;

    do {
        id.lo = draw(random);
        id.hi = draw(random);
    } while (id.lo == 0 || id.lo == UINT64_MAX);
    return id;
}

static struct workload_id *draw_accounts(struct generator *random, uint64_t count)
{
    struct workload_id *accounts = calloc(count, sizeof *accounts);

    if (accounts == NULL) {
        die("accounts");
    }
    for (uint64_t i = 0; i < count; i++) {
        accounts[i] = draw_id(random);
    }
    return accounts;
}

static void write_padded(FILE *out, const void *data, size_t size)
{
    static const uint8_t zeros[WORKLOAD_ALIGN];
    const size_t padding = (size_t)(-size % WORKLOAD_ALIGN);

    if (fwrite(data, 1, size, out) != size || fwrite(zeros, 1, padding, out) != padding) {
        die("write");
    }
}

static void write_transfers(FILE *out, struct generator *random, const struct options *options,
                            const struct workload_id *accounts)
{
    static struct workload_transfer chunk[CHUNK_TRANSFERS];
    struct workload_id next = draw_id(random);

    next.lo = 1; /* far from wrapping */
    for (uint64_t done = 0; done < options->transfers;) {
        const uint64_t left = options->transfers - done;
        const size_t count = left < CHUNK_TRANSFERS ? (size_t)left : CHUNK_TRANSFERS;

        for (size_t i = 0; i < count; i++) {
            const uint64_t debit = draw_below(random, options->accounts);
            const uint64_t step = 1 + draw_below(random, options->accounts - 1);

            chunk[i] = (struct workload_transfer){
                .id = options->ascending ? next : draw_id(random),
                .debit_account_id = accounts[debit],
                .credit_account_id = accounts[(debit + step) % options->accounts],
                .amount.lo = 1 + draw_below(random, AMOUNT_MAX),
                .user_data_64 = draw(random),
                .user_data_32 = (uint32_t)draw(random),
                .ledger = LEDGER,
                .code = CODE,
            };
            next.lo++;
        }
        if (fwrite(chunk, sizeof chunk[0], count, out) != count) {
            die("write");
        }
        done += count;
    }
}

static uint64_t parse_number(const char *text)
{
    char *end = NULL;

    errno = 0;
    const uint64_t value = strtoull(text == NULL ? "" : text, &end, 10);

    if (errno != 0 || text == NULL || end == text || *end != '\0' || *text == '-') {
        fputs(usage, stderr);
        exit(2);
    }
    return value;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.transfers = 8190000, .accounts = 10000, .seed = 1};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--transfers") == 0) {
            options.transfers = parse_number(argv[++i]);
        } else if (strcmp(argv[i], "--accounts") == 0) {
            options.accounts = parse_number(argv[++i]);
        } else if (strcmp(argv[i], "--seed") == 0) {
            options.seed = parse_number(argv[++i]);
        } else if (strcmp(argv[i], "--ascending") == 0) {
            options.ascending = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        } else if (argv[i][0] != '-' && options.path == NULL) {
            options.path = argv[i];
        } else {
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (options.path == NULL || options.accounts < 2 || options.accounts > UINT32_MAX ||
        options.transfers == 0) {
        fputs(usage, stderr);
        exit(2);
    }
    return options;
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "make_workload: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}
