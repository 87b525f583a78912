/* struct health_report, from health.def. */
#ifndef ADAPTERS_RUNTIME_HEALTH_REPORT_H
#define ADAPTERS_RUNTIME_HEALTH_REPORT_H

#define RECORD_FILE "runtime/health.def"
#include "wire/record_struct.h"

#endif
