#!/usr/bin/python3
"""Ledgers made by the command, read by read_ledger.py: docs/format.md says enough, and says what is true.

$MICROPAY is the command, $MICROPAY_BUILD the build folder (its library makes the checkpoints).
"""

import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
MICROPAY = os.environ["MICROPAY"]
START = 1_700_000_000_000_000_000  # November 2023
MINUTE = 60 * 10**9


def run(*command, status=0, data=None, now=None):
    env = dict(os.environ)
    if now is not None:
        env["MICROPAY_NOW"] = str(now)
    done = subprocess.run([str(word) for word in command], input=data, capture_output=True, text=True, env=env,
                          timeout=500)
    assert done.returncode == status, (f"{command}: exit status {done.returncode}, not {status}\n"
                                       f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def read(verb, directory, status=0):
    return run(sys.executable, HERE / "read_ledger.py", verb, directory, status=status)


class Books:
    """A ledger made through the command; its clock goes on by a minute with each event."""

    def __init__(self, directory):
        self.directory = directory
        self.now = START
        self.run("init")

    def run(self, verb, *arguments, status=0, data=None):
        self.now += MINUTE
        return run(MICROPAY, verb, self.directory, *arguments, status=status, data=data, now=self.now)

    def transfer(self, identity, debit, credit, amount, *more, verb="transfer", status=0):
        self.run(verb, "--id", identity, "--debit", debit, "--credit", credit, "--amount", amount, "--ledger", 1,
                 "--code", 7, *more, status=status)

    def rows(self, verb, *arguments):
        return [json.loads(row) for row in run(MICROPAY, verb, self.directory, *arguments, "--json", now=self.now).splitlines()]


def compare(books):
    """Both readers say the same of a ledger, and the second one finds nothing wrong."""
    report = json.loads(read("verify", books.directory))
    assert report["problems"] == 0 and report["closed"], report
    theirs, ours = books.run("dump").splitlines(), read("dump", books.directory).splitlines()
    for number, (their, our) in enumerate(zip(theirs, ours)):
        assert json.loads(their) == json.loads(our), f"record {number}\n{their}\n{our}"
    assert len(theirs) == len(ours), (len(theirs), len(ours))
    accounts = [json.loads(row) for row in read("balances", books.directory).splitlines()]
    assert accounts == books.rows("accounts")
    sums = [{name: account[name] for name in ("id", "debits_pending", "debits_posted", "credits_pending", "credits_posted")}
            for account in accounts]
    assert sums[:1000] == books.rows("balance", *(account["id"] for account in accounts[:1000]))
    verified, = books.rows("verify")
    assert verified["problems"] == 0 and verified["position"] == str(report["position"]), verified
    names = {"blocks": "blocks", "seals": "seals", "accounts": "account", "transfers": "transfer", "expiries": "expiry",
             "updates": "account_update", "bound_ids": "bound_id", "reservations_open": "reservations_open"}
    assert {name: verified[name] for name in names} == {name: report[ours] for name, ours in names.items()}, verified
    return report


def make_imported(books):
    """History, imported with its times, in two batches."""
    rows = ["id,ledger,code,flags,timestamp,user_data_128,user_data_64,user_data_32"]
    rows += [f"{n},1,10,imported,{n},{n * 2**70},{n},{n}" for n in range(1, 6)]
    books.run("import", "-", "--accounts", data="\n".join(rows) + "\n")
    rows = ["id,debit_account_id,credit_account_id,amount,ledger,code,flags,timestamp,user_data_128"]
    rows += [f"{n},{1 + n % 5},{1 + (n + 1) % 5},{n},1,7,imported,{1000 * n},{n % 2}" for n in range(100, 130)]
    books.run("import", "-", data="\n".join(rows) + "\n")


def make_every_kind(books):
    wide = (1 << 64) + 5
    books.run("accounts", "add", 11, 12, 13, "--ledger", 1, "--code", 10, "--user-data-64", 3)
    books.run("accounts", "add", 21, "--ledger", 1, "--code", 11, "--flags", "debits_must_not_exceed_credits")
    books.run("accounts", "add", 22, 23, "--ledger", 2, "--code", 11, "--flags", "history|frozen_credits")
    books.transfer(1001, 11, 12, 500)
    books.transfer(1002, 11, 12, 0, "--user-data-128", 2**127 + 1, "--user-data-64", 2**64 - 1, "--user-data-32", 9)
    books.transfer(1003, 11, 21, 60)
    books.transfer(1004, 21, 12, 100, "--flags", "balancing_debit")  # moves 60
    books.transfer(1005, 21, 12, 1, status=1)  # exceeds_credits: its id is bound
    books.transfer(1006, 99, 12, 1, status=1)  # no such account: bound
    books.run("transfer", "--id", 1007, "--flags", "bind_id")
    books.transfer(1010, 11, 13, 1000, "--timeout", 3600, "--user-data-64", 8, verb="reserve")
    books.run("capture", 1010, "--id", 1011, "--amount", 300, "--keep")
    books.run("increase", 1010, "--id", 1012, "--amount", 50, "--timeout", 7200)
    books.run("capture", 1010, "--id", 1013, "--amount", 200, "--user-data-64", 4)  # releases 550
    books.transfer(1020, 11, 13, 10, verb="reserve")
    books.run("release", 1020, "--id", 1021)
    books.transfer(1022, 11, 13, 10, verb="reserve")
    books.run("capture", 1022, "--id", 1023, "--keep")
    books.run("reverse", 1001, "--id", 1030, "--amount", 200)
    books.run("reverse", 1001, "--id", 1031, "--code", 5)
    books.run("reverse", 1013, "--id", 1032, "--amount", 1)
    books.run("freeze", 13, "--id", 1040, "--debits", "--code", 3, "--user-data-128", 5)
    books.run("unfreeze", 13, "--id", 1041)
    books.run("close", 22, "--id", 1042)
    books.run("close", 22, "--id", 1043, "--reopen")
    books.transfer(1050, 12, 13, 5, "--flags", "closing_debit|closing_credit", verb="reserve")
    books.run("release", 1050, "--id", 1051)
    make_wide(books, wide)
    rows = ("id,debit_account_id,credit_account_id,amount,ledger,code,flags\n"  # a chain that holds, and one that breaks
            "1070,11,12,1,1,7,linked\n1071,12,13,2,1,7,linked\n1072,13,11,3,1,7,\n"
            "1073,11,12,1,1,7,linked\n1074,11,99,1,1,7,\n1075,11,12,4,1,7,\n")
    books.run("import", "-", data=rows, status=1)
    books.transfer(1080, 11, 13, 33, "--timeout", 30, verb="reserve")
    books.transfer(1081, 11, 13, 1, "--timeout", 100000, verb="reserve")
    books.transfer(1082, 11, 13, 2)  # a minute later: 1080 has expired


def make_wide(books, wide):
    """Amounts and sums of 2^63 and more, and of 2^64 and more."""
    books.run("accounts", "add", 31, 32, "--ledger", 1, "--code", 12)
    books.transfer(1060, 31, 32, 2**63)
    books.transfer(1061, 31, 32, wide, "--timeout", 90000, verb="reserve")
    books.run("capture", 1061, "--id", 1062, "--amount", 2**60, "--keep")
    books.run("increase", 1061, "--id", 1063, "--amount", 2**100)
    books.run("capture", 1061, "--id", 1064, "--amount", 1)  # releases more than 2^56
    books.transfer(1065, 31, 32, 2**126)
    books.run("reverse", 1065, "--id", 1066, "--amount", 2**120)
    books.transfer(1067, 31, 32, 2**120, verb="reserve")
    books.run("release", 1067, "--id", 1068)
    books.run("freeze", 31, "--id", 1069)


def test_every_kind_of_record_is_as_the_page_says(directory):
    books = Books(directory)
    make_imported(books)
    make_every_kind(books)
    report = compare(books)
    kinds = ("account", "transfer", "expiry", "account_update", "bound_id")
    assert all(report[kind] > 0 for kind in kinds) and report["reservations_open"] > 0, report


def test_a_ledger_of_several_segments(directory):
    books = Books(directory)
    movements = run(MICROPAY, "generate", "--movements", 110000, "--accounts", 500, "--reservations", "--live")
    books.run("import", "-", "--create-accounts", data=movements)
    report = compare(books)
    assert report["transfer"] >= 110000 and report["position"] > 16 << 20, report


def test_damage_is_seen(directory):
    books = Books(directory)
    make_imported(books)
    make_every_kind(books)
    end = json.loads(read("verify", directory))["position"]
    for offset in (0, 40, 4088, 4096 + 72, 4096 + 600, end // 2 // 4096 * 4096 + 8, end - 8192 + 100):
        copy = f"{directory}-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(directory, copy)
        with open(f"{copy}/wal/00000001.wal", "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 16]))
        read("verify", copy, status=1)


# --- what is derived: the library makes checkpoints, footers and indexes when it is told ---


class U128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


class Options(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint), ("outstanding_max", ctypes.c_uint32), ("memory_max", ctypes.c_uint64),
                ("accounts_max", ctypes.c_uint64), ("reservations_max", ctypes.c_uint64), ("env", ctypes.c_void_p),
                ("checkpoint_after", ctypes.c_uint64)]


class Account(ctypes.Structure):
    _fields_ = [("id", U128), ("sums", U128 * 4), ("user_data_128", U128), ("user_data_64", ctypes.c_uint64),
                ("user_data_32", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("ledger", ctypes.c_uint32),
                ("code", ctypes.c_uint16), ("flags", ctypes.c_uint16), ("timestamp", ctypes.c_uint64)]


class Transfer(ctypes.Structure):
    _fields_ = [("id", U128), ("debit", U128), ("credit", U128), ("amount", U128), ("pending_id", U128),
                ("user_data_128", U128), ("user_data_64", ctypes.c_uint64), ("user_data_32", ctypes.c_uint32),
                ("timeout", ctypes.c_uint32), ("ledger", ctypes.c_uint32), ("code", ctypes.c_uint16),
                ("flags", ctypes.c_uint16), ("timestamp", ctypes.c_uint64)]


def library():
    path = pathlib.Path(os.environ.get("MICROPAY_BUILD", "")) / "ledger" / "libmicropay.so"
    try:
        if b"__asan_init" in path.read_bytes():  # would end this program: it is no part of it from the start
            raise OSError("the library of a sanitizer's build can't be loaded by Python")
        return ctypes.CDLL(str(path))
    except OSError as why:
        print(f"  (left out: {why})")
        return None


def book(micropay, ledger, first, count):
    """Plain transfers between 50 accounts; each third is a reservation, of which each second is captured later."""
    events = (Transfer * count)()
    results = (ctypes.c_uint64 * (4 * count))()
    for n, event in enumerate(events, first):
        event.id, event.amount = U128(n), U128(n % 1000)
        if n % 6 == 5 and n - first >= 3:
            event.pending_id, event.flags, event.amount = U128(n - 3), 1 << 2, U128(1)  # the one that was reserved
            continue
        event.debit, event.credit = U128(1 + n % 50), U128(1 + (n * 7 + 1) % 50 if (n * 7 + 1) % 50 != n % 50 else 51)
        event.ledger, event.code = 1, 1
        event.flags = 1 << 1 if n % 6 == 2 else 0
        event.timeout = 3600 if n % 6 == 2 else 0
    status = micropay.mp_create_transfers(ledger, events, count, results)
    assert status == 0, status


def test_checkpoints_footers_and_indexes_agree_with_the_log(directory):
    micropay = library()
    if micropay is None:
        return
    options = Options(flags=1 << 3, memory_max=64 << 20, checkpoint_after=1 << 19)  # without threads
    ledger = ctypes.c_void_p()
    worked = ctypes.c_bool(True)
    accounts = (Account * 51)(*(Account(id=U128(n), ledger=1, code=1) for n in range(1, 52)))
    assert micropay.mp_init(directory.encode(), ctypes.byref(options)) == 0
    assert micropay.mp_open(directory.encode(), ctypes.byref(options), ctypes.byref(ledger)) == 0
    assert micropay.mp_create_accounts(ledger, accounts, 51, (ctypes.c_uint64 * (4 * 51))()) == 0
    for n in range(300):
        book(micropay, ledger, 1000 + n * 60, 60)
        micropay.mp_step(ledger, ctypes.byref(worked))
    for n in range(3600):  # a page each, until the segment is finished
        book(micropay, ledger, 1000000 + n, 1)
    worked.value = True
    while worked:
        micropay.mp_step(ledger, ctypes.byref(worked))
    book(micropay, ledger, 1, 60)
    assert micropay.mp_close(ledger) == 0
    report = json.loads(read("verify", directory))
    assert report["problems"] == 0 and report["checkpoints"] >= 1 and report["position"] > 16 << 20, report
    assert (pathlib.Path(directory) / "index" / "00000001.ids").exists()
    with open(f"{directory}/wal/00000001.wal", "rb") as file:
        file.seek(-8192, os.SEEK_END)
        assert file.read(8) == b"MWLFOOT1"
    damage_checkpoint(directory)
    read("verify", directory, status=1)


def damage_checkpoint(directory):
    """A sum of the first account changes, and the chunk's own sum is made right again."""
    import xxhash
    path = next((pathlib.Path(directory) / "checkpoint").glob("*.ckpt"))
    with path.open("r+b") as file:
        chunk = bytearray(file.read(2 * (256 << 10))[256 << 10:])
        chunk[64 + 24] ^= 1
        size = int.from_bytes(chunk[20:24], "little")
        chunk[56:64] = bytes(8)
        chunk[56:64] = xxhash.xxh3_64_intdigest(bytes(chunk[:64 + size])).to_bytes(8, "little")
        file.seek(256 << 10)
        file.write(chunk)


def main():
    try:
        import xxhash  # noqa: F401
    except ImportError:
        print("SKIP: python3-xxhash is not installed")
        return 77
    failed = 0
    for name, test in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        print(name, flush=True)
        with tempfile.TemporaryDirectory(prefix="micropay-format-") as parent:
            try:
                test(f"{parent}/books")
            except Exception:  # the others still run
                traceback.print_exc()
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
