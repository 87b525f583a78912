/* A writer's port for tests. */
#include "ledger/writer.h"

#include "support/must.h"

static void open_writer(struct writer *writer)
{
    mp_options options = {
        .flags = MP_OPEN_MANUAL, .memory_max = 64 << 20, .env = sim_env(writer->sim)};
    struct error err = {0};

    MUST(mp_open("ledger", &options, &writer->ledger) == MP_OK);
    MUST(ledger_port_open(writer->loop, writer->ledger, &writer->port, &err) == OUTCOME_DONE);
}

void writer_make(struct writer *writer)
{
    mp_options options = {.flags = MP_OPEN_MANUAL, .memory_max = 64 << 20};

    writer->sim = sim_make(1);
    writer->loop = test_loop_make(NULL);
    options.env = sim_env(writer->sim);
    MUST(mp_init("ledger", &options) == MP_OK);
    open_writer(writer);
}

static void close_writer(struct writer *writer)
{
    if (writer->port != NULL) ledger_port_close(writer->port);
    mp_close(writer->ledger);
}

void writer_free(struct writer *writer)
{
    close_writer(writer);
    test_loop_free(writer->loop);
    sim_free(writer->sim);
}

void writer_reopen(struct writer *writer)
{
    close_writer(writer);
    test_loop_forget(writer->loop);
    open_writer(writer);
}

void writer_run(struct writer *writer)
{
    bool worked = true, more;

    while (worked) {
        worked = test_loop_run(writer->loop) > 0;
        if (mp_step(writer->ledger, &more) != MP_OK) more = false;
        worked |= more;
        worked |= ledger_port_drive(writer->port);
    }
}

void writer_pass(struct writer *writer, uint64_t ns)
{
    sim_pass(writer->sim, ns);
    test_loop_pass(writer->loop, ns);
    writer_run(writer);
}

void writer_accounts(struct writer *writer, unsigned count)
{
    mp_account accounts[64] = {{0}};
    mp_result results[64];

    MUST(count <= 64);
    for (unsigned i = 0; i < count; i++)
        accounts[i] = (mp_account){.id = i + 1, .ledger = 7, .code = ACCOUNT_CODE_WALLET};
    MUST(mp_create_accounts(writer->ledger, accounts, count, results) == MP_OK);
}
