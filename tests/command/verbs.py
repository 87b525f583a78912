#!/usr/bin/env python3
"""Each verb does what it says, in tables and in JSON."""

import json
import os
import re

import cli
from cli import ledger, row, rows, run

SUMS = ["debits_pending", "debits_posted", "credits_pending", "credits_posted"]
USER_DATA = ["user_data_128", "user_data_64", "user_data_32"]
ACCOUNT = ["id", *SUMS, *USER_DATA, "ledger", "code", "flags", "timestamp"]
TRANSFER = [
    "id", "debit_account_id", "credit_account_id", "amount", "pending_id", *USER_DATA, "timeout", "ledger", "code",
    "flags", "timestamp",
]
NUMBERS = {"user_data_32", "timeout", "ledger", "code"}  # the rest are strings


def expect_shape(record, fields):
    assert list(record) == fields, list(record)
    for name, value in record.items():
        assert isinstance(value, int if name in NUMBERS else str), (name, value)


def book(folder, verb, *arguments, **options):
    return row(verb, folder, *arguments, **options)


def transfer(folder, number, amount, *more, debit=1, credit=2, verb="transfer", **options):
    return book(
        folder, verb, "--id", number, "--debit", debit, "--credit", credit, "--amount", amount, "--ledger", 1,
        "--code", 7, *more, **options,
    )


def sums(folder, account):
    found = row("balance", folder, account)
    return tuple(int(found[name]) for name in SUMS)


def test_accounts_are_added_listed_and_looked_up(folder):
    run("init", folder)
    added = rows("accounts", folder, "add", 5, "0x7", "--ledger", 840, "--code", 3, "--user-data-64", 9,
                 "--flags", "debits_must_not_exceed_credits|history")
    assert [(a["id"], a["result"]) for a in added] == [("5", "created"), ("7", "created")]
    listed = rows("accounts", folder)
    for account in listed:
        expect_shape(account, ACCOUNT)
    assert [a["id"] for a in listed] == ["5", "7"]
    assert listed[0]["flags"] == "debits_must_not_exceed_credits|history"
    assert listed[0]["user_data_64"] == "9" and listed[0]["ledger"] == 840
    assert [a["timestamp"] for a in listed] == [a["timestamp"] for a in added]
    assert rows("accounts", folder, 7, 5, 7) == [listed[1], listed[0], listed[1]]
    # again: no error; otherwise: refused
    assert row("accounts", folder, "add", 5, "--ledger", 840, "--code", 3, "--user-data-64", 9,
               "--flags", "debits_must_not_exceed_credits|history")["result"] == "exists"
    assert row("accounts", folder, "add", 5, "--ledger", 840, "--code", 4, "--user-data-64", 9, "--flags",
               "debits_must_not_exceed_credits|history", status=1)["result"] == "exists_with_different_code"
    assert "no account 6" in run("accounts", folder, 6, status=1).stderr
    assert [a["id"] for a in rows("accounts", folder, "--newest", "--limit", 1)] == ["7"]
    assert rows("accounts", folder, "--code", 4) == []
    table = run("accounts", folder).stdout.splitlines()
    assert table[0].split()[:3] == ["id", "ledger", "code"] and len(table) == 3


def test_a_transfer_shows_both_balances_after_it(folder):
    ledger(folder)
    booked = transfer(folder, 100, 250)
    assert list(booked) == ["id", "result", "timestamp", "sequence", "debit_account", "credit_account"]
    assert booked["id"] == "100" and booked["result"] == "created" and booked["sequence"] == "4"
    assert booked["debit_account"] == {"id": "1", **dict(zip(SUMS, ["0", "250", "0", "0"]))}
    assert booked["credit_account"] == {"id": "2", **dict(zip(SUMS, ["0", "0", "0", "250"]))}
    again = transfer(folder, 100, 250)
    assert again["result"] == "exists" and again["timestamp"] == booked["timestamp"]
    assert transfer(folder, 100, 251, status=1)["result"] == "exists_with_different_amount"
    assert sums(folder, 1) == (0, 250, 0, 0)
    text = run("transfer", folder, "--debit", 1, "--credit", 2, "--amount", "1.50", "--scale", 2, "--ledger", 1,
               "--code", 1, "--id", 101).stdout
    assert "result     created" in text and "id         101" in text and "4.00" in text
    assert sums(folder, 1) == (0, 400, 0, 0)


