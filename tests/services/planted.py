#!/usr/bin/env python3
"""Plants faults in the money path, one by one, and sees each found by the tests that should find it.

A fault is a piece of a source, which must stand there once, and what stands there instead. The changed file is compiled
alone and linked before the libraries, so that it takes the place of the sound one. Each finder must also pass over the
sound files, compiled and linked in the same way. $MICROPAY_BUILD is the build, $MICROPAY_SOURCE the project. Names on the
command line choose some; the table in docs/reliability.md has them all.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

BUILD = pathlib.Path(os.environ["MICROPAY_BUILD"])
SOURCE = pathlib.Path(os.environ["MICROPAY_SOURCE"])
CC = os.environ.get("CC", "cc").split()
DOCS = SOURCE / "docs/reliability.md"
LIMIT_S = 120  # of a finder
STATES, OPERATIONS, REFUNDS = (f"services/payment/{name}.c" for name in ("states", "operations", "refunds"))
PORT, IDS, RESEND = (f"adapters/ledger/{name}.c" for name in ("port_embedded", "ids", "resend"))
OUTBOX, RELAY, TURN, POSITIONS = (
    f"adapters/store/{name}.c" for name in ("outbox", "relay", "turn", "inbox_rows")
)
TABLE = ("services/payment_table", "1-150")  # stops at its first finding


def test(suite, name):
    """One test of a Criterion suite."""
    return (f"adapters/test_{suite}", "--fail-fast", "-j1", "--filter", f"*/{name}")


# passes in half a minute, as the suite shows: it isn't run over the sound files once more
CRASHES = test("outbox", "a_crash_at_any_step_loses_nothing_and_numbers_nothing_twice")

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
        test("ledger_port", "what_was_told_refused_is_never_booked_by_a_late_sending"),
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
    (
        "ids drawn at random",
        IDS,
        "    uint32_t numbers[3] = {step, attempt, leg};",
        "    extern long random(void); uint32_t numbers[3] = {step, attempt, leg + 16 * (uint32_t)random()};",
        TABLE,
    ),
    (
        "an id that knows no step",
        IDS,
        "    uint32_t numbers[3] = {step, attempt, leg};",
        "    uint32_t numbers[3] = {0, attempt, leg};",
        TABLE,
    ),
    (
        "a fixed fee taken by each capture",
        OPERATIONS,
        "    op->fee = fee_of(p, p->captured + amount) - p->fee_captured;",
        "    op->fee = fee_of(p, amount);",
        TABLE,
    ),
    (
        "an increase that the payment forgets",
        STATES,
        "    p->amount += op->amount;",
        "    p->amount += 0;",
        TABLE,
    ),
    (
        "an expiry lost when the process dies",
        PORT,
        "        if (held->answer.expiry_position < to->expiry_position) continue;",
        "        if (held->answer.expiry_position <= to->expiry_position) continue;",
        test("ledger_port_expiries", "none_of_a_block_is_lost_when_the_process_dies_after_the_first"),
    ),
    (
        "a command that is sent once",
        RESEND,
        "        queue_add(table, command);\n        send(table, command);",
        "        queue_add(table, command);",
        test("resend", "what_is_not_answered_is_sent_again_for_ever_with_longer_pauses"),
    ),
    (
        "an event published though its turn was rolled back",
        OUTBOX,
        "        if (committed)\n            relay_take(outbox, row);",
        "        if (row != NULL)\n            relay_take(outbox, row);",
        test("outbox", "what_could_not_be_committed_is_never_heard"),
    ),
    (
        "events deleted before they are published",
        OUTBOX,
        (
            "        if (lane->confirmed == lane->deleted && !outbox->redraws) continue;",
            "        step->number = lane->confirmed;",
        ),
        (
            "        if (lane->loaded == lane->deleted && !outbox->redraws) continue;",
            "        step->number = lane->loaded;",
        ),
        CRASHES,
    ),
    (
        "numbers of events given again after a restart",
        OUTBOX,
        "        step->sequence = lane->sequence_confirmed;",
        "        step->sequence = 0;",
        test("outbox", "a_stop_and_a_start_go_on_with_the_same_numbers"),
    ),
    (
        "an event that the bus gave back taken as published",
        RELAY,
        "        lane->failed = true;\n    }",
        "        row->unconfirmed--;\n    }",
        test("outbox", "what_the_bus_gives_back_is_sent_again_with_the_same_numbers"),
    ),
    (
        "a commit that failed taken as done",
        TURN,
        "        outcome = store_commit(store, err);",
        "        (void)store_commit(store, err);",
        test("outbox", "what_could_not_be_committed_is_never_heard"),
    ),
    (
        "a position moved without compare-and-set",
        POSITIONS,
        " AND partition = $3 AND position = $7",
        " AND partition = $3 AND $7 >= 0",
        test("inbox", "of_two_readers_with_one_name_the_second_one_undoes_its_whole_turn"),
    ),
    (
        "a position that moved with a turn that was rolled back",
        TURN,
        "    turns->reload = true;\n    switch",
        "    turns->reload = false;\n    switch",
        test("inbox", "what_a_failed_turn_had_applied_is_applied_again"),
    ),
    (
        "an event applied twice",
        POSITIONS,
        "    if (same && envelope->sequence <= have) return ARRIVAL_AGAIN;",
        "    if (envelope->sequence == UINT64_MAX) return ARRIVAL_AGAIN;",
        test("inbox", "a_repeat_changes_nothing_but_the_position"),
    ),
    (
        "a gap between events passed over",
        POSITIONS,
        "    if (envelope->prev <= have) return ARRIVAL_NEW;",
        "    if (envelope->prev <= UINT64_MAX) return ARRIVAL_NEW;",
        test("inbox", "a_gap_stops_its_partition_before_it_and_no_other"),
    ),
]


def planted_text(path, sound, planted):
    text = (SOURCE / path).read_text()
    for old, new in zip(*((part,) if isinstance(part, str) else part for part in (sound, planted))):
        assert text.count(old) == 1, f"{path}: what is to be replaced stands there {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


def compile_text(path, text, folder):
    source = folder / pathlib.Path(path).name
    source.write_text(f'#line 1 "{path}"\n' + text)
    folders = SOURCE / "include", SOURCE / "adapters", (SOURCE / path).parent, BUILD / "adapters"
    includes = [f"-I{folder}" for folder in folders]
    out = source.with_suffix(".o")
    subprocess.run([*CC, "-std=gnu17", "-D_GNU_SOURCE", "-w", "-O1", *includes, "-c", source, "-o", out], check=True)
    return out


LINKS, LINKS_LOCK = {}, threading.Lock()


def link(program, changed, folder):
    """The same link as the build's, with the changed objects in front."""
    with LINKS_LOCK:
        if program not in LINKS:
            LINKS[program] = subprocess.run(
                ["ninja", "-C", BUILD, "-t", "commands", "-s", f"tests/{program}"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
    words = list(LINKS[program])
    at = words.index("-o")
    words[at + 1] = str(folder / "planted")
    words[at + 2 : at + 2] = map(str, changed)
    subprocess.run(" ".join(words), shell=True, cwd=BUILD, check=True)
    return folder / "planted"


def run(finder, texts):
    """Whether the finder passes over these files, what it said last, and its milliseconds."""
    program, *arguments = finder
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        binary = link(program, [compile_text(path, text, folder) for path, text in texts.items()], folder)
        began = time.monotonic()
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=LIMIT_S, cwd=folder)
        took = int((time.monotonic() - began) * 1000)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()] or [""]
    assert done.returncode != 2, f"{finder}: {lines[-1]}"
    return done.returncode == 0, lines[-1], took


