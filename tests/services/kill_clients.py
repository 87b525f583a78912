"""Clients of a platform that is killed again and again: what they ask, and what they were answered.

Each sends a request with one key until it is answered for good, however often the platform dies meanwhile, and keeps
what must be true in the end. One client alone changes a payment, so it knows how the payment must stand.
"""

import http.client
import json
import random
import threading
import time

AGAIN = (202, 429, 503)  # not an answer for good: the same key again


class Violation(Exception):
    """Something that must never be."""


class Tally:
    """What all clients have seen; the lock is for all of it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.payments = {}  # id: Payment
        self.violations = []
        self.counts = {}

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def violate(self, text):
        with self.lock:
            self.violations.append(text)


class Payment:
    """How a payment must stand by the answers about it, in minor units."""

    def __init__(self, body):
        self.id = body["id"]
        self.kind = body["kind"]
        self.payer, self.payee = body["payer"], body["payee"]
        self.amount = minor(body["amount"])
        self.captured = self.refunded = 0
        self.status = body["status"]


def minor(text):
    whole, _, rest = text.partition(".")
    return int(whole) * 100 + int(rest or "0")


def text_of(amount):
    return f"{amount // 100}.{amount % 100:02}"


class Connection:
    """Asks one service; a lost connection is made anew with the next request."""

    def __init__(self, port, key):
        self.port, self.key = port, key
        self.http = None

    def ask(self, method, path, body=None, key=None, wait_s=10):
        """(status, headers, JSON); the status is 0 if there was no whole answer."""
        headers = {"Authorization": f"Bearer {self.key}", "Prefer": f"wait={wait_s}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            if self.http is None:
                self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=wait_s + 20)
            self.http.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.http.getresponse()
            return answer.status, answer.headers, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, {}, {}

    def close(self):
        if self.http is not None:
            self.http.close()
        self.http = None


class Client(threading.Thread):
    """Pays, holds, captures, refunds, until it is told to stop."""

    def __init__(self, number, ports, key, wallets, tally, seed):
        super().__init__(daemon=True)
        self.number = number
        self.payments = Connection(ports["payment"], key)
        self.wallets = wallets
        self.tally = tally
        self.random = random.Random(f"{seed}-{number}")
        self.keys = 0
        self.done = []  # (path, body, key, status, id) to be asked once more
        self.refundable = []
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                self.random.choices(
                    [self.pay, self.hold, self.refund, self.deposit, self.withdraw, self.repeat],
                    [10, 5, 3, 1, 1, 3])[0]()
            except Violation as violation:
                self.tally.violate(f"client {self.number}: {violation}")
            except Exception as error:  # pylint: disable=broad-except
                self.tally.violate(f"client {self.number}: {error!r}")
        self.payments.close()

    # --- asking ---

    def new_key(self):
        self.keys += 1
        return f"client-{self.number}-{self.keys}"

    def answer(self, path, body, key):
        """Sends the very same request until it is answered for good."""
        times = 0
        while True:
            status, headers, answer = self.payments.ask("POST", path, body, key)
            times += 1
            if status == 0:
                time.sleep(0.02)
            elif status >= 500 and status != 503:
                raise Violation(f"POST {path} {key} was answered with {status}: {answer}")
            elif status not in AGAIN:
                break
            if times == 2000:
                raise Violation(f"POST {path} {key} is not answered: {status} {answer}")
        self.tally.count("answers")
        self.tally.count("sent again", times - 1)
        if times > 1 and headers.get("Idempotent-Replayed") == "true":
            self.tally.count("replayed after a loss")
        return status, answer

    def post(self, path, body, expected):
        """The status and the payment that the answer is about."""
        key = self.new_key()
        status, answer = self.answer(path, body, key)
        problem = answer.get("type", "").rpartition("/")[2]
        if status not in expected and problem not in expected:
            raise Violation(f"POST {path} {key} {body} was answered with {status}: {answer}")
        about = answer if status < 300 else answer.get("payment")
        if about is not None:
            self.done.append((path, body, key, status, about["id"]))
        return status, about

    def begin(self, path, body, *expected):
        """Starts a payment; None if it failed, as it may."""
        status, about = self.post(path, body, (201, *expected))
        if about is None:
            return None
        payment = Payment(about)
        with self.tally.lock:
            if payment.id in self.tally.payments:
                raise Violation(f"two keys have payment {payment.id}")
            self.tally.payments[payment.id] = payment
        if payment.amount != minor(body["amount"]):
            raise Violation(f"payment {payment.id} of {body} is of {about['amount']}")
        if status == 201 and payment.status == "completed":
            payment.captured = payment.amount
        return payment

    # --- what clients do ---

    def two_wallets(self):
        return self.random.sample(self.wallets, 2)

    def pay(self):
        payer, payee = self.two_wallets()
        body = {"payer": payer, "payee": payee, "amount": text_of(self.random.randint(1, 3000)),
                "currency": "EUR"}
        if self.random.random() < 0.25:
            body["fee"] = {"fixed": "0.10", "ppm": 15000}
        payment = self.begin("/api/v1/payments", body, "insufficient-funds")
        if payment is not None and payment.status not in ("completed", "failed"):
            raise Violation(f"payment {payment.id} was answered as {payment.status}")
        if payment is not None and payment.status == "completed":
            self.refundable.append(payment)

    def hold(self):
        payer, payee = self.two_wallets()
        body = {"payer": payer, "payee": payee, "amount": text_of(self.random.randint(100, 3000)),
                "currency": "EUR", "capture": "manual"}
        payment = self.begin("/api/v1/payments", body, "insufficient-funds")
        if payment is None or payment.status != "requires_capture":
            return
        for _ in range(self.random.randint(0, 3)):
            self.random.choice([self.capture_part, self.increase, self.extend])(payment)
            if payment.status not in ("requires_capture", "partially_captured"):
                return
        self.random.choice([self.capture_rest, self.cancel, lambda _: None])(payment)

    def change(self, payment, verb, body, *expected):
        """Asks for something of a payment; the status of the answer."""
        status, about = self.post(f"/api/v1/payments/{payment.id}/{verb}", body, (201, *expected))
        if about is not None:
            if about["id"] != payment.id:
                raise Violation(f"{verb} of {payment.id} was answered with {about['id']}")
            payment.status = about["status"]
        return status, about

    def capture(self, payment, amount, final):
        status, about = self.change(payment, "captures", {"amount": text_of(amount), "final": final})
        payment.captured += amount if status == 201 else 0
        if about and minor(about["amount_captured"]) != payment.captured:
            raise Violation(f"of {payment.id} {payment.captured} was captured, not {about}")
        if payment.status == "completed":
            self.refundable.append(payment)

    def capture_part(self, payment):
        left = payment.amount - payment.captured
        if left > 1:
            self.capture(payment, self.random.randint(1, left - 1), False)

    def capture_rest(self, payment):
        left = payment.amount - payment.captured
        self.capture(payment, self.random.randint(1, left), True)

    def increase(self, payment):
        amount = self.random.randint(1, 500)
        status, about = self.change(payment, "increments", {"amount": text_of(amount)},
                                    "insufficient-funds")
        payment.amount += amount if status == 201 else 0
        if status == 201 and minor(about["amount"]) != payment.amount:
            raise Violation(f"{payment.id} is of {payment.amount}, not {about['amount']}")

    def extend(self, payment):
        self.change(payment, "extensions", {"hold_for": "P3D"})

    def cancel(self, payment):
        self.change(payment, "cancel", {}, 200, "payment-already-captured")
        # what was captured stays, the rest is released; a repeat after a loss may not show it
        payment.status = "completed" if payment.captured > 0 else "cancelled"

    def refund(self):
        if not self.refundable:
            return
        payment = self.random.choice(self.refundable)
        left = payment.captured - payment.refunded
        if left == 0:
            self.refundable.remove(payment)
            return
        amount = self.random.randint(1, left)
        status, about = self.change(payment, "refunds",
                                    {"amount": text_of(amount), "on_insufficient": "fail"},
                                    "recipient-short", "insufficient-funds")
        payment.refunded += amount if status == 201 else 0
        if status == 201 and minor(about["amount_refunded"]) != payment.refunded:
            raise Violation(f"of {payment.id} {payment.refunded} was refunded, not {about}")

    def deposit(self):
        self.begin(f"/api/v1/accounts/{self.random.choice(self.wallets)}/deposits",
                   {"amount": text_of(self.random.randint(1, 5000)), "currency": "EUR"})

    def withdraw(self):
        self.begin(f"/api/v1/accounts/{self.random.choice(self.wallets)}/withdrawals",
                   {"amount": text_of(self.random.randint(1, 5000)), "currency": "EUR"},
                   "insufficient-funds")

    def repeat(self):
        """An old request, once more: the same payment, and the same kind of answer."""
        if not self.done:
            return
        path, body, key, status, payment = self.random.choice(self.done)
        again, answer = self.answer(path, body, key)
        about = answer if again < 300 else answer.get("payment", {})
        self.tally.count("old keys once more")
        if about.get("id", payment) != payment:
            raise Violation(f"{key} was answered with payment {payment}, then with {again} {answer}")
        # a repeat shows the payment as it is now: cancelled since is the only other answer there is
        if again != status and answer.get("type", "").rpartition("/")[2] != "payment-cancelled":
            raise Violation(f"{key} was answered with {status}, then with {again}: {answer}")
