#!/usr/bin/env python3
"""The verbs that ask the platform, against one that runs: pay, hold, payment, wallet, events, topics, dlq, replay, demo."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile

import cli

sys.path.insert(0, str(cli.SOURCE / "tests/services"))
from live import MICROPAY, Platform

PLATFORM = None


def here():
    """What verbs need to find the platform: the key is the data directory's."""
    return {"MICROPAY_DATA": str(PLATFORM.folder), "MICROPAY_KEY": ""}


def run(*arguments, status=0, env=None):
    return cli.run(*arguments, status=status, env={**here(), **(env or {})})


def row(*arguments, **options):
    lines = run(*arguments, "--json", **options).stdout.splitlines()
    assert len(lines) == 1, lines
    return json.loads(lines[0])


def available(name):
    wallets = {wallet["name"]: wallet for wallet in row("wallet", "list")["data"] if "name" in wallet}
    return wallets[name]["balances"]["available"]


def test_a_wallet_that_is_named_appears_once_with_its_money(folder):
    first = row("wallet", "open", "ann")
    assert first["balances"]["available"] == "1000.00" and first["name"] == "ann"
    assert row("wallet", "open", "ann")["id"] == first["id"]
    assert row("wallet", "open", "ann", "--currency", "JPY")["balances"]["available"] == "1000"
    text = run("wallet", "list").stdout
    assert re.search(rf"^ann +{first['id']} +EUR +1000.00 +1000.00 +active$", text, re.MULTILINE), text


def test_pay_moves_money_and_shows_both_balances(folder):
    text = run("pay", "pat", "quinn", "12.50", "EUR").stdout
    assert re.search(r"^payment \S+  completed  12.50 EUR  from pat to quinn$", text, re.MULTILINE), text
    assert re.search(r"^pat +1000.00 +987.50$", text, re.MULTILINE), text
    assert re.search(r"^quinn +1000.00 +1012.50$", text, re.MULTILINE), text
    assert available("pat") == "987.50"


def test_watch_shows_every_event_of_it_then_records_and_balances(folder):
    text = run("pay", "walt", "xena", "5", "EUR", "--watch").stdout
    places = [text.index(what) for what in (
        "payment.initiated", "payment.processing", "payment.captured", "payment.completed", "from walt to xena",
        "ledger transfer", "available before")]
    assert places == sorted(places), text
    assert re.search(r"^[0-9a-f-]{36} +walt +5.00 +995.00$", text, re.MULTILINE), text
    lines = [json.loads(line) for line in run("pay", "walt", "xena", "5", "EUR", "--watch", "--json").stdout.splitlines()]
    assert [line["type"] for line in lines if line.get("type", "").startswith("payment.")] == [
        "payment.initiated", "payment.processing", "payment.captured", "payment.completed"], lines
    assert lines[-1]["status"] == "completed"


def test_a_payment_that_the_payer_cannot_afford_says_what_is_missing(folder):
    done = run("pay", "poor", "rich", "5000", "EUR", status=1)
    for part in ("insufficient-funds", "poor", "available  1000.00", "missing    4000.00", "Deposit what is missing"):
        assert part in done.stderr, done.stderr
    problem = json.loads(run("pay", "poor", "rich", "5000", "EUR", "--json", status=1).stderr)
    assert problem["missing"] == "4000.00"
    assert available("poor") == "1000.00"


def test_the_same_key_pays_once(folder):
    first = row("pay", "kay", "lee", "1", "EUR", "--key", "k1")
    assert row("pay", "kay", "lee", "1", "EUR", "--key", "k1")["id"] == first["id"]
    assert "nothing was paid again" in run("pay", "kay", "lee", "1", "EUR", "--key", "k1").stdout
    assert available("kay") == "999.00"
    assert "key-reused" in run("pay", "kay", "lee", "2", "EUR", "--key", "k1", status=1).stderr


def test_curl_commands_do_the_same_and_answer_replayed_the_second_time(folder):
    script = folder / "pay.sh"
    script.write_text(run("pay", "cora", "dan", "3", "EUR", "--curl").stdout)
    environment = {**os.environ, "MICROPAY_KEY": PLATFORM.key}

    def replayed():
        out = subprocess.run(["sh", script], env=environment, capture_output=True, text=True, check=True).stdout
        assert out.count("HTTP/1.1 201") == 5, out
        return out.count("Idempotent-Replayed: true")

    assert (replayed(), replayed()) == (4, 5)  # the wallets were there already, the payment wasn't
    assert available("cora") == "997.00"


