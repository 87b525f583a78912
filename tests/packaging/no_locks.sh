#!/bin/sh
# No object of ledger/ knows a mutex, a reader-writer lock, a condition variable, a semaphore or a spin lock.
set -eu

archive=$MICROPAY_BUILD/ledger/libmicropay_internal.a
nm "$archive" >/dev/null # fails if it is missing or unreadable
locks=$(nm --print-file-name "$archive" |
    grep -E ' (pthread_(mutex|rwlock|cond|spin|barrier)_|mtx_|cnd_|sem_(init|open|wait|timedwait|post))' || true)
if [ -n "$locks" ]; then
    echo "locks in ledger/:"
    echo "$locks"
    exit 1
fi
