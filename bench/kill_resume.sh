#!/bin/bash
# ./dev bench kill [OPTION...]: a bank's books imported again and again, killed each time, until they
# are whole; then they must be the books of an undisturbed import.
#
#   --movements N  size of the made-up bank (default 10000000)
#   --kills N      imports killed with SIGKILL (default 100)
#   --accounts N   customers (default: a movement in a thousand, at least 100)
#   --seed N       of the bank, and of the instants (default 1)
#   --live         movements without dates: they are stamped by the clock
#   --dir DIR      where the ledgers are made (default build/bench/kill); what lies in it is removed
#   --keep         leaves the ledgers there
#
# The instants are random places of the file, in rising order: an import is killed some milliseconds
# after it has read that far, so that each comes further than the last. Every tenth is killed at a
# random moment of its first 200 ms, which is while it opens the ledger or goes through what is booked.
#
# "The same" means: the dumps of both ledgers agree in every field but those that say where a block
# begins (position, block_position, block_time, block_pages) and, with --live, the times.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

movements=10000000 kills=100 accounts='' seed=1 live='' dir=build/bench/kill keep=''
micropay=${MICROPAY:-${MICROPAY_BUILD:-build/release}/services/micropay/micropay}

die() { printf 'kill_resume: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,/^set/{/^#/!d;s/^# \?//;p}' "$0"; exit "$1"; }

while [ $# -gt 0 ]; do
    case $1 in
        --movements) movements=${2:?}; shift ;;
        --kills) kills=${2:?}; shift ;;
        --accounts) accounts=${2:?}; shift ;;
        --seed) seed=${2:?}; shift ;;
        --dir) dir=${2:?}; shift ;;
        --live) live=--live ;;
        --keep) keep=1 ;;
        --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift
done
[ -x "$micropay" ] || die "there is no $micropay: build it first"
: "${accounts:=$((movements / 1000 > 100 ? movements / 1000 : 100))}"

mkdir -p "$dir"
csv=$dir/bank.csv whole=$dir/whole killed=$dir/killed report=$dir/report.json
pid=''

# Ends the import that this script started, if one is left; removes what was made
finish() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    [ -n "$keep" ] || rm -rf "$csv" "$whole" "$killed"
}
trap finish EXIT
rm -rf "$csv" "$whole" "$killed"

# import LEDGER: in the background; standard input is the file, so that its offset can be seen
import() {
    "$micropay" import "$1" - --create-accounts <"$csv" >"$dir/import.log" 2>&1 &
    pid=$!
}

# Waits for the import; sets $status
await() {
    status=0
    wait "$pid" 2>/dev/null || status=$?
    pid=''
}

# Where the import has read up to; empty when it has ended
offset() {
    at=''
    { read -r _ at <"/proc/$pid/fdinfo/0"; } 2>/dev/null || true
}

now_ms() { local now=${EPOCHREALTIME/./}; echo $((now / 1000)); }

# 30 random bits
random() { RANDOM30=$((RANDOM << 15 | RANDOM)); }

echo "a bank of $movements movements and $accounts customers, $kills kills, seed $seed"
"$micropay" generate --movements "$movements" --accounts "$accounts" --seed "$seed" \
    --reservations $live --output "$csv"
size=$(stat -c %s "$csv")

start=$(now_ms)
"$micropay" init "$whole" >/dev/null
import "$whole"
await
[ "$status" = 0 ] || { cat "$dir/import.log" >&2; die "the undisturbed import ended with $status"; }
undisturbed=$(($(now_ms) - start))
echo "undisturbed: $undisturbed ms"

# Places of the file, rising, below 98 % of it
RANDOM=$seed
last=$((size * 98 / 100))
places=$(for ((i = 0; i < kills; i++)); do
    random
    echo $((last * (RANDOM30 >> 10) >> 20))
done | sort -n)

"$micropay" init "$killed" >/dev/null
number=0 early=0 start=$(now_ms)
for place in $places; do
    number=$((number + 1))
    import "$killed"
    if [ $((number % 10)) = 0 ]; then
        sleep "0.$((100 + RANDOM % 100))" # 100 to 199 ms: opening takes some of it
    else
        offset
        while [ -n "$at" ] && [ "$at" -lt "$place" ]; do
            sleep 0.002
            offset
        done
        sleep "0.00$((RANDOM % 10))"
    fi
    kill -KILL "$pid" 2>/dev/null || true
    await
    case $status in
        137) ;;
        0) early=$((early + 1)) ;; # it was through before
        *) cat "$dir/import.log" >&2; die "import $number ended with $status" ;;
    esac
    [ ! -t 1 ] || printf '\r%d of %d killed' "$((number - early))" "$kills"
done
[ ! -t 1 ] || printf '\r\033[K'

import "$killed"
await
[ "$status" = 0 ] || { cat "$dir/import.log" >&2; die "the last import ended with $status"; }
echo "$((number - early)) killed and resumed: $(($(now_ms) - start)) ms"

"$micropay" verify "$killed" >"$dir/verify.log" 2>&1 || { cat "$dir/verify.log" >&2; die 'verify failed'; }
echo 'verify: clean'

# books LEDGER: its dump without what may differ; a dump that fails is like no other
books() {
    local times=''
    [ -z "$live" ] || times='|timestamp'
    { "$micropay" dump "$1" || echo "the dump of $1 failed"; } |
        sed -E "s/\"(position|block_position|block_time|block_pages$times)\":(\"[0-9]*\"|[0-9]+),?//g"
}

if ! difference=$(cmp <(books "$whole") <(books "$killed") 2>&1); then
    keep=1 # to be looked into
    die "the books differ: $difference"
fi
records=$("$micropay" stats "$killed" --json | sed -E 's/.*"sequence":"?([0-9]+).*/\1/')
echo "the books are the same: $records records"
printf '{"kill_movements":%d,"kill_kills":%d,"kill_records":%d,"kill_undisturbed_ms":%d}\n' \
    "$movements" "$((number - early))" "$records" "$undisturbed" >"$report"
[ "$early" = 0 ] || die "$early imports were through before they were killed"
