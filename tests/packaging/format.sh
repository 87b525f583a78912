#!/bin/sh
# The code is laid out as clang-format does it.
exec "$MICROPAY_SOURCE/dev" fmt --check
