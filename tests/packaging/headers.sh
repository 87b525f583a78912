#!/bin/sh
# Each installed header compiles alone, in C and in C++, with warnings as errors.
. "${0%/*}/installed.sh"

status=0
cd "$work"
headers=$(find "$prefix/include" -name '*.h' | sort)
[ -n "$headers" ] || { echo "no header was installed"; exit 1; }
strict='-Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror -fsyntax-only'
for header in $headers; do
    name=${header#"$prefix/include/"}
    for language in 'c -std=c11' 'c -std=c17' 'c++ -std=c++11' 'c++ -std=c++17'; do
        # shellcheck disable=SC2086,SC2046
        echo "#include <$name>" | g++ -x $language $strict $(flags --cflags) - || {
            echo "<$name> does not compile as $language"
            status=1
        }
    done
done
exit $status
