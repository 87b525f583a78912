/* micropay up: the whole platform in one process. It reads its command line itself, as the binaries
 * of single services do. */
#include "command.h"

#include "../services.h"
#include "runtime/run.h"

int program_up(int argc, char **argv)
{
    static const struct program program = {
        .name = "micropay up",
        .help = "Starts the whole platform in one process, on embedded parts: no Kafka, no\n"
                "PostgreSQL, no Redis. Shows what runs where, and a test key.",
        .services = services_all,
        .all = services_all,
        .test_key = true,
    };

    return program_run(&program, argc, argv);
}
