#!/usr/bin/env python3
"""The command says how it goes, and which exit status means what."""

import re
import shlex

import cli
from cli import run

PLATFORM = "pay hold payment wallet events topics dlq replay demo".split()
LEDGER = (
    "init import generate accounts transfer reserve capture increase release reverse freeze unfreeze close balance "
    "statement transfers changes verify dump export stats version help"
).split()
VERBS = PLATFORM + LEDGER  # and up, which reads its command line itself


def test_each_verb_is_listed_and_has_help(folder):
    listed = re.findall(r"^  (\w+) ", run("help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(VERBS + ["up"]), listed
    assert "usage: micropay up" in run("up", "--help").stdout
    assert run("--help").stdout == run("help").stdout == run("-h").stdout
    for verb in VERBS:
        text = run(verb, "--help").stdout
        assert text == run("help", verb).stdout
        for part in (f"usage: micropay {verb}", f"options of every verb{' of the platform' * (verb in PLATFORM)}:", "--json", "examples:", f"  micropay {verb}"):
            assert part in text, (verb, part)
        assert all(len(line) <= 110 for line in text.splitlines()), verb


def test_the_examples_are_command_lines(folder):
    for verb in VERBS:
        examples = run(verb, "--help").stdout.split("examples:\n")[1].splitlines()
        assert examples
        for example in examples:
            for command in re.split(r"[|>]", example):
                words = shlex.split(command)
                if words[0] == "micropay" or words[0].startswith("MICROPAY_NOW"):
                    run(*words[1:], "--help")  # options are read before help is given


def test_usage_errors_have_status_2_and_name_the_fault(folder):
    for arguments, message in (
        ([], "which verb?"),
        (["frobnicate"], "'frobnicate'"),
        (["init"], "too few arguments"),
        (["init", "a", "b"], "'b' is one argument too many"),
        (["init", "a", "--frob"], "--frob"),
        (["balance", "a", "x"], "'x' is no id"),
        (["balance", "a", "1", "--at", "yesterday"], "--at: 'yesterday'"),
        (["balance", "a", "1", "--at"], "--at lacks its TIME"),
        (["transfer", "a", "--debit", "1"], "--credit ACCOUNT is missing"),
        (["transfer", "a", "--amount", "1.5"], "--amount: '1.5' has decimals"),
        (["transfer", "a", "--code", "65536"], "--code: '65536' is too large"),
        (["transfer", "a", "--flags", "pend"], "--flags: 'pend'"),
        (["import", "a", "no-such-file"], "no-such-file"),
        (["export", "a"], "--format NAME is missing"),
        (["export", "a", "--format", "xml"], "'xml'"),
        (["increase", "a", "1"], "--amount N or --timeout S"),
        (["stats", "a", "--json=yes"], "takes no value"),
        (["stats", "a", "--memory-max", "lots"], "--memory-max: 'lots'"),
        (["generate", "--movements", "0"], "--movements"),
        (["help", "frobnicate"], "'frobnicate'"),
        (["accounts", "a", "--flags", "closed"], "--flags goes with 'add' alone"),
        (["accounts", "a", "1", "--code", "4"], "--code chooses rows: it doesn't go with ids"),
        (["accounts", "a", "add", "1", "--ledger", "1", "--code", "1", "--limit", "2"], "--limit chooses rows"),
        (["transfers", "a", "1", "--newest"], "--newest chooses rows: it doesn't go with ids"),
    ):
        done = run(*arguments, status=2, cwd=folder)
        assert message in done.stderr, (arguments, done.stderr)
        assert done.stdout == "", arguments
    for now in ("soon", 2**63, 2**63 - 1):
        assert "MICROPAY_NOW" in run("stats", "a", status=2, env={"MICROPAY_NOW": str(now)}).stderr


def test_a_message_is_one_line_whatever_it_quotes(folder):
    done = run("import", folder, "a\n\x1b[31mb", status=2)
    assert done.stderr.splitlines()[0].startswith("micropay import: could not read 'a??[31mb': No such file")


def test_a_ledger_that_is_not_there_has_status_3(folder):
    for verb, *arguments in (
        ["accounts"], ["balance", 1], ["statement", 1], ["transfers"], ["changes"], ["verify"], ["dump"], ["stats"],
        ["export", "--format", "hledger"], ["freeze", 1], ["capture", 1],
    ):
        done = run(verb, folder / "none", *arguments, status=3)
        assert "none" in done.stderr and "micropay init" in done.stderr, done.stderr
        assert done.stdout == ""
    cli.ledger(folder / "there")
    assert "MP_EXISTS" in run("init", folder / "there", status=3).stderr


def test_options_may_stand_anywhere(folder):
    cli.ledger(folder / "a")
    plain = run("balance", folder / "a", 1, "--json").stdout
    assert run("--json", "balance", folder / "a", 1).stdout == plain
    assert run("balance", "--json", folder / "a", "--", 1).stdout == plain
    assert run("balance", folder / "a", "0x1", "--json").stdout == plain
    assert run("balance", folder / "a", "00000000-0000-0000-0000-000000000001", "--json").stdout == plain


def test_the_version_is_told(folder):
    version = cli.row("version")["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert run("version").stdout == f"micropay {version}\n"


cli.main(globals())