def test_an_id_is_drawn_if_none_is_given(folder):
    ledger(folder)
    arguments = ["transfer", folder, "--debit", 1, "--credit", 2, "--amount", 1, "--ledger", 1, "--code", 1]
    first, second = row(*arguments)["id"], row(*arguments)["id"]
    assert first != second and int(first) > 2**64
    assert [t["id"] for t in rows("transfers", folder)] == [first, second]


def test_a_refusal_has_status_1_and_binds_its_id(folder):
    ledger(folder, (1, "debits_must_not_exceed_credits"), (2, ""))
    assert transfer(folder, 100, 1, status=1)["result"] == "exceeds_credits"
    bound = transfer(folder, 100, 1, status=1)
    assert bound["result"] == "id_already_failed" and bound["bound_by"] == "exceeds_credits"
    assert "exceeds_credits" in run("transfer", folder, "--id", 101, "--debit", 1, "--credit", 2, "--amount", 1,
                                    "--ledger", 1, "--code", 1, status=1).stdout
    kinds = [(r["kind"], r.get("bound_by")) for r in rows("dump", folder)]
    assert kinds.count(("bound_id", "exceeds_credits")) == 2


def test_a_reservation_lives_and_ends(folder):
    ledger(folder)
    assert transfer(folder, 100, 50, "--timeout", 3600, verb="reserve")["result"] == "created"
    assert sums(folder, 1) == (50, 0, 0, 0)
    assert book(folder, "increase", 100, "--amount", 30)["debit_account"]["debits_pending"] == "80"
    part = book(folder, "capture", 100, "--amount", 20, "--keep")
    assert part["debit_account"]["debits_pending"] == "60" and part["debit_account"]["debits_posted"] == "20"
    assert book(folder, "capture", 100, "--amount", 61, status=1)["result"] == "exceeds_pending_transfer_amount"
    assert book(folder, "capture", 100)["result"] == "created"
    assert sums(folder, 1) == (0, 80, 0, 0) and sums(folder, 2) == (0, 0, 0, 80)
    assert book(folder, "release", 100, status=1)["result"] == "pending_transfer_already_posted"
    transfer(folder, 200, 5, verb="reserve")
    released = book(folder, "release", 200, "--id", 201)
    assert released["result"] == "created" and released["debit_account"]["id"] == "1"
    assert sums(folder, 1) == (0, 80, 0, 0)
    types = [c["type"] for c in rows("changes", folder)]
    assert types == ["two_phase_pending", "two_phase_increased", "two_phase_part_posted", "two_phase_posted",
                     "two_phase_pending", "two_phase_voided"]
    assert row("stats", folder)["reservations_open"] == 0


def test_a_transfer_is_reversed_once(folder):
    ledger(folder)
    transfer(folder, 100, 50)
    assert book(folder, "reverse", 100, "--amount", 20)["credit_account"]["id"] == "1"
    assert book(folder, "reverse", 100, "--id", 300)["result"] == "created"
    assert sums(folder, 1) == (0, 50, 0, 50)
    assert book(folder, "reverse", 100, "--amount", 1, status=1)["result"] == "exceeds_reversible_amount"
    assert row("transfers", folder, 300)["amount"] == "30"


