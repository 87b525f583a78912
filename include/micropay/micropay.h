/**
 * @file micropay.h
 * libmicropay: a durable, deterministic, double-entry ledger with balance reservations. Include
 * this one.
 *
 * @code
 *     cc example.c $(pkg-config --cflags --libs micropay)
 * @endcode
 */
#ifndef MICROPAY_MICROPAY_H
#define MICROPAY_MICROPAY_H

#include <micropay/env.h>
#include <micropay/ledger.h>
#include <micropay/query.h>
#include <micropay/status.h>
#include <micropay/types.h>

#endif
