#!/usr/bin/env python3
"""Adds up what 'meson test' left in build folders and says what failed and what was skipped, and why.

Usage: tally.py BUILD... -- [NAME...], where NAMEs are the tests that were asked for (none: all).
Counts the cases of a Criterion suite by its TAP report, any other test as one. The last line is
'N passed, N failed, N skipped'; the exit status is 1 if something failed or nothing passed.
"""

import json
import pathlib
import re
import sys

TAP_CASE = re.compile(r"^(not )?ok - (\S+)(?:.*# SKIP (.*))?")
SANITIZER = re.compile(r"(ERROR|WARNING): \w+Sanitizer.*?^SUMMARY: .*?$|^.*: runtime error: .*?$", re.DOTALL | re.MULTILINE)


def output(test):
    return test.get("stdout", "") + "\n" + test.get("stderr", "")


def skip_reason(test):
    found = re.search(r"^SKIP: (.*)", output(test), re.MULTILINE)
    return found.group(1) if found else "no reason given"


def tap_cases(test):
    """The cases of a Criterion suite as (name, state, reason); none if it left no report."""
    for word in test["command"]:
        if word.startswith("--tap="):
            report = pathlib.Path(word.removeprefix("--tap="))
            lines = report.read_text().splitlines() if report.exists() else []
            for case in filter(None, map(TAP_CASE.match, lines)):
                bad, name, reason = case.groups()
                state = "failed" if bad else "passed" if reason is None else "skipped"
                yield name, state, reason


def cases(test):
    """What a test counts for: its cases, and itself where they don't tell the whole.

    A process of Criterion's has reported success before LeakSanitizer looks, so reports are looked for too.
    """
    name = test["name"].split(" / ")[-1]
    found = [(f"{name}: {case}", state, reason) for case, state, reason in tap_cases(test)]
    result = test["result"]
    report = SANITIZER.search(output(test))
    if report and not any(state == "failed" for _, state, _ in found):
        found.append((name, "failed", report.group()))
    elif result == "SKIP":
        found.append((name, "skipped", skip_reason(test)))
    elif result in ("OK", "EXPECTEDFAIL"):
        if not found:
            found.append((name, "passed", None))
    elif not any(state == "failed" for _, state, _ in found):
        found.append((name, "failed", f"{result.lower()}, status {test['returncode']}"))
    return found


def main(arguments):
    split = arguments.index("--")
    builds, wanted = arguments[:split], arguments[split + 1:]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for build in builds:
        log = pathlib.Path(build, "meson-logs/testlog.json")
        if not log.exists():
            if not wanted:
                print(f"failed: {build}: no test was run")
                count["failed"] += 1
            continue
        for line in log.read_text().splitlines():
            for name, state, reason in cases(json.loads(line)):
                count[state] += 1
                if state != "passed":
                    print(f"{state}: {build}: {name}" + (f": {reason}" if reason else ""))
    if not any(count.values()):
        print("no test was run")
    print(", ".join(f"{number} {state}" for state, number in count.items()))
    return 0 if count["failed"] == 0 and count["passed"] + count["skipped"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
