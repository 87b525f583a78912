#!/usr/bin/env python3
"""Simulated mobile money: balances before an account's first movement are booked from an opening account."""

import csv
import decimal
import gzip
import io

import cli
from cli import row, rows, run

SAMPLE = cli.DATA / "paysim/paysim-sample.csv.gz"
if not SAMPLE.exists():
    cli.skip("the PaySim extract is not beside the project")

LEDGER = 1
FIELDS = "id debit_account_id credit_account_id amount ledger code flags timestamp user_data_32".split()
CODES = {"CASH_IN": 2, "CASH_OUT": 3, "DEBIT": 4, "PAYMENT": 5, "TRANSFER": 6}
OPENING = 9_000_000_001
HOUR_NS = 3600 * 10**9
START_NS = 1_600_000_000 * 10**9


def cents(text):
    return int((decimal.Decimal(text) * 100).to_integral_value(decimal.ROUND_HALF_EVEN))


def account_of(name):
    """C123 and M123 are two accounts."""
    return int(name[1:]) + (5_000_000_000 if name[0] == "M" else 0)


def read():
    with gzip.open(SAMPLE, "rt", newline="") as file:
        return list(csv.DictReader(file))


def before_it(movement):
    """Both accounts with the balances recorded before a movement."""
    yield account_of(movement["nameOrig"]), cents(movement["oldbalanceOrg"])
    yield account_of(movement["nameDest"]), cents(movement["oldbalanceDest"])


def movements():
    """Rows for import: an opening movement before an account's first one, then the movement."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(FIELDS)
    balances = {}
    number, of_step, step = 0, 0, None
    for movement in read():
        of_step = 0 if movement["step"] != step else of_step
        step = movement["step"]

        def write(debit, credit, amount, code):
            nonlocal number, of_step
            number += 1
            of_step += 1
            time_ns = START_NS + int(step) * HOUR_NS + of_step * 10**6
            decimal_amount = f"{amount // 100}.{amount % 100:02}"
            writer.writerow([number, debit, credit, decimal_amount, LEDGER, code, "imported", time_ns, step])
            balances[debit] = balances.get(debit, 0) - amount
            balances[credit] = balances.get(credit, 0) + amount

        for account, before in before_it(movement):
            if account not in balances:
                write(OPENING, account, before, 1)
        sides = [account_of(movement["nameOrig"]), account_of(movement["nameDest"])]
        if movement["type"] == "CASH_IN":
            sides.reverse()
        write(*sides, cents(movement["amount"]), CODES[movement["type"]])
    return out.getvalue(), number, balances


def test_the_extract_is_booked_and_nothing_is_lost(folder):
    text, count, balances = movements()
    books = folder / "books"
    run("init", books)
    summary = row("import", books, "-", "--create-accounts", "--scale", 2, data=text)
    assert summary["created"] == count and summary["refused"] == summary["unreadable"] == 0, summary
    assert summary["accounts_created"] == len(balances)
    assert row("verify", books)["problems"] == 0
    found = {int(a["id"]): int(a["credits_posted"]) - int(a["debits_posted"]) for a in rows("accounts", books)}
    assert found == balances
    assert sum(found.values()) == 0


def test_running_balances_agree_as_often_as_adding_up_does(folder):
    """For how many movements the payer's balance is the newbalanceOrg that the extract records: the ledger's changes
    and a sum of our own must count the same."""
    text, _, _ = movements()
    books = folder / "books"
    run("init", books)
    run("import", books, "-", "--create-accounts", "--scale", 2, data=text)
    after = [(c["transfer"]["code"], c) for c in rows("changes", books)]
    booked = [c for code, c in after if code != 1]
    source = read()
    assert len(booked) == len(source)
    naive, counted, expected = {}, 0, 0
    for movement, change in zip(source, booked):
        payer = account_of(movement["nameOrig"])
        side = "debit_account" if change["debit_account"]["id"] == str(payer) else "credit_account"
        assert change[side]["id"] == str(payer)
        ours = int(change[side]["credits_posted"]) - int(change[side]["debits_posted"])
        for account, before in before_it(movement):
            naive.setdefault(account, before)
        sign = 1 if movement["type"] == "CASH_IN" else -1
        naive[payer] += sign * cents(movement["amount"])
        naive[account_of(movement["nameDest"])] -= sign * cents(movement["amount"])
        recorded = cents(movement["newbalanceOrig"])
        counted += abs(ours - recorded) <= 1
        expected += abs(naive[payer] - recorded) <= 1
        assert ours == naive[payer]
    print(f"payer's balance agrees in {counted} of {len(source)} movements")
    assert counted == expected > 0


cli.main(globals())
