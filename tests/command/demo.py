#!/usr/bin/env python3
"""The demo runs to its end, with the real bank and with a made-up one."""

import os
import subprocess

import cli


def demo(**env):
    done = subprocess.run([cli.SERVICE / "demo.sh"], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **env})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "", done.stderr
    assert "all invariants hold" in done.stdout
    assert "equal: all" in done.stdout or "hledger is not installed" in done.stdout
    return done.stdout


def test_a_made_up_bank(folder):
    said = demo(MICROPAY_TEST_DATA=str(folder))
    assert "balances that agree        100,000" in said, said


def test_the_real_bank(folder):
    if not (cli.DATA / "czech-bank/trans.csv.gz").exists():
        print("not tried: the bank's books are not beside the project")
        return
    said = demo()
    assert "23,787" in said and "40,134" in said, said


cli.main(globals())
