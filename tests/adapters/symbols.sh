#!/bin/sh
# No function of the adapters has the name of one in a library that they are linked with: the
# library would call ours in place of its own.
set -eu
ours=$(nm -g --defined-only "$MICROPAY_BUILD/adapters/libmicropay_adapters.a" 2>/dev/null |
    awk 'NF == 3 { print $3 }' | sort -u)
[ "$(echo "$ours" | wc -l)" -gt 100 ] || { echo 'found no symbols of ours'; exit 1; }
status=0
for name in cjson crypto curl event sqlite3; do
    library=$($CC -print-file-name="lib$name.so")
    theirs=$(nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u)
    same=$(printf '%s\n%s\n' "$ours" "$theirs" | sort | uniq -d)
    [ -n "$theirs" ] || { echo "$library has no symbols"; status=1; }
    [ -z "$same" ] || { echo "$library also has: $same"; status=1; }
done
exit $status