def test_a_hotel_bill_in_one_table(folder):
    assert "requires_capture" in run("hold", "guest", "hotel", "80", "EUR").stdout
    run("payment", "capture", "30")
    run("payment", "increase", "20")
    assert "amount-too-large" in run("payment", "capture", "71", status=1).stderr
    run("payment", "capture", "70")
    text = run("payment", "refund", "25").stdout
    assert re.search(r"partially_refunded  100.00 EUR  from guest to hotel$", text, re.MULTILINE), text
    found = [re.split(r" {2,}", line) for line in text.splitlines()[2:]]
    assert [line[1:6] for line in found] == [
        ["hold", "80.00", "80.00", "0.00", "0.00"],
        ["capture", "30.00", "50.00", "30.00", "0.00"],
        ["increment", "20.00", "70.00", "30.00", "0.00"],
        ["capture", "70.00", "0.00", "100.00", "0.00"],
        ["refund", "25.00", "0.00", "100.00", "25.00"],
    ], text
    assert run("payment", "show").stdout == text
    assert (available("guest"), available("hotel")) == ("925.00", "1075.00")


def test_an_older_payment_goes_by_its_id(folder):
    first = row("hold", "ida", "shop", "10", "EUR")["id"]
    run("hold", "ida", "shop", "20", "EUR")
    assert row("payment", "cancel", "--id", first)["status"] == "cancelled"
    assert row("payment", "show")["amount"] == "20.00"
    assert row("payment", "extend", "P2D")["status"] == "requires_capture"
    assert row("payment", "capture", "5", "--final")["amount_captured"] == "5.00"
    assert available("ida") == "995.00"
    assert row("payment", "list", "--limit", 2)["data"][0]["amount"] == "20.00"


def test_a_frozen_wallet_neither_pays_nor_is_paid(folder):
    row("wallet", "open", "fay")
    assert row("wallet", "freeze", "fay")["frozen"] == "all"
    assert "account-frozen" in run("pay", "fay", "gus", "1", "EUR", status=1).stderr
    assert "frozen" not in row("wallet", "unfreeze", "fay")
    run("pay", "fay", "gus", "1", "EUR")


def test_a_statement_shows_what_moved_a_wallet(folder):
    run("pay", "stan", "tess", "7.25", "EUR")
    text = run("wallet", "statement", "stan").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["booked", "what", "payment", "debit", "credit", "balance"]
    assert [line[1] for line in lines[1:]] == ["deposit", "payment"]
    assert lines[2][-2:] == ["7.25", "992.75"]
    assert row("wallet", "statement", "stan", "--newest")["data"][0]["debit"] == "7.25"


def test_outcomes_are_simulated(folder):
    assert "fraud-denied" in run("pay", "sim", "tim", "1", "EUR", "--simulate", "fraud-deny", status=1).stderr
    assert row("pay", "sim", "tim", "1", "EUR", "--simulate", "fraud-review")["status"] == "in_review"


def test_events_are_shown_as_they_happen(folder):
    process = subprocess.Popen(
        [MICROPAY, "events", "--watch", "--json"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, **here()},
    )
    try:
        done = None
        for _ in range(20):  # it may not watch yet when the first is made
            done = row("pay", "eve", "fin", "1", "EUR")["id"]
            line = json.loads(process.stdout.readline())
            if line["tenant"] == "main":
                break
        while not (line["type"] == "payment.completed" and line["subject"] == done):
            line = json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def test_topics_are_listed_and_their_schemas_written(folder):
    text = run("topics").stdout
    assert "micropay.payment" in text and "payment.refund.failed" in text
    types = [json.loads(line)["type"] for line in run("topics", "--json").stdout.splitlines()]
    run("topics", "--schemas", folder / "schemas")
    assert sorted(path.name for path in (folder / "schemas").iterdir()) == sorted(f"{name}.1.json" for name in types)
    assert json.loads(run("topics", "--asyncapi").stdout)["asyncapi"] == "3.0.0"


def park(account, *currencies):
    """Parks account.created once for each currency, as the balance service does; returns the number of the first."""
    PLATFORM.stop()
    with sqlite3.connect(PLATFORM.folder / "balance.db") as database:
        first = database.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM parked").fetchone()[0]
        for i, currency in enumerate(currencies):
            event = {
                "specversion": "1.0", "source": "/account/0/later", "sequence": str(i + 1), "prev": "0", "id": account,
                "type": "account.created", "subject": account, "time": "2026-01-01T00:00:00Z",
                "dataschema": "https://micropay.dev/schemas/account.created/1", "datacontenttype": "application/json",
                "tenant": "main", "mode": "test", "entityversion": str(i + 1),
                "data": {"account": account, "currency": currency, "ledger": 7, "status": "active"},
            }
            database.execute(
                "INSERT INTO parked VALUES (?, 'balance', 'micropay.account', 0, ?, ?, 1, 'invalid-request', 'cannot read', ?)",
                (first + i, i + 1, bytes.fromhex(account.replace("-", "")), json.dumps(event).encode()))
    database.close()
    PLATFORM.start()
    return first


