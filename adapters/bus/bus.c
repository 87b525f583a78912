/* The buses that there are. */
#include "bus/bus.h"

#include "bus/bus_embedded.h"

#include <string.h>

static const struct bus_ops *const buses[] = {&bus_embedded, NULL};

enum outcome bus_open(const struct bus_config *config, struct loop *loop, struct bus **out,
                      struct error *err)
{
    size_t length = strcspn(config->url, ":");

    for (unsigned i = 0; buses[i] != NULL; i++)
        if (strlen(buses[i]->scheme) == length && config->url[length] == ':' &&
            strncmp(buses[i]->scheme, config->url, length) == 0)
            return buses[i]->open(config, loop, out, err);
    error_set(err, REASON_BAD_SETTING, "bus_url names no kind of bus that this program has");
    error_hint(err, "Write it as embedded:DIR/bus.db.");
    return err->outcome;
}
