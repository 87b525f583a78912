#!/usr/bin/env python3
"""Kills the real `micropay up` again and again under load, then sees that no money was lost or made.

Clients resend with the same keys until they are answered. In the end every payment is final or held, none is doubled,
balances and holds are what payments and answers say, and the ledger's own proof is clean. $MICROPAY is the command. The
instants follow from --seed, though not what the platform was doing then.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from kill_clients import Client, Connection, Tally, minor

MICROPAY = os.environ["MICROPAY"]
BOOKS = pathlib.Path(__file__).resolve().parents[2] / "services/micropay/books.py"
FINAL = ("completed", "partially_refunded", "refunded", "failed", "cancelled")
HELD = ("requires_capture", "partially_captured")
PORTS = 12  # that a platform may take, from its base on
# dying again and again takes longer than payments are given for their verdict
SETTINGS = ("payment.fraud_timeout_ms=60000", "payment.reserve_timeout_ms=300000",
            "fraud_rules.velocity_count=0", "log_level=warn")


def free_base(rng):
    """A port from which on enough are free."""
    while True:
        base = rng.randrange(20000, 30000)
        try:
            for port in range(base, base + PORTS):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue


class Platform:
    """One directory and one set of ports, for many processes one after the other."""

    def __init__(self, folder, base):
        self.data = folder / "data"
        self.base = base
        self.log = folder / "log"
        self.process = None
        self.ports = {}
        self.key = None

    def start(self):
        command = [MICROPAY, "up", "--data", str(self.data), "--port-base", str(self.base)]
        for setting in SETTINGS:
            command += ["--set", setting]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                command, stdout=subprocess.PIPE, stderr=log, text=True)

    def wait(self):
        """Until it is ready."""
        for line in self.process.stdout:
            service = re.match(r"(\S+) +http://[^:]+:(\d+) +ready", line)
            key = re.search(r"MICROPAY_KEY=(\S+)", line)
            if service:
                self.ports[service.group(1)] = int(service.group(2))
            if key:
                self.key = key.group(1)
            if line.startswith("ready in"):
                return
        self.process.wait()
        sys.exit(f"kill: micropay up ended with {self.process.returncode} instead of starting: "
                 f"{self.log.read_text()[-2000:]}")

    def kill(self):
        if self.process.poll() is not None:
            sys.exit(f"kill: micropay up ended by itself with {self.process.returncode}: "
                     f"{self.log.read_text()[-2000:]}")
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process.stdout.close()
        return status


# --- before and while it is killed ------------------------------------------------------------------


def make_wallets(platform, count, deposits):
    """Opens wallets and puts money in; one of them stays empty, so that some payments fail."""
    account = Connection(platform.ports["account"], platform.key)
    payment = Connection(platform.ports["payment"], platform.key)
    wallets = []

    for number in range(count):
        status, _, wallet = account.ask("POST", "/api/v1/accounts", {"currency": "EUR"},
                                        f"wallet-{number}")
        if status != 201:
            sys.exit(f"kill: could not open a wallet: {status} {wallet}")
        wallets.append(wallet["id"])
        if number == 0:
            continue
        status, _, deposit = payment.ask("POST", f"/api/v1/accounts/{wallet['id']}/deposits",
                                         {"amount": "1000.00", "currency": "EUR"},
                                         f"deposit-{number}")
        if status != 201:
            sys.exit(f"kill: could not put money in: {status} {deposit}")
        deposits.append(deposit["id"])
    return wallets


def kill_again_and_again(platform, kills, rng, tally):
    """Dies at random instants: most while it works, a fifth while it starts."""
    for number in range(kills):
        if number > 0:
            platform.start()
        if rng.random() < 0.2 and number > 0:
            time.sleep(rng.uniform(0, 0.1))
            tally.count("killed while starting")
        else:
            if number > 0:
                platform.wait()
            time.sleep(rng.uniform(0, 0.5))
        platform.kill()
        tally.count("kills")
    platform.start()
    platform.wait()


# --- what must be true then -------------------------------------------------------------------------


def all_payments(platform):
    """All payments by their ids, as the API lists them."""
    api = Connection(platform.ports["payment"], platform.key)
    found, cursor = {}, ""
    while True:
        status, _, page = api.ask("GET", f"/api/v1/payments?limit=1000{cursor}")
        if status != 200:
            sys.exit(f"kill: could not list payments: {status} {page}")
        for payment in page["data"]:
            if payment["id"] in found:
                raise AssertionError(f"payment {payment['id']} is listed twice")
            found[payment["id"]] = payment
        if not page.get("next"):
            return found
        cursor = f"&cursor={page['next']}"


def wait_until_settled(platform, tally, patience_s):
    """All payments, once none is under way."""
    give_up = time.monotonic() + patience_s
    while True:
        payments = all_payments(platform)
        left = [p for p in payments.values() if p["status"] not in FINAL + HELD]
        if not left or time.monotonic() > give_up:
            break
        time.sleep(0.5)
    for payment in left[:20]:
        tally.violate(f"payment {payment['id']} is still {payment['status']}: {payment}")
    return payments


def check_payments(payments, tally, deposits):
    """None is missing or beyond those asked for, and each stands as its answers said."""
    unknown = set(payments) - set(tally.payments) - set(deposits)
    missing = set(tally.payments) - set(payments)
    for payment in sorted(unknown)[:20]:
        tally.violate(f"nobody was told of payment {payment}: {payments[payment]}")
    for payment in sorted(missing)[:20]:
        tally.violate(f"payment {payment} was answered and isn't there")
    for known in tally.payments.values():
        payment = payments.get(known.id)
        if payment is None:
            continue
        is_so = (known.payer, known.payee, known.amount, known.captured, known.refunded, known.status)
        says = (payment["payer"], payment["payee"], minor(payment["amount"]),
                minor(payment["amount_captured"]), minor(payment["amount_refunded"]),
                payment["status"])
        if is_so != says:
            tally.violate(f"payment {known.id} should be {is_so}: {payment}")


def check_operations(platform, payments, tally):
    """What was captured and refunded is the sum of what was asked and done, each once."""
    api = Connection(platform.ports["payment"], platform.key)

    for known in list(tally.payments.values()):
        status, _, payment = api.ask("GET", f"/api/v1/payments/{known.id}")
        if status != 200:
            tally.violate(f"payment {known.id} can't be seen: {status} {payment}")
            continue
        seen = [(o["kind"], o["id"]) for o in payment["operations"]]
        sums = collections.Counter()
        for operation in payment["operations"]:
            if operation["status"] == "succeeded":
                sums[operation["kind"]] += minor(operation.get("amount", "0"))
            elif operation["status"] == "pending":
                tally.violate(f"of payment {known.id} an operation is unanswered: {operation}")
        if len(set(seen)) != len(seen):
            tally.violate(f"payment {known.id} has an operation twice: {payment}")
        if sums["capture"] != known.captured or sums["refund"] != known.refunded:
            tally.violate(f"the operations of payment {known.id} aren't its sums: {payment}")


def expected_balances(payments):
    """(posted, held) of each account, from the payments as the API shows them."""
    posted, held = collections.Counter(), collections.Counter()
    for payment in payments.values():
        moved = minor(payment["amount_captured"]) - minor(payment["amount_refunded"])
        posted[payment["payer"]] -= moved + minor(payment["fee_captured"])
        posted[payment["payee"]] += moved
        if payment["status"] in HELD:
            held[payment["payer"]] += minor(payment["amount_capturable"])
    return posted, held


def check_balances(platform, wallets, payments, tally):
    """Each wallet has what its payments moved, and holds what open payments hold."""
    posted, held = expected_balances(payments)

    def look(wallet):
        api = Connection(platform.ports["account"], platform.key)
        status, _, account = api.ask("GET", f"/api/v1/accounts/{wallet}")
        if status != 200:
            tally.violate(f"wallet {wallet} can't be seen: {status} {account}")
            return
        balances = account["balances"]
        has = minor(balances["posted"]), minor(balances["pending_out"])
        if has != (posted[wallet], held[wallet]):
            tally.violate(f"wallet {wallet} has {has}, its payments say "
                          f"{(posted[wallet], held[wallet])}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(look, wallets))


def micropay(*arguments):
    return subprocess.run([MICROPAY, *map(str, arguments)], capture_output=True, text=True, check=False)


def check_ledger(platform, wallets, payments, tally):
    """The ledger proves itself, its sums are those of the payments, and hledger agrees."""
    ledger = platform.data / "ledger"
    proof = micropay("verify", ledger)
    if proof.returncode != 0:
        tally.violate(f"micropay verify: {proof.stdout}{proof.stderr}")
    posted, _ = expected_balances(payments)
    listed = micropay("accounts", ledger, "--json").stdout
    sums = collections.Counter()
    for line in listed.splitlines():
        for field in "credits_posted", "debits_posted", "credits_pending", "debits_pending":
            sums[field] += int(re.search(f'"{field}":"?(\\d+)', line).group(1))
    held = sum(minor(p["amount_capturable"]) for p in payments.values() if p["status"] in HELD)
    if sums["credits_posted"] != sums["debits_posted"]:
        tally.violate(f"the books don't balance: {sums}")
    if sums["debits_pending"] != held or sums["credits_pending"] != held:
        tally.violate(f"the ledger holds {sums}, open payments {held}")
    if sum(posted[wallet] for wallet in wallets) != deposited(payments):
        tally.violate("wallets have another sum than was put in less what was taken out")
    if shutil.which("hledger") is not None:
        check_hledger(ledger, listed, tally)


def deposited(payments):
    """What came into all wallets from outside: deposits less withdrawals and fees."""
    return sum(
        (minor(p["amount_captured"]) - minor(p["amount_refunded"]))
        * {"deposit": 1, "withdrawal": -1}.get(p["kind"], 0)
        - minor(p["fee_captured"])
        for p in payments.values())


def check_hledger(ledger, listed, tally):
    journal = micropay("export", ledger, "--format", "hledger").stdout
    balances = subprocess.run(["hledger", "-f", "-", "balance", "-N", "-E", "--flat", "-O", "csv"],
                              input=journal, capture_output=True, text=True, check=False)
    if balances.returncode != 0:
        tally.violate(f"hledger: {balances.stderr}")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(listed)
        file.flush()
        done = subprocess.run([sys.executable, BOOKS, "journal", file.name], input=balances.stdout,
                              capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout.startswith("equal: all"):
        tally.violate(f"hledger has other balances: {done.stdout}{done.stderr}")


# --- all of it --------------------------------------------------------------------------------------


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--wallets", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None, help="of the instants; drawn unless given")
    parser.add_argument("--dir", default=None, help="where the data is made (default: a temporary directory)")
    parser.add_argument("--keep", action="store_true", help="leaves the data there")
    return parser.parse_args()


def run(options, folder):
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}", flush=True)
    tally, deposits = Tally(), []
    platform = Platform(folder, free_base(rng))
    platform.start()
    platform.wait()
    try:
        wallets = make_wallets(platform, options.wallets, deposits)
        clients = [Client(number, platform.ports, platform.key, wallets, tally, seed)
                   for number in range(options.clients)]
        for client in clients:
            client.start()
        kill_again_and_again(platform, options.kills, rng, tally)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(120)
            if client.is_alive():
                tally.violate(f"client {client.number} has still no answer")
        payments = wait_until_settled(platform, tally, 60)
        check_payments(payments, tally, deposits)
        check_operations(platform, payments, tally)
        check_balances(platform, wallets, payments, tally)
        if platform.stop() != 0:
            tally.violate("the last process didn't end in time")
        check_ledger(platform, wallets, payments, tally)
    finally:
        if platform.process.poll() is None:
            platform.process.kill()
            platform.process.wait()
    statuses = collections.Counter(payment["status"] for payment in payments.values())
    print("; ".join(f"{count} {what}" for what, count in sorted(tally.counts.items())))
    print(f"{len(payments)} payments: " + ", ".join(f"{n} {s}" for s, n in sorted(statuses.items())))
    return tally.violations


def main():
    options = parse_options()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kill-", dir=options.dir))
    violations = []
    try:
        violations = run(options, folder)
    finally:
        if options.keep or violations:
            print(f"the data is in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for violation in violations[:50]:
        print(f"VIOLATION {violation}")
    print(f"{len(violations)} violations")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
