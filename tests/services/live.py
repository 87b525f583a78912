"""What tests of the running platform share: starting `micropay up`, asking it, running a file's tests.

$MICROPAY is the command, $MICROPAY_TEST_DATA the folder of real data beside the project.
"""

import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading

MICROPAY = os.environ["MICROPAY"]
DATA = pathlib.Path(os.environ.get("MICROPAY_TEST_DATA", pathlib.Path(__file__).resolve().parents[3] / "shared/data"))


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


class Platform:
    """A `micropay up` on free ports, with a folder of its own."""

    def __init__(self, folder, *settings):
        self.folder, self.settings = pathlib.Path(folder), settings
        self.ports = {}
        self.local = threading.local()
        self.start()

    def start(self):
        sets = [word for setting in self.settings for word in ("--set", setting)]
        self.process = subprocess.Popen(
            [MICROPAY, "up", "--data", str(self.folder), "--port-base", "0", *sets],
            stdout=subprocess.PIPE,
            stderr=open(f"{self.folder}.log", "ab"),
            text=True,
        )
        for line in self.process.stdout:
            found = re.match(r"(\w+)\s+http://127.0.0.1:(\d+)\s+ready", line)
            if found:
                self.ports[found.group(1)] = int(found.group(2))
            if line.startswith("ready in"):
                break
        else:
            raise AssertionError(pathlib.Path(f"{self.folder}.log").read_text()[-3000:])
        self.key = (self.folder / "test-key").read_text()
        self.local = threading.local()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    @property
    def urls(self):
        return {service: f"http://127.0.0.1:{port}" for service, port in self.ports.items()}

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.stdout.read()
        return self.process.wait(timeout=60)

    def ask(self, service, method, path, body=None, key=None, headers=None):
        """Returns status, body (parsed if it is JSON) and headers. A connection a thread and service."""
        known = self.local.__dict__.setdefault("connections", {})
        connection = known.get(service)
        if connection is None:
            connection = known[service] = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=60)
        sent = {"Authorization": f"Bearer {self.key}", "Prefer": "wait=30", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = json.dumps(body)
        if key is not None:
            sent["Idempotency-Key"] = key
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read()
        except Exception:
            del known[service]
            connection.close()
            raise
        kind = answer.headers.get("Content-Type", "")
        return answer.status, json.loads(text) if "json" in kind else text.decode(), answer.headers

    def post(self, service, path, body, key, status=201):
        got, answer, _ = self.ask(service, "POST", path, body, key)
        assert got == status, f"POST {path} {body}: {got} {answer}"
        return answer

    def get(self, service, path, status=200, headers=None):
        got, answer, _ = self.ask(service, "GET", path, headers=headers)
        assert got == status, f"GET {path}: {got} {answer}"
        return answer

    def wallet(self, name, currency):
        return self.post("account", "/api/v1/accounts", {"currency": currency, "reference": name}, f"wallet:{name}")["id"]

    def deposit(self, account, amount, currency, key):
        body = {"amount": amount, "currency": currency}
        return self.post("payment", f"/api/v1/accounts/{account}/deposits", body, key)


def decimal_text(minor):
    return f"{minor // 100}.{minor % 100:02}"


def minor(text):
    whole, _, part = text.partition(".")
    return int(whole) * 100 + int((part + "00")[:2])


def in_order(work, names, threads=16):
    """Does each piece of work once those before it that share a name are done; returns the results."""
    last = {}
    results = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        window = collections.deque()
        for piece, of in zip(work, names):
            before = [last[name] for name in of if name in last]

            def run(piece=piece, before=before):
                for future in before:
                    future.result()
                return piece()

            future = pool.submit(run)
            for name in of:
                last[name] = future
            results.append(future)
            window.append(future)
            if len(window) > 4 * threads:
                window.popleft().result()
        return [future.result() for future in results]


def main(namespace):
    """Runs the functions called test_*, each with a folder of its own; names on the command line choose some."""
    import traceback

    failed = 0
    for name, test in list(namespace.items()):
        if not name.startswith("test_") or (len(sys.argv) > 1 and name not in sys.argv[1:]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(pathlib.Path(folder))
                print(f"ok {name}", flush=True)
            except Exception:
                failed += 1
                traceback.print_exc()
                print(f"not ok {name}", flush=True)
    sys.exit(1 if failed else 0)
