#!/bin/sh
# Both libraries define mp_* and no other global name; the shared one has its soname and links.
. "${0%/*}/installed.sh"

status=0
foreign()
{
    # "name type value size" of every global definition in nm's POSIX format
    nm "$@" --format=posix --defined-only --extern-only | awk 'NF > 1 && $1 !~ /^mp_/ { print "  " $1 }'
}

for library in "$libdir/libmicropay.a" "$libdir/libmicropay.so"; do
    case $library in *.so) dynamic=--dynamic ;; *) dynamic= ;; esac
    # shellcheck disable=SC2086
    names=$(foreign $dynamic "$library")
    if [ -n "$names" ]; then
        printf '%s exports what is not mp_*:\n%s\n' "${library##*/}" "$names"
        status=1
    fi
done

soname=$(readelf -d "$libdir/libmicropay.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
if [ "$soname" != libmicropay.so.0 ] || [ ! -e "$libdir/$soname" ]; then
    echo "soname is '$soname', not an installed libmicropay.so.0"
    status=1
fi
exit $status