def name_of(finder):
    return f"{finder[0].split('/')[1].removeprefix('test_')} {finder[-1].removeprefix('*/')}"


def plant(fault):
    name, path, sound, planted, finder = fault
    passes, said, took = run(finder, {path: planted_text(path, sound, planted)})
    if passes:
        return False, f"not ok {name}: {name_of(finder)} noticed nothing, {took} ms"
    seed = re.match(r"seed (\d+): (.*)", said)
    what = f"payment_table, run {seed[1]}: {seed[2]}" if seed else name_of(finder)
    return True, f"ok {name}: {what}, {took} ms"


def sound(finder, faults):
    files = {path: (SOURCE / path).read_text() for _, path, _, _, by in faults if by == finder}
    passes, said, took = run(finder, files)
    if passes and "Tested: 0" not in said:
        return True, f"ok sound: {name_of(finder)}, {took} ms"
    return False, f"not ok sound: {name_of(finder)}: {said}"


def main():
    chosen = [fault for fault in FAULTS if len(sys.argv) == 1 or fault[0] in sys.argv[1:]]
    documented = DOCS.read_text().partition("## Planted faults")[2]
    listed = re.findall(r"^\| ([^|]*?) \| [^|]* \|$", documented, re.MULTILINE)[2:]
    assert listed == [fault[0] for fault in FAULTS], f"the table in {DOCS.name} has others: {listed}"
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        finders = list(dict.fromkeys(fault[-1] for fault in chosen if fault[-1] != CRASHES))
        runs = [pool.submit(sound, finder, chosen) for finder in finders] + [pool.submit(plant, f) for f in chosen]
        good = True
        for done in runs:
            held, line = done.result()
            good &= held
            print(line, flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
