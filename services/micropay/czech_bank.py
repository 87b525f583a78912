#!/usr/bin/env python3
"""The books of a Czech bank (the file trans.csv.gz of the data set PKDD'99) as a double-entry ledger.

  czech_bank.py accounts                    the bank's own accounts, as CSV for 'micropay import --accounts'
  czech_bank.py movements TRANS             the movements, as CSV for 'micropay import --scale 2'
  czech_bank.py agreement TRANS < CHANGES   how many running balances agree with those the bank recorded;
                                            CHANGES is what 'micropay changes --json' writes

Each movement is booked between the customer's account and one of the bank's. A customer's balance is what the
bank owes: credits less debits. The file keeps only the date: movements are spaced within their day, in the order of the
file, which is sorted by date.
"""

import csv
import datetime
import gzip
import json
import sys

LEDGER = 203  # CZK, by ISO 4217
SPACING_NS = 40 * 10**9  # 2,105 movements, the most on one day, take less than 24 hours

# The bank's accounts lie beyond the customers' ids (up to 11,382). Name: (id, code)
BANK = {
    "cash": (1000001, 10),
    "card": (1000002, 11),
    "interest": (1000003, 12),
    "fee": (1000004, 13),
    "loan": (1000005, 14),
    "other bank": (1000006, 15),
    "own": (1000007, 16),
}
BY_SYMBOL = {"UROK": "interest", "SANKC. UROK": "interest", "SLUZBY": "fee", "UVER": "loan"}
BY_OPERATION = {
    "VKLAD": "cash",
    "VYBER": "cash",
    "VYBER KARTOU": "card",
    "PREVOD Z UCTU": "other bank",
    "PREVOD NA UCET": "other bank",
    "": "own",
}


def rows(path):
    with gzip.open(path, "rt", encoding="latin-1", newline="") as file:
        yield from csv.DictReader(file, delimiter=";")


def date_ns(yymmdd):
    date = datetime.datetime.strptime("19" + yymmdd, "%Y%m%d").replace(tzinfo=datetime.timezone.utc)
    return int(date.timestamp()) * 10**9


def minor_units(crowns):
    whole, _, decimals = crowns.partition(".")
    return int(whole + decimals.ljust(2, "0"))


def accounts():
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["id", "ledger", "code", "flags", "timestamp"])
    for account, code in BANK.values():
        out.writerow([account, LEDGER, code, "imported", date_ns("930101") + account])


def movements(path):
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow("id debit_account_id credit_account_id amount ledger code flags timestamp user_data_64".split())
    day, of_day = None, 0
    for row in rows(path):
        of_day = of_day + 1 if row["date"] == day else 1
        day = row["date"]
        value_date = date_ns(day)
        name = BY_SYMBOL.get(row["k_symbol"].strip()) or BY_OPERATION[row["operation"].strip()]
        other, code = BANK[name]
        sides = [other, row["account_id"]]  # in: the customer is credited
        if row["type"] != "PRIJEM":
            sides.reverse()
        time_ns = value_date + of_day * SPACING_NS
        out.writerow([row["trans_id"], *sides, row["amount"], LEDGER, code, "imported", time_ns, value_date])


def agreement(path):
    recorded = {int(row["trans_id"]): minor_units(row["balance"]) for row in rows(path)}
    exact = near = booked = 0
    for line in sys.stdin:
        change = json.loads(line)
        if int(change["transfer"]["id"]) not in recorded:
            continue
        booked += 1
        side = "debit_account" if int(change["debit_account"]["id"]) < BANK["cash"][0] else "credit_account"
        balance = int(change[side]["credits_posted"]) - int(change[side]["debits_posted"])
        difference = abs(balance - recorded[int(change["transfer"]["id"])])
        exact += difference == 0
        near += difference <= 100
    print(f"movements booked                      {booked:9,} of {len(recorded):,}")
    print(f"balances that agree exactly           {exact:9,}")
    print(f"balances that agree to within a crown {near:9,}")
    return booked == len(recorded)


def main(arguments):
    if arguments == ["accounts"]:
        accounts()
    elif len(arguments) == 2 and arguments[0] == "movements":
        movements(arguments[1])
    elif len(arguments) == 2 and arguments[0] == "agreement":
        return 0 if agreement(arguments[1]) else 1
    else:
        sys.stderr.write(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
