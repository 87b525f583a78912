#!/bin/sh
# The installed shared library needs liburing and libc, and nothing else.
. "${0%/*}/installed.sh"

status=0
listed=$(ldd "$libdir/libmicropay.so")
echo "$listed"
for library in $(echo "$listed" | awk '{ print $1 }'); do
    case ${library##*/} in
        liburing.so.* | libc.so.* | linux-vdso.so.* | ld-linux*.so.*) ;;
        *)
            echo "needs $library"
            status=1
            ;;
    esac
done
for wanted in liburing.so libc.so; do
    case $listed in
        *"$wanted"*) ;;
        *)
            echo "does not need $wanted"
            status=1
            ;;
    esac
done
exit $status
