#!/usr/bin/env python3
"""Plants faults in the money path, one by one, and sees each found by the tests that should find it.

A fault is a piece of a source and what stands there instead. The changed file is compiled alone and linked before the
libraries, so that it takes the place of the sound one. $MICROPAY_BUILD is the build, $MICROPAY_SOURCE the project.
Names on the command line choose some.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ["MICROPAY_BUILD"])
SOURCE = pathlib.Path(os.environ["MICROPAY_SOURCE"])
CC = os.environ.get("CC", "cc").split()
STATES, OPERATIONS, REFUNDS = (f"services/payment/{name}.c" for name in ("states", "operations", "refunds"))
PORT = "adapters/ledger/port_embedded.c"
TABLE = ("tests/services/payment_table", ["1-1500"])

# name, file, what stands there, what is planted, who finds it
FAULTS = [
    (
        "a timer sets a status",
        STATES,
        "            give_up(s, REASON_RESERVE_TIMEOUT);",
        "            set_status(p, STATUS_FAILED), p->reason = REASON_RESERVE_TIMEOUT,"
        " effects_event(s->effects, EVENT_FAILED, 0), give_limits_back(s);",
        TABLE,
    ),
    (
        "a request sets a status",
        STATES,
        "    give_up(s, REASON_CANCELLED_BY_CALLER);",
        "    give_up(s, REASON_CANCELLED_BY_CALLER); finish(s, REASON_CANCELLED_BY_CALLER);",
        TABLE,
    ),
    (
        "void instead of bind",
        STATES,
        "        send_bind(p, s->now, s->effects);",
        "        send_void(p, s->now, s->effects);",
        TABLE,
    ),
    (
        "a capture after giving up",
        STATES,
        "    if (p->status != STATUS_INITIATED || p->giving_up != REASON_NONE) return;",
        "    if (p->status != STATUS_INITIATED) return;",
        TABLE,
    ),
    (
        "a timer begins the next attempt",
        REFUNDS,
        (
            "        if (op->state != OPERATION_WAITING || op->retry_ns > now_ns) continue;",
            "        if (op->state == OPERATION_WAITING && (due == 0 || op->retry_ns < due)) due = op->retry_ns;",
        ),
        (
            "        if (op->step != STEP_REFUND || (op->state != OPERATION_SENT && op->state != OPERATION_WAITING) ||"
            " op->retry_ns > now_ns || (op->state == OPERATION_SENT && now_ns < op->created_ns + 5000000000)) continue;",
            "        if (op->step == STEP_REFUND && op->state == OPERATION_SENT) due = op->created_ns + 5000000000;"
            " if (op->state == OPERATION_WAITING && (due == 0 || op->retry_ns < due)) due = op->retry_ns;",
        ),
        TABLE,
    ),
    (
        "a retried chain read as a failure",
        PORT,
        ": code == MP_TRANSFER_EXISTS;",
        ": code == MP_TRANSFER_EXISTS && code == 0;",
        TABLE,
    ),
    (
        "a refusal told before its id is bound",
        PORT,
        "    if (operation == MP_CREATE_ACCOUNTS) return true;",
        "    if (operation != 0) return true;",
        ("tests/adapters/test_ledger_port", []),
    ),
    (
        "an expiry ends a payment while its capture is out",
        STATES,
        "    if (!is_out(p, STEP_CAPTURE)) {\n        finish(s, reason);",
        "    if (p != NULL) {\n        finish(s, reason);",
        TABLE,
    ),
    (
        "an answer counted twice",
        STATES,
        "    if (index < 0 || s->p->operations[index].state != OPERATION_SENT) return;",
        "    if (index < 0) return;",
        TABLE,
    ),
    (
        "legs that aren't one chain",
        OPERATIONS,
        "        chain->events.transfers[i].flags |= MP_TRANSFER_LINKED;",
        "        chain->events.transfers[i].flags |= 0;",
        TABLE,
    ),
    (
        "a refund that takes nothing from what is refundable",
        REFUNDS,
        "    p->refundable -= amount;",
        "    p->refundable -= 0;",
        TABLE,
    ),
    (
        "a failed refund that gives nothing back",
        REFUNDS,
        "    p->refundable += op->amount;",
        "    p->refundable += 0;",
        TABLE,
    ),
    (
        "limits that are never given back",
        STATES,
        "    s->effects->limits_back_one |= s->p->captured == 0;",
        "    s->effects->limits_back_one |= false;",
        TABLE,
    ),
    (
        "a void refused for a captured leg read as the end",
        STATES,
        "        if (p->hold == HOLD_OPEN && hold_has_more(p))",
        "        if (p->hold == HOLD_NEVER)",
        TABLE,
    ),
]


def compile_fault(path, sound, planted, folder):
    text = (SOURCE / path).read_text()
    for old, new in zip(*((part,) if isinstance(part, str) else part for part in (sound, planted))):
        assert text.count(old) == 1, f"{path}: what is to be replaced stands there {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    source, out = folder / "fault.c", folder / "fault.o"
    source.write_text(f'#line 1 "{path}"\n' + text)
    includes = [f"-I{SOURCE / d}" for d in ("include", "adapters", pathlib.Path(path).parent)] + [f"-I{BUILD / 'adapters'}"]
    subprocess.run([*CC, "-std=gnu17", "-D_GNU_SOURCE", "-w", "-O1", *includes, "-c", source, "-o", out], check=True)
    return out


def link(program, changed, folder):
    """The same link as the build's, with the changed object in front."""
    command = subprocess.run(
        ["ninja", "-C", BUILD, "-t", "commands", "-s", program], capture_output=True, text=True, check=True
    ).stdout.strip()
    words = command.split()
    at = words.index("-o")
    words[at + 1] = str(folder / "mutant")
    words.insert(at + 2, str(changed))
    subprocess.run(" ".join(words), shell=True, cwd=BUILD, check=True)
    return folder / "mutant"


def is_found(path, sound, planted, finder):
    program, arguments = finder
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        mutant = link(program, compile_fault(path, sound, planted, folder), folder)
        done = subprocess.run([mutant, *arguments], capture_output=True, text=True, timeout=600)
        return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1:] or [""]


def main():
    survived = 0
    for name, path, sound, planted, finder in FAULTS:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        status, said = is_found(path, sound, planted, finder)
        survived += status == 0
        print(f"{'ok' if status else 'not ok'} {name}: {said[0][:150] if status else 'nobody noticed'}", flush=True)
    sys.exit(1 if survived else 0)


main()
