#!/usr/bin/env python3
"""An import killed at twenty random instants and run again ends in the same books as one that is left alone."""

import json
import random
import signal
import subprocess
import time

import cli
from cli import row, run

MOVEMENTS = 200_000
KILLS = 20


def books(directory):
    """The dump without positions, which block boundaries move."""
    process = subprocess.Popen([cli.MICROPAY, "dump", directory], stdout=subprocess.PIPE)
    for line in process.stdout:
        record = json.loads(line)
        for name in ("position", "block_position", "block_time", "block_pages"):
            del record[name]
        if "change" in record:
            del record["change"]["position"]
        yield record
    assert process.wait() == 0


def without_times(record):
    """Without the times that the clock gave."""
    if isinstance(record, dict):
        return {name: without_times(value) for name, value in record.items() if name != "timestamp"}
    return record


def import_with_kills(directory, file, seconds):
    """Kills an import at random instants; returns how often it died before its end."""
    chance = random.Random(20)
    killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen([cli.MICROPAY, "import", directory, file, "--create-accounts"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(chance.random() * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    return killed


def compare(folder, options, strip):
    file = folder / "bank.csv"
    run("generate", "--movements", MOVEMENTS, "--accounts", 2000, "--reservations", *options, "-o", file)
    run("init", folder / "calm")
    begun = time.monotonic()
    summary = row("import", folder / "calm", file, "--create-accounts")
    seconds = time.monotonic() - begun
    assert summary["created"] == MOVEMENTS, summary
    run("init", folder / "killed")
    killed = import_with_kills(folder / "killed", file, min(seconds, 1.0))
    print(f"killed {killed} of {KILLS} times, an import takes {seconds:.2f} s")
    assert killed > KILLS / 2
    summary = row("import", folder / "killed", file, "--create-accounts")
    assert summary["created"] + summary["exists"] == MOVEMENTS and summary["refused"] == 0, summary
    assert row("verify", folder / "killed")["problems"] == 0
    count = 0
    theirs = books(folder / "killed")
    for record in books(folder / "calm"):
        assert strip(record) == strip(next(theirs))
        count += 1
    assert next(theirs, None) is None and count == MOVEMENTS + 2006, count


def test_history_killed_and_resumed_is_the_same_to_the_nanosecond(folder):
    compare(folder, [], lambda record: record)


def test_live_rows_killed_and_resumed_are_the_same_but_for_times(folder):
    compare(folder, ["--live"], without_times)


cli.main(globals())
