#!/usr/bin/env python3
"""Verbs that only read work beside a live writer and on a read-only file system; a second writer is refused."""

import os
import pathlib
import subprocess
import time

import cli
from cli import ledger, row, rows, run

READS = (
    ["accounts"], ["accounts", 1], ["balance", 1], ["balance", 1, "--at", "2100-01-01"], ["statement", 1],
    ["transfers"], ["changes"], ["verify"], ["dump"], ["stats"], ["export", "--format", "hledger"],
)


def read_all(books, wrap=()):
    for verb, *arguments in READS:
        done = subprocess.run([*wrap, cli.MICROPAY, verb, books, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout, (verb, done.stderr)


class Writer:
    """An import that has the ledger open and waits for rows."""

    def __init__(self, books):
        self.process = subprocess.Popen([cli.MICROPAY, "import", books, "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self):
        out, err = self.process.communicate()
        assert self.process.returncode == 0, err
        return out


def wait_until_open(process, books):
    """Until a process has the ledger's log open; it has the lock by then."""
    for _ in range(2000):
        for descriptor in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                if os.readlink(descriptor).startswith(f"{books}/wal/"):
                    return
            except FileNotFoundError:
                pass  # closed meanwhile
        time.sleep(0.005)
    raise AssertionError("the writer never opened the ledger")


def test_readers_work_beside_a_writer(folder):
    books = ledger(folder / "books")
    run("transfer", books, "--debit", 1, "--credit", 2, "--amount", 5, "--ledger", 1, "--code", 1)
    writer = Writer(books)
    wait_until_open(writer.process, books)
    assert "MP_LOCKED" in run("freeze", books, 3, status=3).stderr
    read_all(books)
    writer.write("id,debit_account_id,credit_account_id,amount,ledger,code\n")
    for number in range(30000):
        writer.write(f"{1000 + number},1,2,1,1,1\n")
        if number % 5000 == 0:
            read_all(books)
            seen = row("balance", books, 1)
            assert 5 <= int(seen["debits_posted"]) <= 30005
    writer.end()
    assert row("balance", books, 1)["debits_posted"] == "30005"
    assert row("verify", books)["problems"] == 0


def test_nothing_said_ends_up_in_the_ledger_when_standard_streams_are_closed(folder):
    books = ledger(folder / "books")
    process = subprocess.Popen([cli.MICROPAY, "import", books, "-"], stdin=subprocess.PIPE, text=True,
                               preexec_fn=lambda: (os.close(1), os.close(2)))
    wait_until_open(process, books)
    assert [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in (1, 2)] == ["/dev/null"] * 2
    process.communicate("id\n0\nx\n")
    assert process.returncode == 1
    closed = subprocess.run([cli.MICROPAY, "accounts", books], stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: os.close(1))
    assert closed.returncode == 3 and "standard output" in closed.stderr, closed
    assert row("verify", books)["problems"] == 0


def test_a_reader_beside_a_writer_sees_books_that_balance(folder):
    books = folder / "books"
    run("init", books)
    run("generate", "--movements", 300000, "--accounts", 100, "-o", folder / "bank.csv")
    writer = subprocess.Popen([cli.MICROPAY, "import", books, folder / "bank.csv", "--create-accounts"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    looks = 0
    while writer.poll() is None:
        accounts = rows("accounts", books)
        debits, credits = (sum(int(a[name]) for a in accounts) for name in ("debits_posted", "credits_posted"))
        assert debits == credits
        looks += 1
    assert writer.returncode == 0 and looks > 0


def test_readers_work_on_a_read_only_file_system(folder):
    books = ledger(folder / "books")
    run("transfer", books, "--debit", 1, "--credit", 2, "--amount", 5, "--ledger", 1, "--code", 1)
    script = f'mount --bind "{books}" "{books}" && mount -o remount,bind,ro "{books}" && exec "$@"'
    wrap = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    try:
        if subprocess.run([*wrap, "true"], capture_output=True).returncode != 0:
            wrap.remove("--map-root-user")
            if subprocess.run([*wrap, "true"], capture_output=True).returncode != 0:
                print("not tried: no file system can be mounted here")
                return
    except FileNotFoundError:
        print("not tried: unshare is not installed")
        return
    read_all(books, wrap)
    done = subprocess.run([*wrap, cli.MICROPAY, "freeze", books, "1"], capture_output=True, text=True)
    assert done.returncode == 3 and "MP_READ_ONLY" in done.stderr, done.stderr


def test_reading_changes_no_file(folder):
    books = ledger(folder / "books")

    def state():
        return sorted((path.relative_to(books), os.stat(path).st_mtime_ns, os.stat(path).st_size)
                      for path in books.rglob("*"))

    before = state()
    read_all(books)
    assert state() == before


cli.main(globals())
