#!/usr/bin/env python3
"""Import reads what it says it reads, books each row once, and names what it can't read."""

import csv
import gzip
import json

import cli
from cli import ledger, row, rows, run

HEADER = "id,debit_account_id,credit_account_id,amount,ledger,code,flags\n"


def results(path):
    with open(path, newline="") as file:
        return [(int(r["line"]), r["result"], int(r["timestamp"])) for r in csv.DictReader(file)]


def names(path):
    return [name for _, name, _ in results(path)]


def load(folder, text, *options, status=0, name="rows.csv"):
    """Imports a text into folder/books; returns the summary, what it said, and the results."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    out = folder / "results.csv"
    done = run("import", folder / "books", path, "--results", out, "--json", *options, status=status)
    return json.loads(done.stdout), done.stderr, results(out)


def booked(folder):
    return [t["id"] for t in rows("transfers", folder / "books")]


def test_a_row_is_read_by_the_names_of_its_columns(folder):
    ledger(folder / "books")
    summary, _, found = load(folder, "code;amount;id;credit_account_id;debit_account_id;ledger;user_data_32\n"
                                     "7;12.34;0x64;2;1;1;5\r\n"
                                     '"8";"0.5";101;1;00000000-0000-0000-0000-000000000002;1;\n', "--scale", 2)
    assert summary["rows"] == summary["created"] == 2 and summary["refused"] == summary["unreadable"] == 0
    assert [(line, name) for line, name, _ in found] == [(2, "created"), (3, "created")]
    first, second = rows("transfers", folder / "books")
    assert (first["id"], first["amount"], first["code"], first["user_data_32"]) == ("100", "1234", 7, 5)
    assert (second["id"], second["amount"], second["debit_account_id"]) == ("101", "50", "2")
    assert [time for _, _, time in found] == [int(first["timestamp"]), int(second["timestamp"])]


def test_plain_compressed_and_piped_files_read_alike(folder):
    text = HEADER + "".join(f"{100 + i},1,2,{i},1,1,\n" for i in range(1000))
    dumps = []
    for kind in ("plain", "gzip", "pipe", "gzip pipe", "crlf", "bom", "no end"):
        books = ledger(folder / kind)
        data = text.encode()
        if kind == "crlf":
            data = data.replace(b"\n", b"\r\n")
        if kind == "bom":
            data = b"\xef\xbb\xbf" + data
        if kind == "no end":
            data = data[:-1]
        if "gzip" in kind:
            data = gzip.compress(data)
        if "pipe" in kind:
            run("import", books, "-", data=data)
        else:
            (folder / "file").write_bytes(data)
            run("import", books, folder / "file")
        dumps.append([(t["id"], t["amount"]) for t in rows("transfers", books)])
    assert all(dump == dumps[0] and len(dump) == 1000 for dump in dumps)


def test_a_row_that_cannot_be_read_is_named_and_stops_nothing_else(folder):
    ledger(folder / "books")
    bad = ["x,1,2,1,1,1,", "102,1,2,1.5,1,1,", "103,1,2,-1,1,1,", "104,1,2,1,1,70000,", "105,1,2,1,1,1,pend",
           "106,1,2", "107,1,2,1,1,1,,,", '108,"1,2,1,1,1,', "109,\"1\"x,2,1,1,1,", "110," + "1" * 70000]
    lines = []
    for i, row_ in enumerate(bad):
        lines += [f"{200 + i},1,2,1,1,1,", row_]
    summary, said, found = load(folder, HEADER + "\n".join(lines) + "\n\n300,1,2,1,1,1,\n", status=1)
    assert summary["created"] == 11 and summary["unreadable"] == 10 and summary["rows"] == 21
    assert booked(folder) == [str(200 + i) for i in range(10)] + ["300"]
    assert [line for line, _, _ in found] == [*range(2, 22), 23]
    assert [line for line, name, _ in found if name == "unreadable"] == [*range(3, 22, 2)]
    reasons = ["id: 'x' is no id", "amount: '1.5' has decimals", "amount: '-1' is negative",
               "code: '70000' is too large", "flags: 'pend'", "has 3 fields, the header has 7",
               "has 9 fields, the header has 7", "a quote is not closed", "there is text behind a closing quote",
               "is longer than 65536 bytes"]
    for number, reason in zip(range(3, 22, 2), reasons):
        assert f"rows.csv: line {number}: {reason}" in said, (number, reason, said)


def test_a_strict_import_stops_there(folder):
    ledger(folder / "books")
    text = HEADER + "100,1,2,1,1,1,\n101,1,2,1,1,1,linked\n102,x,2,1,1,1,\n103,1,2,1,1,1,\n"
    summary, said, found = load(folder, text, "--strict", status=1)
    assert "line 4: debit_account_id: 'x'" in said
    assert booked(folder) == ["100"] and [name for _, name, _ in found] == ["created"]
    assert summary["unreadable"] == 1
    done = run("import", folder / "books", "-", "--strict", data="id,amuont\n1,2\n", status=1)
    assert "column 'amuont'" in done.stderr


def test_a_column_that_means_nothing_is_named(folder):
    ledger(folder / "books")
    _, said, _ = load(folder, "id,debit_account_id,credit_account_id,amuont,ledger,code\n100,1,2,5,1,1\n")
    assert "column 'amuont' is no field of a transfer" in said
    assert row("transfers", folder / "books", 100)["amount"] == "0"
    (folder / "twice.csv").write_text("id,id\n1,1\n")
    assert "column 'id' comes twice" in run("import", folder / "books", folder / "twice.csv", status=1).stderr
    (folder / "empty.csv").write_text("")
    assert "no header" in run("import", folder / "books", folder / "empty.csv", status=1).stderr
    # a file that has no header, is in UTF-16, or is something else altogether
    rows_ = HEADER + "100,1,2,5,1,1,\n"
    for data in (b"100,1,2,5,1,3,\n101,1,2,5,1,3,\n", rows_.encode("utf-16"), b"\x00\x01\xff\x7fELF\n", b"id\tcode\n1\t1\n"):
        (folder / "other.csv").write_bytes(data)
        said = run("import", folder / "books", folder / "other.csv", status=1).stderr
        assert "line 1: no column is a field of a transfer" in said or "comes twice" in said, said
        assert len(said.splitlines()) == 1, said
    assert "is a field of an account" in run("import", folder / "books", "-", "--accounts", data="amount\n", status=1).stderr


def test_the_file_of_results_is_never_the_file_to_import(folder):
    ledger(folder / "books")
    path = folder / "rows.csv"
    path.write_text(HEADER + "100,1,2,5,1,1,\n")
    (folder / "same.csv").symlink_to(path)
    for name in (path, folder / "same.csv"):
        said = run("import", folder / "books", path, "--results", name, status=2).stderr
        assert "would overwrite the file to import" in said, said
    assert path.read_text() == HEADER + "100,1,2,5,1,1,\n" and booked(folder) == []
    # nor does a longer one of an earlier run shine through, nor is a full disk a success
    out = folder / "results.csv"
    out.write_text("x" * 10000)
    run("import", folder / "books", path, "--results", out)
    assert names(out) == ["created"]
    run("import", folder / "books", "-", "--results", out, data="no header\n", status=1)
    assert out.read_text() == "line,result,timestamp\n"
    said = run("import", folder / "books", path, "--results", "/dev/full", status=3).stderr
    assert "'/dev/full': No space left on device" in said, said


def test_refused_rows_have_a_result_each(folder):
    ledger(folder / "books", (1, ""), (2, ""), (3, "debits_must_not_exceed_credits"))
    text = HEADER + "0,1,2,1,1,1,\n101,1,1,1,1,1,\n102,1,9,1,1,1,\n103,3,1,1,1,1,\n104,1,2,1,0,1,\n" \
                    "105,1,2,1,1,1,0x8000\n106,1,2,1,1,1,pending|reversal\n107,1,2,1,1,1,\n107,1,2,1,1,1,\n" \
                    "107,1,2,2,1,1,\n"
    summary, said, found = load(folder, text, status=1)
    assert [name for _, name, _ in found] == [
        "id_must_not_be_zero", "accounts_must_be_different", "credit_account_not_found", "exceeds_credits",
        "ledger_must_not_be_zero", "reserved_flag", "flags_are_mutually_exclusive", "created", "exists",
        "exists_with_different_amount"]
    assert summary["created"] == 1 and summary["exists"] == 1 and summary["refused"] == 8
    assert summary["results"]["exceeds_credits"] == 1 and summary["results"]["exists"] == 1
    assert "line 4: refused: credit_account_not_found (--create-accounts makes accounts)" in said
    assert all(time > 0 for _, _, time in found)


def test_an_import_run_again_books_nothing_twice(folder):
    ledger(folder / "books")
    text = HEADER + "".join(f"{100 + i},1,2,{i},1,1,\n" for i in range(20000))
    first, _, found = load(folder, text)
    assert first["created"] == 20000
    again, _, same = load(folder, text)
    assert again["exists"] == 20000 and again["created"] == 0
    assert [(line, time) for line, _, time in found] == [(line, time) for line, _, time in same]
    assert row("balance", folder / "books", 1)["debits_posted"] == str(sum(range(20000)))


def test_accounts_are_imported(folder):
    run("init", folder / "books")
    summary, _, found = load(
        folder, "id,ledger,code,flags,user_data_64,timestamp,debits_posted\n"
                "1,1,3,imported|history,9,2001-01-01,\n2,1,3,imported,9,2001-01-01T00:00:00.000000001Z,\n"
                "3,1,3,imported,9,2000-01-01,\n4,1,3,imported,9,2002-01-01,5\n5,1,3,,9,,\n",
        "--accounts", status=1)
    assert [name for _, name, _ in found] == [
        "created", "created", "imported_event_timestamp_must_not_regress", "debits_posted_must_be_zero", "created"]
    assert summary["created"] == 3 and summary["refused"] == 2
    accounts = rows("accounts", folder / "books")
    assert [a["id"] for a in accounts] == ["1", "2", "5"]
    assert accounts[0]["timestamp"] == "978307200000000000"


def test_accounts_are_made_before_the_first_row_that_names_them(folder):
    run("init", folder / "books")
    text = HEADER.strip() + ",timestamp\n" + "".join(
        f"{1000 + i},{1 + i % 50},{100 + i},{i},7,3,imported,{10**18 + 3 * i}\n"
        for i in range(20000))
    summary, _, found = load(folder, text, "--create-accounts")
    assert summary["created"] == 20000 and summary["accounts_created"] == 20050, summary
    accounts = {int(a["id"]): a for a in rows("accounts", folder / "books")}
    assert len(accounts) == 20050
    for account in accounts.values():
        assert account["code"] == 1 and account["ledger"] == 7 and account["flags"] == "imported"
    for i in (0, 1, 49, 50, 8189, 8190, 19999):
        assert int(accounts[100 + i]["timestamp"]) == 10**18 + 3 * i - 1
        if i < 50:
            assert int(accounts[1 + i]["timestamp"]) == 10**18 + 3 * i - 2
    assert row("verify", folder / "books")["problems"] == 0
    # by the clock, and with accounts that are there already
    run("init", folder / "live")
    run("accounts", folder / "live", "add", 1, "--ledger", 1, "--code", 9)
    run("import", folder / "live", "-", "--create-accounts", data=HEADER + "1,1,2,5,1,1,\n2,2,3,5,1,1,\n")
    assert [(a["id"], a["code"]) for a in rows("accounts", folder / "live")] == [("1", 9), ("2", 1), ("3", 1)]


def test_history_and_live_rows_go_in_one_file(folder):
    run("init", folder / "books")
    text = HEADER.strip() + ",timestamp\n" + \
        "1,1,2,5,1,1,imported,1000000000000000000\n2,2,3,5,1,1,imported,1000000000000000003\n3,3,4,5,1,1,,\n" \
        "4,1,2,5,1,1,,\n"
    _, _, found = load(folder, text, "--create-accounts")
    assert [name for _, name, _ in found] == ["created"] * 4
    # imported rows come first: the engine refuses history behind live rows
    later, _, found = load(folder, text.replace("\n1,", "\n5,").replace("1000000000000000003", "1000000000000000009"),
                           "--create-accounts", status=1)
    assert [name for _, name, _ in found] == ["imported_event_timestamp_must_not_regress", "exists", "exists", "exists"]


def test_chains_stay_whole(folder):
    ledger(folder / "books", (1, ""), (2, ""), (3, "debits_must_not_exceed_credits"))
    lines = []
    for i in range(0, 9000, 3):  # chains of three: 8,190 isn't cut within one, but the file has odd ones in front
        lines += [f"{1000 + i},1,2,1,1,1,linked", f"{1001 + i},1,2,1,1,1,linked", f"{1002 + i},1,2,1,1,1,"]
    summary, _, _ = load(folder, HEADER + "999,1,2,1,1,1,\n" + "\n".join(lines) + "\n")
    assert summary["created"] == 9001
    # one link fails: none of the chain is booked
    text = "20000,1,2,1,1,1,linked\n20001,3,1,1,1,1,linked\n20002,1,2,1,1,1,\n20003,1,2,1,1,1,\n"
    _, _, found = load(folder, HEADER + text, status=1)
    assert [name for _, name, _ in found] == [
        "linked_event_failed", "exceeds_credits", "linked_event_failed", "created"]
    # one link can't be read: neither is it
    text = "30000,1,2,1,1,1,linked\n30001,1,2,x,1,1,linked\n30002,1,2,1,1,1,\n30003,1,2,1,1,1,\n" \
           "30004,1,2,x,1,1,linked\n30005,1,2,1,1,1,\n30006,1,2,1,1,1,linked\n30007,1,2,x,1,1,\n30008,1,2,1,1,1,\n"
    _, _, found = load(folder, HEADER + text, status=1)
    assert [name for _, name, _ in found] == [
        "linked_event_failed", "unreadable", "linked_event_failed", "created", "unreadable", "linked_event_failed",
        "linked_event_failed", "unreadable", "created"]
    # a file that ends within a chain
    _, _, found = load(folder, HEADER + "40000,1,2,1,1,1,linked\n40001,1,2,1,1,1,linked\n", status=1)
    assert [name for _, name, _ in found] == ["linked_event_failed", "linked_event_chain_open"]


def test_a_chain_that_no_batch_holds_is_refused_whole(folder):
    ledger(folder / "books")
    for length in (8190, 8191, 9000, 16380, 17000):
        base = length * 10**6
        chain = [f"{base + i},1,2,1,1,1,{'linked' if i < length - 1 else ''}" for i in range(length)]
        text = HEADER + f"{base - 1},1,2,1,1,1,\n" + "\n".join(chain) + f"\n{base + length},1,2,1,1,1,\n"
        summary, _, found = load(folder, text, status=0 if length <= 8190 else 1)
        assert len(found) == length + 2 and [line for line, _, _ in found] == list(range(2, length + 4))
        assert found[0][1] == found[-1][1] == "created"
        if length <= 8190:
            assert summary["created"] == length + 2
        else:
            assert summary["created"] == 2 and summary["refused"] == length
            assert set(name for _, name, _ in found[1:-1]) <= {"linked_event_failed", "linked_event_chain_open"}


def test_rows_of_one_batch_go_in_as_one(folder):
    ledger(folder / "books")
    header = "batch," + HEADER
    text = header + "a,100,1,2,1,1,1,\na,101,1,2,1,1,1,\nb,102,1,2,1,1,1,\nb,103,1,2,1,1,1,linked\nc,104,1,2,1,1,1,\n"
    _, _, found = load(folder, text, "--batch", status=1)
    assert [name for _, name, _ in found] == ["created", "created", "created", "linked_event_chain_open", "created"]
    times = [time for _, _, time in found]
    assert times[1] == times[0] + 1 and times[3] == times[2] + 1
    # the engine judges a batch as it is: live and imported rows in one
    text = header.strip() + ",timestamp\nd,200,1,2,1,1,1,,\nd,201,1,2,1,1,1,imported,5\n"
    _, _, found = load(folder, text, "--batch", status=1)
    assert [name for _, name, _ in found] == ["created", "imported_event_not_expected"]
    # a batch too large is refused whole
    text = header + "".join(f"e,{1000 + i},1,2,1,1,1,\n" for i in range(8191)) + "f,20000,1,2,1,1,1,\n"
    summary, _, found = load(folder, text, "--batch", status=1)
    assert summary["created"] == 1 and summary["refused"] == 8191
    assert [name for _, name, _ in found] == ["batch_too_large"] * 8191 + ["created"]
    assert len(load(folder, header + "".join(f"e,{1000 + i},1,2,1,1,1,\n" for i in range(8190)), "--batch")[2]) == 8190
    # a file without rows is an empty batch
    summary, _, found = load(folder, header, "--batch")
    assert summary["rows"] == 0 and found == []
    summary, _, _ = load(folder, "", "--batch")
    assert summary["rows"] == 0
    run("init", folder / "other")
    done = run("import", folder / "other", "-", "--accounts", "--batch",
               data="batch,id,ledger,code,flags\n1,1,1,1,linked\n1,2,1,1,\n2,3,1,1,linked\n3,4,1,1,\n", status=1)
    assert [a["id"] for a in rows("accounts", folder / "other")] == ["1", "2", "4"], done.stdout


def test_a_cut_off_file_is_no_complete_one(folder):
    ledger(folder / "books")
    text = HEADER + "".join(f"{100 + i},1,2,{10**12 + i},1,1,\n" for i in range(30000))
    whole = gzip.compress(text.encode())
    for part in (len(whole) // 2, len(whole) - 4):
        summary, said, found = load(folder, whole[:part], status=1, name="rows.csv.gz")
        assert "unexpected end of file" in said and "<fd:" not in said, said
        assert summary["unreadable"] == 1
    amounts = {t["id"]: t["amount"] for t in rows("transfers", folder / "books")}
    assert all(int(amount) == 10**12 + int(number) - 100 for number, amount in amounts.items())


def test_batches_go_in_as_they_stand_in_the_file(folder):
    ledger(folder / "books", (1, ""), (2, ""), (3, "debits_must_not_exceed_credits"))
    load(folder, HEADER + "".join(f"{10**6 + i},1,2,5,1,1,\n" for i in range(80000)))
    # the first batch has to read what is there already from disk, the second spends what it brings
    text = HEADER + "".join(f"{10**6 + 9 * i},1,2,5,1,1,\n" for i in range(8189)) + "1000,1,3,7,1,1,\n" + \
        "2000,3,2,7,1,1,\n" + "".join(f"{3000 + i},1,2,1,1,1,\n" for i in range(8189))
    summary, _, found = load(folder, text)
    assert summary["created"] == 8191 and summary["exists"] == 8189, summary
    assert found[8190][2] > found[8189][2]


def test_of_a_cut_off_file_no_batch_is_booked_in_part(folder):
    ledger(folder / "books")
    text = "batch," + HEADER + "".join(f"{i // 100},{100 + i},1,2,{10**12 + i},1,1,\n" for i in range(20000))
    whole = gzip.compress(text.encode())
    for part in (len(whole) // 2, len(whole) - 4):
        load(folder, whole[:part], "--batch", status=1, name="rows.csv.gz")
        assert len(booked(folder)) > 0 and len(booked(folder)) % 100 == 0, len(booked(folder))


def test_captures_take_what_is_left(folder):
    ledger(folder / "books")
    text = "id,debit_account_id,credit_account_id,amount,pending_id,ledger,code,flags\n" \
           "1,1,2,100,,1,1,pending\n2,,,30,1,,,post_pending_transfer|keep_pending\n" \
           "3,,,max,1,,,post_pending_transfer\n" \
           "4,1,2,7,,1,1,pending\n5,,,,4,,,void_pending_transfer\n6,,,max,3,,,reversal\n7,,,,,,,bind_id\n"
    summary, _, found = load(folder, text)
    assert [name for _, name, _ in found] == ["created"] * 6 + ["id_bound"]
    assert summary["refused"] == 0
    assert row("transfers", folder / "books", 3)["amount"] == "70"
    assert row("balance", folder / "books", 1) == {
        "id": "1", "debits_pending": "0", "debits_posted": "100", "credits_pending": "0", "credits_posted": "70"}


cli.main(globals())
