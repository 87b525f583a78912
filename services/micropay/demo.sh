#!/bin/bash
# A bank's books posted, proven and queried. $MICROPAY is the command; the books of a real bank lie beside the project in
# ../shared/data, or where $MICROPAY_TEST_DATA says. Without them a bank is made up.
set -euo pipefail
export LC_ALL=C.UTF-8

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${MICROPAY:?the micropay command: './dev demo' sets it}"
books=${MICROPAY_TEST_DATA:-$root/../shared/data}/czech-bank/trans.csv.gz
work=$(mktemp -d "${TMPDIR:-/tmp}/micropay-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

heading() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || heading() { printf '\n== %s\n' "$*"; }

# Shows a command line as a user would type it, then runs it.
run()
{
    printf '$ micropay %s\n' "$*"
    "$MICROPAY" "$@"
}

if [ -f "$books" ]; then
    heading "A real bank's books: $(zcat "$books" | tail -n +2 | wc -l) movements of a Czech bank, 1993 and 1994"
    "$here/czech_bank.py" accounts >accounts.csv
    "$here/czech_bank.py" movements "$books" >movements.csv
    echo 'each booked between the customer and the cash, card, interest, fee, loan or other-bank account:'
    head -4 movements.csv
    past=1993-12-31T23:59:59Z
    scale=2
    agreement() { "$here/czech_bank.py" agreement "$books"; }
    agreement_with='the balance that the bank recorded after each movement'
    bank_from=1000000
else
    heading "A made-up bank (the real one's books are not there)"
    run generate --movements 100000 --accounts 1000 --seed 1993 -o movements.csv
    head -4 movements.csv
    past=2024-06-30T23:59:59Z
    scale=2
    agreement() { "$here/books.py" naive movements.csv; }
    agreement_with='adding up the file'
    bank_from=1000000000
fi

heading 'Booked'
run init bank
if [ -f accounts.csv ]; then
    run import bank accounts.csv --accounts | sed -n 1,3p
    run import bank movements.csv --create-accounts --scale 2
else
    run import bank movements.csv --create-accounts
fi
run stats bank | grep -E '^(accounts |transfers|log_bytes|newest)'

heading "Compared with $agreement_with"
echo '$ micropay changes bank --json'
"$MICROPAY" changes bank --json >changes.json
agreement <changes.json

heading 'The ten busiest accounts (balances in minor units)'
echo "the bank's own end in 1 cash, 2 cards, 3 interest, 4 fees, 5 loans, 6 other banks"
"$here/books.py" busiest 10 <changes.json | tee busiest.txt
customer=$(awk -v from="$bank_from" 'NR > 1 && $1 < from { print $1; exit }' busiest.txt)
if [ -z "$customer" ]; then
    customer=$("$here/books.py" busiest 1000 <changes.json |
        awk -v from="$bank_from" 'NR > 1 && $1 < from { print $1; exit }')
fi

heading "A statement: the busiest customer's last movements"
run statement bank "$customer" --newest --limit 12 --scale "$scale"

heading 'A balance as of a past date, and now'
run balance bank "$customer" --at "$past" --scale "$scale"
run balance bank "$customer" --scale "$scale"

heading 'Proven: every invariant recomputed from the log alone'
run verify bank

heading 'Exported, and added up by a program that was not written here'
if command -v hledger >/dev/null; then
    echo '$ micropay export bank --format hledger | hledger -f - balance'
    "$MICROPAY" accounts bank --json >accounts.json
    "$MICROPAY" export bank --format hledger | hledger -f - balance -N -E --flat -O csv |
        "$here/books.py" journal accounts.json
else
    echo 'skipped: hledger is not installed'
fi