def test_accounts_freeze_thaw_and_close(folder):
    ledger(folder)
    frozen = book(folder, "freeze", 1, "--debits", "--id", 500)
    assert frozen["id"] == "500" and frozen["result"] == "created"
    assert row("accounts", folder, 1)["flags"] == "frozen_debits"
    assert transfer(folder, 100, 1, status=1)["result"] == "debit_account_frozen"
    assert transfer(folder, 101, 1, debit=2, credit=1)["result"] == "created"
    book(folder, "freeze", 1)
    assert row("accounts", folder, 1)["flags"] == "frozen_debits|frozen_credits"
    assert book(folder, "close", 1, status=1)["result"] == "account_not_empty"
    book(folder, "unfreeze", 1)
    transfer(folder, 102, 1)
    assert book(folder, "close", 1)["result"] == "created"
    assert transfer(folder, 103, 1, status=1)["result"] == "debit_account_already_closed"
    book(folder, "close", 1, "--reopen")
    assert transfer(folder, 104, 1)["result"] == "created"
    assert book(folder, "freeze", 9, status=1)["result"] == "account_not_found"
    updates = [c for c in rows("changes", folder) if c["type"] == "account_updated"]
    assert len(updates) == 5
    assert updates[0]["update"]["flags_set"] == "frozen_debits" and updates[0]["account"]["flags"] == "frozen_debits"
    assert [updates[0]["flags_before"], updates[1]["flags_before"]] == ["", "frozen_debits"]


def test_balances_now_and_then(folder):
    ledger(folder)
    first = transfer(folder, 100, 10)
    second = transfer(folder, 101, 5)
    at = int(second["timestamp"])
    assert row("balance", folder, 1, "--at", at)["debits_posted"] == "15"
    then = row("balance", folder, 1, "--at", at - 1)
    assert then == {"id": "1", **dict(zip(SUMS, ["0", "10", "0", "0"])), "at": str(at - 1)}
    assert row("balance", folder, 2, "--at", int(first["timestamp"]) - 1)["credits_posted"] == "0"
    assert "no account 1 then" in run("balance", folder, 1, "--at", 1, status=1).stderr
    assert [b["id"] for b in rows("balance", folder, 2, 1, 3)] == ["2", "1", "3"]
    some = run("balance", folder, 1, 9, "--json", status=1)
    assert "no account 9" in some.stderr and json.loads(some.stdout)["id"] == "1"
    line = run("balance", folder, 1, "--scale", 2).stdout.splitlines()[1].split()
    assert line == ["1", "0.00", "0.15", "0.00", "0.00", "-0.15"]


def test_statements_run_both_ways_and_go_on(folder):
    ledger(folder)
    for number in range(1, 6):
        transfer(folder, 100 + number, number, *(["--user-data-64", 77] if number == 2 else []))
    transfer(folder, 200, 50, debit=2, credit=1)
    book(folder, "freeze", 1, "--id", 300)
    lines = rows("statement", folder, 1)
    assert [line["id"] for line in lines] == ["101", "102", "103", "104", "105", "200"]
    assert [line["side"] for line in lines] == ["debit"] * 5 + ["credit"]
    assert [line["debits_posted"] for line in lines] == ["1", "3", "6", "10", "15", "15"]
    assert lines[-1]["credits_posted"] == "50"
    for line in lines:
        assert list(line) == ["type", "side", *TRANSFER, *SUMS, "account_flags", "position", "sequence"]
    assert rows("statement", folder, 1, "--newest") == lines[::-1]
    assert rows("statement", folder, 1, "--limit", 2) == lines[:2]
    assert rows("statement", folder, 1, "--cursor", lines[1]["position"]) == lines[2:]
    assert rows("statement", folder, 1, "--credits") == lines[-1:]
    assert rows("statement", folder, 1, "--debits") == lines[:-1]
    assert rows("statement", folder, 1, "--user-data-64", 77) == lines[1:2]
    assert rows("statement", folder, 1, "--from", lines[1]["timestamp"], "--to", lines[3]["timestamp"]) == lines[1:4]
    everything = rows("statement", folder, 1, "--all")
    assert everything[:-1] == lines and everything[-1]["type"] == "account_updated"
    assert "no account 9" in run("statement", folder, 9, status=1).stderr
    table = run("statement", folder, 1).stdout.splitlines()
    assert len(table) == 7 and table[-1].split()[-1] == "35"