def test_what_a_service_could_not_apply_is_listed_shown_applied_and_dropped(folder):
    account = "0197c5a0-0000-7000-8000-00000000d1d1"
    first = park(account, "EUR", "QQQ", "EUR")
    of = ("--service", "balance")
    text = run("dlq", "list").stdout
    assert re.search(rf"^balance +{first} .*account.created +{account} +invalid-request", text, re.MULTILINE), text
    assert [json.loads(line)["service"] for line in run("dlq", "list", "--json").stdout.splitlines()] == [
        "account", "balance", "payment", "transaction"]
    assert [letter["number"] for letter in row("dlq", "list", *of)["data"]] == [str(first + i) for i in range(3)]
    assert '"QQQ"' in run("dlq", "show", first + 1, *of).stdout
    assert row("dlq", "show", first, *of)["content"]["data"]["currency"] == "EUR"
    done = run("dlq", "replay", first + 2, *of, status=1)
    assert f"dead letter {first + 1} was refused again, 1 before it were applied" in done.stderr, done.stderr
    assert "1 of its key stay parked" in run("dlq", "drop", first + 1, *of).stdout
    assert row("dlq", "replay", first + 2, *of)["applied"] == 1
    assert row("dlq", "list", *of)["data"] == []
    assert "not-found" in run("dlq", "show", first, *of, status=1).stderr


def test_a_topic_is_read_again_where_nothing_acts_on_it(folder):
    text = run("replay", "balance", "micropay.account").stdout
    assert "balance reads micropay.account again" in text, text
    assert row("replay", "balance", "micropay.account", "--after", 5)["position"] == "5"
    done = run("replay", "payment", "micropay.account", status=1)
    assert "moves money or calls others" in done.stderr, done.stderr


def test_nobody_there_is_status_3_and_says_what_to_do(folder):
    done = cli.run("pay", "a", "b", "1", "EUR", "--data", folder, status=3, env={"MICROPAY_KEY": ""})
    assert "micropay up" in done.stderr, done.stderr
    done = run("pay", "a", "b", "1", "EUR", "--url", "http://127.0.0.1:9", status=3)
    assert "could not reach the platform" in done.stderr and "micropay up" in done.stderr, done.stderr


def test_usage_errors_have_status_2(folder):
    for arguments, message in (
        (["pay", "a", "b", "1"], "too few arguments"),
        (["pay", "a", "b", "1", "XXQ"], "'XXQ' is no currency"),
        (["pay", "a", "b", "-1", "EUR"], "there is no option -1"),
        (["pay", "a", "b", "1,5", "EUR"], "'1,5' is no amount"),
        (["pay", "a b", "c", "1", "EUR"], "neither an account's id nor a wallet's name"),
        (["payment", "grab"], "no action 'grab'"),
        (["payment", "increase"], "increase lacks its argument"),
        (["payment", "cancel", "3"], "one argument too many"),
        (["payment", "show", "--id", "7"], "'7' is no UUID"),
        (["payment", "extend", "7"], "'7' is no length of time"),
        (["wallet", "melt", "a"], "no action 'melt'"),
        (["dlq", "eat"], "no action 'eat'"),
        (["dlq", "show"], "show lacks its argument"),
        (["dlq", "drop", "3"], "--service names the service"),
        (["dlq", "show", "x", "--service", "balance"], "'x' is no number"),
        (["dlq", "list", "--service", "a\"b"], "is no service"),
        (["replay", "balance"], "too few arguments"),
        (["replay", "balance", "a b"], "'a b' is no topic"),
        (["demo", "dance"], "no demonstration 'dance'"),
        (["demo", "crash", "--payments", "0"], "--payments"),
    ):
        done = run(*arguments, status=2)
        assert message in done.stderr, (arguments, done.stderr)
        assert done.stdout == "", arguments


def test_killed_again_and_again_nothing_is_lost_doubled_or_stuck(folder):
    found = json.loads(cli.run("demo", "crash", "--payments", 120, "--kills", 6, "--json").stdout)
    assert found.pop("seconds") > 0
    assert found == {
        "payments": 120, "kills": 6, "final": 120, "doubled": 0, "stuck": 0, "not_completed": 0, "books_balance": True,
        "ledger_verified": True,
    }


def main():
    global PLATFORM
    with tempfile.TemporaryDirectory() as folder, Platform(folder + "/data") as PLATFORM:
        cli.main(globals())


main()
