#!/usr/bin/env python3
"""Asks every route of every service, as its OpenAPI document describes them, thousands of things that it might not
expect, and checks each answer against the document: no 5xx, no status, media type, header or body beside it, nothing
malformed let through, nothing for those without a key.

Runs Schemathesis (4.x) and openapi-spec-validator from build/venv, which pip fills if it is missing; without them the
test is skipped. $MICROPAY is the command, $MICROPAY_SOURCE the project. MICROPAY_RUNS=N asks for more than CI does.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

SOURCE = pathlib.Path(os.environ["MICROPAY_SOURCE"])
HERE = pathlib.Path(__file__).resolve().parent
VENV = SOURCE / "build/venv"
EXAMPLES = os.environ.get("MICROPAY_RUNS", "5")
LIMIT_S = 600

# What a description can't say makes some well-formed requests refusable: a currency that ISO 4217 hasn't, a sort that
# names a field both ways. So that a request was accepted isn't checked; all the rest is.
NOT_CHECKED = "positive_data_acceptance"


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def install():
    if (VENV / "bin/st").exists() and (VENV / "bin/openapi-spec-validator").exists():
        return
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True)
    if made.returncode != 0:
        skip("Python makes no virtual environment: " + made.stderr.strip()[-200:])
    filled = subprocess.run(
        [VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", "schemathesis>=4,<5", "openapi-spec-validator"],
        capture_output=True, text=True,
    )
    if filled.returncode != 0:
        skip("pip could not install schemathesis: " + (filled.stderr.strip().splitlines() or ["?"])[-1])


def make_things(platform):
    """Wallets with money, and payments in each state that requests can be about."""
    accounts, payments = [], []
    for name in ("alice", "bob", "shop"):
        accounts.append(platform.wallet(name, "EUR"))
        platform.deposit(accounts[-1], "1000000.00", "EUR", f"d:{name}")
    for number in range(12):
        body = {"payer": accounts[number % 3], "payee": accounts[(number + 1) % 3], "amount": "100.00", "currency": "EUR"}
        if number % 2 == 0:
            body["capture"] = "manual"
        headers = {"Simulate": "fraud-review"} if number % 4 == 3 else {}
        status, made, _ = platform.ask("payment", "POST", "/api/v1/payments", body, f"p:{number}", headers)
        assert status == 201, made
        payments.append(made["id"])
    return {"accounts": accounts, "payments": payments}


def validate(url, folder):
    document = pathlib.Path(folder) / "openapi.json"
    with urllib.request.urlopen(url) as reply:
        document.write_bytes(reply.read())
    done = subprocess.run([VENV / "bin/openapi-spec-validator", document], capture_output=True, text=True)
    assert done.returncode == 0, f"{url} is not valid OpenAPI: {done.stdout}{done.stderr}"


def ask_everything(platform, url, folder, there):
    arguments = [
        VENV / "bin/st", "run", url, "-H", f"Authorization: Bearer {platform.key}", "--max-examples", EXAMPLES, "--seed", "1",
        "--checks", "all", "--exclude-checks", NOT_CHECKED, "--continue-on-failure", "--no-shrink", "--warnings", "off",
        "--no-color", "--suppress-health-check", "all",
    ]
    environment = {
        **os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE / "hooks"), "SCHEMATHESIS_THERE": json.dumps(there),
    }
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    print(done.stdout[-3000:] if done.returncode == 0 else done.stdout[-30000:], done.stderr[-3000:])
    return done.returncode == 0


def main():
    install()
    from live import Platform

    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        good = True
        with Platform(data) as platform:
            there = make_things(platform)
            for base in platform.urls.values():
                validate(base + "/openapi.json", folder)
                good &= ask_everything(platform, base + "/openapi.json", folder, there)
            assert platform.process.poll() is None, pathlib.Path(f"{data}.log").read_text()[-3000:]
            for base in platform.urls.values():
                assert urllib.request.urlopen(base + "/health/ready").status == 200
        proof = subprocess.run([os.environ["MICROPAY"], "verify", data / "ledger"], capture_output=True, text=True)
        assert proof.returncode == 0, "the books don't hold any more:\n" + proof.stdout + proof.stderr
    sys.exit(0 if good else 1)


main()