def test_transfers_are_listed_and_looked_up(folder):
    ledger(folder)
    for number in range(3):
        transfer(folder, 100 + number, number)
    listed = rows("transfers", folder)
    for record in listed:
        expect_shape(record, TRANSFER)
    assert [t["id"] for t in listed] == ["100", "101", "102"]
    assert rows("transfers", folder, 102, 100) == [listed[2], listed[0]]
    assert rows("transfers", folder, "--newest", "--limit", 2) == [listed[2], listed[1]]
    assert rows("transfers", folder, "--code", 8) == []
    assert "no transfer 9" in run("transfers", folder, 9, status=1).stderr
    assert len(run("transfers", folder).stdout.splitlines()) == 4


def test_changes_go_on_behind_a_position(folder):
    ledger(folder)
    for number in range(5):
        transfer(folder, 100 + number, number)
    changes = rows("changes", folder)
    assert list(changes[0]) == ["type", "timestamp", "sequence", "position", "transfer", "debit_account",
                                "credit_account"]
    assert list(changes[0]["debit_account"]) == ["id", *SUMS, "flags"]
    expect_shape(changes[0]["transfer"], TRANSFER)
    assert rows("changes", folder, "--after", changes[2]["position"]) == changes[3:]
    assert rows("changes", folder, "--limit", 2) == changes[:2]
    assert rows("changes", folder, "--from", changes[3]["timestamp"]) == changes[3:]
    assert len(run("changes", folder).stdout.splitlines()) == 6


def test_a_dump_holds_every_record(folder):
    ledger(folder)
    transfer(folder, 100, 9, verb="reserve")
    book(folder, "capture", 100, "--amount", 4, "--keep")
    book(folder, "freeze", 3)
    dumped = rows("dump", folder)
    assert [r["kind"] for r in dumped] == ["account"] * 3 + ["transfer"] * 2 + ["account_update"]
    assert [r["sequence"] for r in dumped] == [str(i + 1) for i in range(6)]
    assert [r["left"] for r in dumped[3:5]] == ["9", "5"]
    expect_shape(dumped[0]["account"], ACCOUNT)
    assert rows("dump", folder, "--limit", 1) == dumped[:1]


def test_an_expiry_is_a_change_and_a_line_of_the_statement(folder):
    start = 1_700_000_000_000_000_000
    at = lambda seconds: {"MICROPAY_NOW": str(start + seconds * 10**9)}
    run("init", folder, env=at(0))
    run("accounts", folder, "add", 1, 2, "--ledger", 1, "--code", 1, env=at(0))
    transfer(folder, 100, 50, "--timeout", 60, verb="reserve", env=at(0))
    # it is due, but a reader expires nothing
    assert row("balance", folder, 1, env=at(100))["debits_pending"] == "50"
    late = book(folder, "capture", 100, env=at(100), status=1)
    assert late["result"] in ("pending_transfer_expired",)
    assert row("balance", folder, 1, env=at(100))["debits_pending"] == "0"
    expiry = rows("changes", folder, env=at(100))[-1]
    assert expiry["type"] == "two_phase_expired"
    assert expiry["transfer"]["pending_id"] == "100" and expiry["transfer"]["amount"] == "50"
    assert [line["type"] for line in rows("statement", folder, 1, "--all", env=at(100))] == [
        "two_phase_pending", "two_phase_expired"]
    assert len(rows("statement", folder, 1, env=at(100))) == 1


