#!/bin/sh
# Makes a static library of one object in which hidden names are local.
# Usage: localize.sh LD OBJCOPY AR INPUT.a OUTPUT.a
set -eu
ld=$1 objcopy=$2 ar=$3 input=$4 output=$5
object=$output.o

"$ld" -r --whole-archive "$input" -o "$object"
"$objcopy" --localize-hidden "$object"
rm -f "$output"
"$ar" rcsD "$output" "$object"
rm "$object"
