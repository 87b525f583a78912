/* What the operating system says of this process, under the names that all clients of Prometheus
 * use. */
#ifndef ADAPTERS_OBSERVE_PROCESS_H
#define ADAPTERS_OBSERVE_PROCESS_H

#include "wire/buffer.h"

/* Prints process_cpu_seconds_total, process_open_fds, process_resident_memory_bytes,
 * process_start_time_seconds, process_threads; those that can't be read are left out. */
void process_print_metrics(struct buffer *out);

#endif
