#!/usr/bin/env python3
"""Runs README's lines against a fresh `micropay up`: each must answer as README says."""

import pathlib
import re
import shutil
import subprocess

import live
from live import Platform

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
PORTS = {"8082": "account", "8083": "payment", "8085": "balance"}


def test_the_readme(folder):
    if shutil.which("curl") is None:
        live.skip("curl is not installed")
    platform = Platform(folder / "data")
    lines = re.search(r"readme.py -->\n```sh\n(.*?)```", README.read_text(), re.DOTALL).group(1)
    for port, service in PORTS.items():
        lines = lines.replace(f":{port}/", f":{platform.ports[service]}/")
    done = subprocess.run(["bash", "-euc", lines], cwd=folder, capture_output=True, text=True, timeout=120)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"kind":"deposit","status":"completed"') == 1
    assert done.stdout.count('"kind":"payment","status":"completed"') == 3, "paid twice, captured whole"
    assert "Idempotent-Replayed: true" in done.stdout
    assert '"status":"partially_captured"' in done.stdout
    assert '"status":"partially_refunded"' in done.stdout
    assert "problems/insufficient-funds" in done.stdout
    assert '"available":"32.50"' in done.stdout
    statement = done.stdout.strip().splitlines()
    assert statement[-1].split(",")[8] == "32.50", statement[-1]
    assert platform.stop() == 0


live.main(globals())
