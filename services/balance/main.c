#include "../services.h"
#include "service.h"

#include "runtime/run.h"

int main(int argc, char **argv)
{
    static const struct service *const services[] = {&balance_service, NULL};
    static const struct program program = {
        .name = "micropay-balance",
        .help = "The balance service: balances now and then, their history, reservations.",
        .services = services,
        .all = services_all,
    };

    return program_run(&program, argc, argv);
}
