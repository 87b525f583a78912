"""What the tests of the command share: running it, reading its JSON, and running a file's tests.

$MICROPAY is the command, $MICROPAY_TEST_DATA the folder of real books beside the project, $MICROPAY_SOURCE the project.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

MICROPAY = os.environ["MICROPAY"]
SOURCE = pathlib.Path(os.environ.get("MICROPAY_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
DATA = pathlib.Path(os.environ.get("MICROPAY_TEST_DATA", SOURCE / "../shared/data"))
SERVICE = SOURCE / "services/micropay"


def run(*arguments, status=0, data=None, env=None, cwd=None):
    """Runs the command; its exit status must be `status`. Returns what subprocess.run does, as text."""
    done = subprocess.run(
        [MICROPAY, *map(str, arguments)],
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        text=not isinstance(data, bytes),
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=300,
    )
    assert done.returncode == status, (
        f"micropay {' '.join(map(str, arguments))}: exit status {done.returncode}, not {status}\n"
        f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    )
    return done


def rows(*arguments, **options):
    """The lines of JSON that the command writes."""
    out = run(*arguments, "--json", **options).stdout
    return [json.loads(line) for line in out.splitlines()]


def row(*arguments, **options):
    """The only line of JSON that the command writes."""
    found = rows(*arguments, **options)
    assert len(found) == 1, found
    return found[0]


def python(script, *arguments, data=None):
    """Runs a script of the service; returns its output."""
    return subprocess.run(
        [sys.executable, SERVICE / script, *map(str, arguments)], input=data, capture_output=True, text=True, check=True
    ).stdout


def ledger(directory, *accounts):
    """Makes a ledger with accounts 1 to 3, or those given as (id, flags)."""
    run("init", directory)
    for account, flags in accounts or ((1, ""), (2, ""), (3, "")):
        run("accounts", directory, "add", account, "--ledger", 1, "--code", 10, "--flags", flags)
    return directory


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def main(namespace):
    """Runs the functions called test_*, each with a folder of its own; names on the command line choose some."""
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
