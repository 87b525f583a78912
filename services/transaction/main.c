#include "../services.h"
#include "service.h"

#include "runtime/run.h"

int main(int argc, char **argv)
{
    static const struct service *const services[] = {&transaction_service, NULL};
    static const struct program program = {
        .name = "micropay-transaction",
        .help = "The transaction service: the ledger's writer, bulk transfers, the journal.",
        .services = services,
        .all = services_all,
    };

    return program_run(&program, argc, argv);
}
