#include "../services.h"
#include "service.h"

#include "runtime/run.h"

int main(int argc, char **argv)
{
    static const struct service *const services[] = {&payment_service, NULL};
    static const struct program program = {
        .name = "micropay-payment",
        .help = "The payment service: payments, their saga, history, reconciliation.",
        .services = services,
        .all = services_all,
    };

    return program_run(&program, argc, argv);
}
