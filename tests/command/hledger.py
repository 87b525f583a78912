#!/usr/bin/env python3
"""Books exported and added up by hledger have our balances."""

import shutil
import subprocess

import cli
from cli import ledger, row, run

if shutil.which("hledger") is None:
    cli.skip("hledger is not installed")


def hledger(text, *options):
    return subprocess.run(["hledger", "-f", "-", "balance", "-N", "-E", "--flat", "-O", "csv", *options], input=text,
                          capture_output=True, text=True, check=True).stdout


def equal(folder, books):
    accounts = folder / "accounts.json"
    accounts.write_text(run("accounts", books, "--json").stdout)
    said = cli.python("books.py", "journal", accounts, data=hledger(run("export", books, "--format", "hledger").stdout))
    return said.startswith("equal: all")


def test_a_bank_with_reservations(folder):
    books = folder / "books"
    run("init", books)
    text = run("generate", "--movements", 5000, "--accounts", 100, "--reservations").stdout
    assert row("import", books, "-", "--create-accounts", data=text)["created"] == 5000
    run("accounts", books, "add", 77777, "--ledger", 5, "--code", 3)  # never moved
    last = run("transfers", books, "--code", 1, "--newest", "--limit", 1, "--json").stdout
    run("reverse", books, last.split('"id":"')[1].split('"')[0])
    assert equal(folder, books)


def test_amounts_of_128_bits_and_two_ledger_numbers(folder):
    books = ledger(folder / "books")
    run("accounts", books, "add", 11, 12, "--ledger", 2, "--code", 10)
    huge = 2**126 + 12345
    run("transfer", books, "--debit", 1, "--credit", 2, "--amount", huge, "--ledger", 1, "--code", 1)
    run("transfer", books, "--debit", 12, "--credit", 11, "--amount", 5, "--ledger", 2, "--code", 1)
    run("reserve", books, "--debit", 1, "--credit", 2, "--amount", 5, "--ledger", 1, "--code", 1)
    assert equal(folder, books)
    journal = run("export", books, "--format", "hledger").stdout
    assert f'    code-10:1  {huge} "L1"\n    code-10:2  -{huge} "L1"\n' in journal
    assert journal.count(" code 1\n") == 2  # what is reserved isn't moved
    scaled = run("export", books, "--format", "hledger", "--scale", 2).stdout
    assert '    code-10:12  0.05 "L2"\n' in scaled


cli.main(globals())
