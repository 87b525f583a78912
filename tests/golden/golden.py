#!/usr/bin/python3
"""Ledgers of each version of the format, kept for ever: later versions read them as they were read then.

format1.tar.xz is a ledger as tests/golden/make.c made it (every kind of record, transfer and extension, a checkpoint in
the middle), format1.dump.xz and format1.accounts what `micropay dump` and `micropay accounts --json` said of it. None of
them changes any more; a new version of the format gets files of its own.
"""

import hashlib
import json
import lzma
import os
import pathlib
import shutil
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "command"))

import cli  # noqa: E402
from cli import row, run  # noqa: E402

NEWEST = 1_800_000_007 * 10**9
NOW = {"MICROPAY_NOW": str(NEWEST + 3600 * 10**9)}  # E2, a reservation, has expired by then


def unpack(directory, name="format1"):
    with tarfile.open(HERE / f"{name}.tar.xz") as archive:
        archive.extractall(directory)
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, 0o755)
    return pathlib.Path(directory) / name


def digests(ledger):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in ledger.rglob("*") if path.is_file()}


def dump(ledger):
    return run("dump", ledger, env=NOW).stdout.splitlines()


def golden(suffix):
    path = HERE / f"format1.{suffix}"
    text = path.read_text() if path.exists() else lzma.open(f"{path}.xz", "rt").read()
    return text.splitlines()


def expect_golden(ledger):
    """Said as it was then, and nothing changed by it."""
    before = digests(ledger)
    for ours, theirs in zip(dump(ledger), golden("dump"), strict=True):
        assert json.loads(ours) == json.loads(theirs), f"{ours}\n{theirs}"
    accounts = run("accounts", ledger, "--json", env=NOW).stdout.splitlines()
    for ours, theirs in zip(accounts, golden("accounts"), strict=True):
        assert json.loads(ours) == json.loads(theirs), f"{ours}\n{theirs}"
    report = row("verify", ledger, env=NOW)
    assert report["problems"] == 0 and report["records"] == 57, report
    assert digests(ledger) == before, "reading has changed something"


def without_what_is_derived(ledger):
    shutil.rmtree(ledger / "checkpoint")
    shutil.rmtree(ledger / "index")
    return ledger


def test_it_is_read_as_it_was_read_then(folder):
    ledger = unpack(folder)
    expect_golden(ledger)
    assert row("verify", ledger, env=NOW)["checkpoints"] == 1
    assert row("stats", ledger, env=NOW)["opened_replayed_records"] < 57, "the checkpoint wasn't used"


def test_its_log_alone_says_the_same(folder):
    ledger = without_what_is_derived(unpack(folder))
    expect_golden(ledger)
    assert row("stats", ledger, env=NOW)["opened_replayed_records"] == len(golden("dump"))


def number(name):
    """An id as in make.c: A1 is 'A' * 2^64 + 1."""
    return ord(name[0]) << 64 | int(name[1:])


def transfer(ledger, name, amount, status=0):
    """From A1 to A2, as the golden ledger's E1 does."""
    return run("transfer", ledger, "--id", number(name), "--debit", number("A1"), "--credit", number("A2"), "--amount",
               amount, "--ledger", 1, "--code", 1, "--json", status=status, env=NOW)


def expect_goes_on(ledger):
    """Booking goes on behind what is there; ids are known; what is due expires."""
    transfer(ledger, "N1", 1000)
    transfer(ledger, "E1", 3)  # exists
    refused = transfer(ledger, "E1", 4, status=1)
    assert "exists_with_different_amount" in refused.stdout + refused.stderr, refused
    refused = transfer(ledger, "T8", 1, status=1)  # bound by a refusal
    assert "id_already_failed" in refused.stdout + refused.stderr, refused
    run("release", ledger, number("H2"), "--id", number("N2"), status=1, env=NOW)  # posted, in part
    run("release", ledger, number("W4"), "--id", number("N3"), env=NOW)  # more than 2^64 is left of it
    now, then = dump(ledger), golden("dump")
    assert [json.loads(line) for line in now[: len(then)]] == [json.loads(line) for line in then]
    kinds = [json.loads(line)["kind"] for line in now[len(then):]]
    assert kinds == ["expiry", "transfer", "transfer"], kinds
    report = row("verify", ledger, env=NOW)
    assert report["problems"] == 0 and report["records"] == 60, report


def test_a_copy_can_be_written(folder):
    expect_goes_on(unpack(folder))


def test_a_copy_of_the_log_alone_can_be_written(folder):
    expect_goes_on(without_what_is_derived(unpack(folder)))


cli.main(globals())
