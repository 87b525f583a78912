#include "../services.h"
#include "service.h"

#include "runtime/run.h"

int main(int argc, char **argv)
{
    static const struct service *const services[] = {&account_service, NULL};
    static const struct program program = {
        .name = "micropay-account",
        .help = "The account service: wallets, their limits, freeze and close, statements.",
        .services = services,
        .all = services_all,
    };

    return program_run(&program, argc, argv);
}
