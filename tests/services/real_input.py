#!/usr/bin/env python3
"""Real input by HTTP: the PaySim extract, and the standing orders of a Czech bank.

Each is added up here by a few lines of Python that know nothing of the platform; every wallet must come out the same.
"""

import csv
import decimal
import gzip
import subprocess

import live
from live import Platform, decimal_text, minor

PAYSIM = live.DATA / "paysim/paysim-sample.csv.gz"
ORDERS = live.DATA / "czech-bank/orders.csv.gz"
if not PAYSIM.exists() or not ORDERS.exists():
    live.skip("the real data is not beside the project")


def cents(text):
    return int((decimal.Decimal(text) * 100).to_integral_value(decimal.ROUND_HALF_EVEN))


def balances(platform, wallets):
    """What the platform says each wallet has."""

    def posted(wallet):
        return minor(platform.get("account", f"/api/v1/accounts/{wallet}")["balances"]["posted"])

    names = list(wallets)
    found = live.in_order([lambda w=wallets[n]: posted(w) for n in names], [[n] for n in names])
    return dict(zip(names, found))


def check_books(platform):
    status = platform.stop()
    assert status == 0, f"micropay up ended with {status}"
    done = subprocess.run([live.MICROPAY, "verify", platform.folder / "ledger"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def open_wallets(platform, opening, currency):
    """Wallets by name, with what they have at first."""

    def make(name):
        wallet = platform.wallet(name, currency)
        if opening[name] > 0:
            platform.deposit(wallet, decimal_text(opening[name]), currency, f"opening:{name}")
        return wallet

    names = list(opening)
    return dict(zip(names, live.in_order([lambda n=n: make(n) for n in names], [[n] for n in names])))


def paysim_rows():
    with gzip.open(PAYSIM, "rt", newline="") as file:
        for row in csv.DictReader(file):
            amount = cents(row["amount"])
            if amount > 0:
                yield row["type"], amount, row


def test_paysim(folder):
    platform = Platform(folder / "data", "fraud_rules.review_above=0", "fraud_rules.velocity_count=0")
    opening, rows = {}, list(paysim_rows())
    for kind, _, row in rows:
        opening.setdefault(row["nameOrig"], cents(row["oldbalanceOrg"]))
        if kind in ("PAYMENT", "TRANSFER"):
            opening.setdefault(row["nameDest"], cents(row["oldbalanceDest"]))
    wallets = open_wallets(platform, opening, "USD")

    expected, refused = dict(opening), 0
    work, names = [], []
    for number, (kind, amount, row) in enumerate(rows):
        payer, payee = row["nameOrig"], row["nameDest"]
        short = kind != "CASH_IN" and expected[payer] < amount
        refused += short
        if not short:
            expected[payer] += amount if kind == "CASH_IN" else -amount
            if kind in ("PAYMENT", "TRANSFER"):
                expected[payee] += amount
        body = {"amount": decimal_text(amount), "currency": "USD"}
        if kind in ("PAYMENT", "TRANSFER"):
            path = "/api/v1/payments"
            body |= {"payer": wallets[payer], "payee": wallets[payee]}
        else:
            path = f"/api/v1/accounts/{wallets[payer]}/{'deposits' if kind == 'CASH_IN' else 'withdrawals'}"
            body |= {"source": "bank" if kind == "DEBIT" else "cash"}
        status = 422 if short else 201
        work.append(lambda p=path, b=body, n=number, s=status: platform.post("payment", p, b, f"row:{n}", s))
        names.append([payer, payee])
    live.in_order(work, names)
    assert balances(platform, wallets) == expected
    print(f"{len(rows)} movements of {len(wallets)} wallets, {refused} refused for want of money")
    check_books(platform)


def test_czech_standing_orders(folder):
    platform = Platform(folder / "data", "fraud_rules.review_above=0", "fraud_rules.velocity_count=0")
    with gzip.open(ORDERS, "rt", newline="") as file:
        orders = list(csv.DictReader(file, delimiter=";"))
    opening, received = {}, {}
    for order in orders:
        payer = order["account_id"]
        payee = f"{order['bank_to']}-{order['account_to']}"
        opening[payer] = opening.get(payer, 0) + cents(order["amount"])
        received[payee] = received.get(payee, 0) + cents(order["amount"])
    wallets = open_wallets(platform, opening | {payee: 0 for payee in received}, "CZK")

    def pay(order):
        body = {
            "payer": wallets[order["account_id"]],
            "payee": wallets[f"{order['bank_to']}-{order['account_to']}"],
            "amount": decimal_text(cents(order["amount"])),
            "currency": "CZK",
            "reference": f"order-{order['order_id']}",
        }
        return platform.post("payment", "/api/v1/payments", body, f"order:{order['order_id']}")

    live.in_order([lambda o=o: pay(o) for o in orders], [[o["account_id"]] for o in orders])
    assert balances(platform, wallets) == {name: 0 for name in opening} | received
    # an order that is sent again moves nothing
    again = pay(orders[0])
    assert again["status"] == "completed"
    first = orders[0]["account_id"]
    text = platform.get(
        "account", f"/api/v1/accounts/{wallets[first]}/statement?limit=100", headers={"Accept": "text/csv"}
    )
    lines = list(csv.DictReader(text.splitlines()))
    assert sum(minor(line["credit"] or "0") - minor(line["debit"] or "0") for line in lines) == 0
    print(f"{len(orders)} standing orders of {len(opening)} accounts to {len(received)} payees")
    check_books(platform)


live.main(globals())
