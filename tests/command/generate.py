#!/usr/bin/env python3
"""A made-up bank is the same for the same seed, as large as asked, and can be booked without a refusal."""

import collections
import csv
import io

import cli
from cli import row, rows, run


def made(*options):
    return list(csv.DictReader(io.StringIO(run("generate", *options).stdout)))


def test_the_seed_decides(folder):
    options = ["--movements", 5000, "--accounts", 50]
    assert made(*options) == made(*options) == made(*options, "--seed", 1)
    assert made(*options) != made(*options, "--seed", 2)
    run("generate", *options, "-o", folder / "file.csv")
    assert (folder / "file.csv").read_text() == run("generate", *options).stdout


def test_all_customers_have_an_account_and_none_goes_below_zero(folder):
    for options in (["--reservations"], ["--live", "--reservations"], ["--live"], []):
        movements = made("--movements", 20000, "--accounts", 300, "--seed", 7, *options)
        assert len(movements) == 20000
        balance, customers = collections.Counter(), set()
        for m in movements:
            if "pending" in m["flags"]:
                continue
            balance[m["debit_account_id"]] -= int(m["amount"])
            balance[m["credit_account_id"]] += int(m["amount"])
            for account in (m["debit_account_id"], m["credit_account_id"]):
                if int(account) <= 10**9:
                    customers.add(int(account))
                    assert balance[account] >= 0
        assert customers == set(range(1, 301))
        assert any("pending" in m["flags"] for m in movements) == ("--reservations" in options)


def test_dates_rise_by_more_than_two_nanoseconds(folder):
    movements = made("--movements", 20000, "--start", "2000-02-29", "--days", 1)
    times = [int(m["timestamp"]) for m in movements]
    assert all(later - earlier >= 3 for earlier, later in zip(times, times[1:]))
    assert times[0] >= 951782400 * 10**9 and times[-1] < 951868800 * 10**9
    assert all(m["flags"] == "imported" for m in movements)
    assert all(m["timestamp"] == m["flags"] == "" for m in made("--movements", 100, "--live"))


def test_it_can_be_booked_without_a_refusal(folder):
    for name, options in (("history", ["--reservations"]), ("live", ["--live", "--reservations"])):
        run("generate", "--movements", 50000, "--accounts", 500, *options, "-o", folder / "bank.csv")
        run("init", folder / name)
        summary = row("import", folder / name, folder / "bank.csv", "--create-accounts")
        assert summary["created"] == 50000 and summary["accounts_created"] == 506, summary
        assert row("verify", folder / name)["problems"] == 0
        types = collections.Counter(c["type"] for c in rows("changes", folder / name))
        assert set(types) == {"single_phase", "two_phase_pending", "two_phase_posted", "two_phase_part_posted",
                              "two_phase_voided"}


def test_two_seeds_go_in_one_ledger(folder):
    run("init", folder / "books")
    for seed in (1, 2):
        text = run("generate", "--movements", 1000, "--seed", seed, "--live", "--first-id", seed * 2**70).stdout
        assert row("import", folder / "books", "-", "--create-accounts", data=text)["created"] == 1000


cli.main(globals())