def test_the_clock_stands_where_it_is_told(folder):
    now = 1_600_000_000_123_456_789
    run("init", folder, env={"MICROPAY_NOW": str(now)})
    added = row("accounts", folder, "add", 1, "--ledger", 1, "--code", 1, env={"MICROPAY_NOW": str(now)})
    assert abs(int(added["timestamp"]) - now) < 10**6, added
    # years later is no error either: the given clock is accepted
    later = now + 10 * 365 * 86400 * 10**9
    added = row("accounts", folder, "add", 2, "--ledger", 1, "--code", 1, env={"MICROPAY_NOW": str(later)})
    assert abs(int(added["timestamp"]) - later) < 10**6, added
    # without it the guard holds, until the clock is accepted
    early = folder / "early"
    run("init", early, env={"MICROPAY_NOW": "1000000000"})
    run("accounts", early, "add", 1, "--ledger", 1, "--code", 1, env={"MICROPAY_NOW": "1000000000"})
    assert "--accept-clock" in run("accounts", early, "add", 2, "--ledger", 1, "--code", 1, status=3).stderr
    run("accounts", early, "add", 2, "--ledger", 1, "--code", 1, "--accept-clock")
    run("accounts", early, "add", 3, "--ledger", 1, "--code", 1)


def test_verify_and_stats_tell_what_there_is(folder):
    ledger(folder)
    transfer(folder, 100, 5)
    transfer(folder, 101, 5, verb="reserve")
    report = row("verify", folder)
    assert report["problems"] == 0 and report["accounts"] == 3 and report["transfers"] == 2
    assert report["reservations_open"] == 1 and report["records"] == 5
    assert "all invariants hold" in run("verify", folder).stdout
    stats = row("stats", folder)
    assert stats["accounts"] == 3 and stats["transfers"] == 2 and stats["reservations_open"] == 1
    assert "id_entries" not in stats  # a look has no index of its own, and doesn't know the writer's
    assert re.fullmatch(r"[0-9a-f]{32}", stats["timeline"]) and stats["newest_ns"].isdigit()
    assert re.search(r"^accounts +3$", run("stats", folder).stdout, re.MULTILINE)


def test_a_verification_that_could_not_end_proves_nothing(folder):
    books = folder / "books"
    run("init", books)
    run("generate", "--movements", 400000, "-o", folder / "bank.csv")
    run("import", books, folder / "bank.csv", "--create-accounts")
    narrow = ["verify", books, "--memory-max", "1M", "--temporary"]  # needs temporary files
    text = run(*narrow, folder / "none", status=3)
    assert "NOT FINISHED" in text.stdout and "hold" not in text.stdout and "none/" in text.stderr, text
    assert json.loads(run(*narrow, folder / "none", "--json", status=3).stdout)["complete"] is False
    assert row(*narrow, folder)["complete"] is True


def test_a_damaged_ledger_is_refused_and_verify_finds_it(folder):
    ledger(folder)
    for number in range(20):
        transfer(folder, 100 + number, 5)
    segment = sorted((folder / "wal").iterdir())[0]
    with open(segment, "r+b") as file:
        content = file.read()
        place = content.index((105).to_bytes(16, "little"))  # the id of a transfer in the middle of the log
        file.seek(place + 32)
        file.write(bytes([content[place + 32] ^ 1]))
    done = run("verify", folder, status=3)
    assert "MP_CORRUPT" in done.stderr and ".wal" in done.stderr, done.stderr
    run("dump", folder, status=3)
    assert "MP_CORRUPT" in run("transfer", folder, "--debit", 1, "--credit", 2, "--amount", 1, "--ledger", 1,
                               "--code", 1, status=3).stderr


def test_a_full_standard_output_is_no_success(folder):
    ledger(folder)
    if not os.path.exists("/dev/full"):
        return
    import subprocess
    with open("/dev/full", "w") as full:
        done = subprocess.run([cli.MICROPAY, "accounts", folder], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 3 and "standard output" in done.stderr


cli.main(globals())
