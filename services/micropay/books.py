#!/usr/bin/env python3
"""Adds up a ledger's books a second time, from what the micropay command writes.

  books.py busiest N < CHANGES          the N accounts with most movements ('micropay changes --json')
  books.py naive MOVEMENTS < CHANGES    for how many movements of a CSV file without reservations the running
                                        balances of both accounts are those that adding the file up gives
  books.py journal ACCOUNTS < BALANCES  whether all balances of 'hledger balance -N -E --flat -O csv' equal those of
                                        'micropay accounts --json'; both in minor units

The exit status is 1 if something differs.
"""

import collections
import csv
import json
import sys


def busiest(count):
    movements, balances = collections.Counter(), {}
    for line in sys.stdin:
        change = json.loads(line)
        for side in ("debit_account", "credit_account"):
            if side in change:
                account = change[side]
                movements[account["id"]] += 1
                balances[account["id"]] = int(account["credits_posted"]) - int(account["debits_posted"])
    print(f"{'account':>12} {'movements':>12} {'credits-debits':>18}")
    for account, number in movements.most_common(count):
        print(f"{account:>12} {number:>12,} {balances[account]:>18,}")
    return True


def naive(path):
    balance = collections.defaultdict(int)
    total = agree = 0
    changes = map(json.loads, sys.stdin)
    with open(path, newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            total += 1
            balance[row["debit_account_id"]] -= int(row["amount"])
            balance[row["credit_account_id"]] += int(row["amount"])
            change = next(changes, None)
            agree += change is not None and change["transfer"]["id"] == row["id"] and all(
                int(change[side]["credits_posted"]) - int(change[side]["debits_posted"]) == balance[change[side]["id"]]
                for side in ("debit_account", "credit_account")
            )
    print(f"movements in the file {total:12,}")
    print(f"balances that agree   {agree:12,}")
    return agree == total and next(changes, None) is None


def journal(path):
    """In the journal a debit is positive and accounts are called code-CODE:ID, commodities "LN"."""
    ours, theirs = {}, {}
    with open(path, encoding="ascii") as file:
        for account in map(json.loads, file):
            name = f"code-{account['code']}:{account['id']}"
            amount = int(account["debits_posted"]) - int(account["credits_posted"])
            ours[name] = (amount, f'"L{account["ledger"]}"' if amount else "")
    for row in csv.DictReader(sys.stdin):
        amount, _, commodity = row["balance"].partition(" ")
        theirs[row["account"]] = (int(amount), commodity)
    # what never moved isn't listed there
    differing = [name for name in ours if ours[name] != theirs.get(name, (0, ""))] + sorted(theirs.keys() - ours.keys())
    for name in differing[:10]:
        print(f"{name}: ours {ours.get(name)}, the journal's {theirs.get(name)}")
    if differing:
        print(f"{len(differing):,} of {len(ours):,} balances differ")
    else:
        print(f"equal: all {len(ours):,} balances")
    return not differing


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "busiest":
        return 0 if busiest(int(arguments[1])) else 1
    if len(arguments) == 2 and arguments[0] == "naive":
        return 0 if naive(arguments[1]) else 1
    if len(arguments) == 2 and arguments[0] == "journal":
        return 0 if journal(arguments[1]) else 1
    sys.stderr.write(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
