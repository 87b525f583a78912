#!/usr/bin/env python3
"""The books of a real bank: every movement booked, and the two numbers of agreement that exact arithmetic gives."""

import re

import cli
from cli import row, rows, run

BOOKS = cli.DATA / "czech-bank/trans.csv.gz"
if not BOOKS.exists():
    cli.skip("the bank's books are not beside the project")


def test_the_real_bank(folder):
    books = folder / "bank"
    run("init", books)
    assert row("import", books, "-", "--accounts", data=cli.python("czech_bank.py", "accounts"))["created"] == 7
    movements = cli.python("czech_bank.py", "movements", BOOKS)
    summary = row("import", books, "-", "--create-accounts", "--scale", 2, data=movements)
    assert summary["rows"] == summary["created"] == 49102, summary
    assert summary["accounts_created"] == 1229, summary
    assert row("verify", books)["problems"] == 0

    changes = run("changes", books, "--json").stdout
    said = cli.python("czech_bank.py", "agreement", BOOKS, data=changes)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]+$", said, re.MULTILINE)]
    assert numbers == [49102, 23787, 40134], said

    accounts = rows("accounts", books)
    assert sum(int(a["debits_posted"]) for a in accounts) == sum(int(a["credits_posted"]) for a in accounts)
    # a statement's last line is the balance; the balance as of its first line is that line's
    for account in accounts[:20]:
        lines = rows("statement", books, account["id"])
        for name in ("debits_posted", "credits_posted"):
            if lines:
                assert lines[-1][name] == account[name]
                then = row("balance", books, account["id"], "--at", lines[0]["timestamp"])
                assert then[name] == lines[0][name]
    # booked again: all there
    again = row("import", books, "-", "--create-accounts", "--scale", 2, data=movements)
    assert again["exists"] == 49102 and again["accounts_created"] == 0, again


cli.main(globals())
