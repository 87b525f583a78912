#!/bin/sh
# The example of docs/api.md compiles as printed against the installed library, shared and static, and runs.
. "${0%/*}/installed.sh"

page=$MICROPAY_SOURCE/docs/api.md
[ -f "$page" ] || { echo "docs/api.md is missing"; exit 1; }
awk '
    /<!-- example -->/ { marked = 1 }
    /^```/ && inside { exit }
    inside { print }
    /^```c$/ && marked { inside = 1 }
' "$page" >"$work/example.c"
[ -s "$work/example.c" ] || { echo "docs/api.md: no \`\`\`c block behind <!-- example -->"; exit 1; }

cd "$work"
# shellcheck disable=SC2046
$cc -Wall -Wextra -Werror example.c $(flags --cflags --libs) -o shared
# shellcheck disable=SC2046
$cc -static example.c $(flags --static --cflags --libs) -o static

for kind in shared static; do
    mkdir "$kind.run"
    echo "example, $kind:"
    (cd "$kind.run" && LD_LIBRARY_PATH=$libdir "../$kind")
done
