#!/bin/sh
# The public headers give no warning, and every public function and struct is documented.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$MICROPAY_SOURCE"
(cat docs/Doxyfile && echo "OUTPUT_DIRECTORY = $work") | doxygen -

(cat docs/Doxyfile && printf '%s\n' "OUTPUT_DIRECTORY = $work" 'EXTRACT_ALL = NO' 'WARN_AS_ERROR = NO') |
    doxygen - 2>&1 | grep -E '\(function\).*not documented|Compound .* not documented' >"$work/undocumented" || true
cat "$work/undocumented"
[ ! -s "$work/undocumented" ]
