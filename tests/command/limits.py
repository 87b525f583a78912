#!/usr/bin/env python3
"""An import that meets a limit of memory or disk says so, keeps what it booked, and goes on when there is room."""

import subprocess

import cli
from cli import row, rows, run

MOVEMENTS = 200_000
ACCOUNTS = 100_000


def bank(folder):
    run("generate", "--movements", MOVEMENTS, "--accounts", ACCOUNTS, "-o", folder / "bank.csv")
    run("init", folder / "calm")
    assert row("import", folder / "calm", folder / "bank.csv", "--create-accounts")["created"] == MOVEMENTS
    return folder / "bank.csv"


def same_books(one, other):
    assert rows("accounts", one) == rows("accounts", other)
    assert rows("transfers", one) == rows("transfers", other)
    assert row("verify", other)["problems"] == 0


def test_memory(folder):
    file, books = bank(folder), folder / "books"
    run("init", books)
    done = run("import", books, file, "--create-accounts", "--memory-max", "32M", "--results", folder / "results.csv",
               status=3)
    assert "MP_LIMIT" in done.stderr and "--memory-max" in done.stderr, done.stderr
    booked = row("stats", books)["transfers"]
    assert 0 < booked < MOVEMENTS
    lines = (folder / "results.csv").read_text().splitlines()
    assert len(lines) - 1 == booked  # a result for each row that is booked, and for no other
    assert f"stopped at line {booked + 2};" in done.stderr, done.stderr
    assert row("verify", books)["problems"] == 0
    summary = row("import", books, file, "--create-accounts")
    assert summary["exists"] == booked and summary["created"] == MOVEMENTS - booked
    same_books(folder / "calm", books)


def test_disk(folder):
    file, disk = bank(folder), folder / "disk"
    disk.mkdir()
    script = f"""
        mount -t tmpfs -o size=44m tmpfs "{disk}" || exit 77
        "{cli.MICROPAY}" init "{disk}/books" || exit 10
        "{cli.MICROPAY}" import "{disk}/books" "{file}" --create-accounts
        [ $? = 3 ] || exit 11
        "{cli.MICROPAY}" verify "{disk}/books" || exit 12
        mount -o remount,size=900m "{disk}" || exit 13
        "{cli.MICROPAY}" import "{disk}/books" "{file}" --create-accounts || exit 14
        cp -r "{disk}/books" "{folder}/books"
    """
    try:
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True)
    except FileNotFoundError:
        print("not tried: unshare is not installed")
        return
    if "unshare" in done.stderr or done.returncode == 77:
        print("not tried: no file system can be mounted here")
        return
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    assert "MP_DISK_FULL" in done.stderr and "make room on the disk" in done.stderr, done.stderr
    same_books(folder / "calm", folder / "books")


cli.main(globals())
