#!/usr/bin/env python3
"""What the manual has of the code's own tables is what the code has; what it links to is there.

$MICROPAY_SOURCE is the project, $MICROPAY_DOCS_TABLES the program that writes the tables.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["MICROPAY_SOURCE"])
DOCS = SOURCE / "docs"
PROGRAM = os.environ["MICROPAY_DOCS_TABLES"]


def tables(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)


def copy(folder):
    return pathlib.Path(shutil.copytree(DOCS, pathlib.Path(folder) / "docs"))


def test_the_tables_are_those_of_the_code():
    done = tables("--check", DOCS)
    assert done.returncode == 0, done.stderr


def test_a_table_that_was_changed_by_hand_is_found_and_made_anew():
    with tempfile.TemporaryDirectory() as folder:
        docs = copy(folder)
        errors = docs / "errors.md"
        text = errors.read_text()
        assert "| 422 |" in text
        errors.write_text(text.replace("| 422 |", "| 421 |"))
        (docs / "schemas/payment.failed.1.json").unlink()
        done = tables("--check", docs)
        assert done.returncode == 1
        assert "errors.md: differs" in done.stderr and "payment.failed.1.json: differs" in done.stderr, done.stderr
        assert "421" in errors.read_text()
        done = tables(docs)
        assert done.returncode == 0, done.stderr
        assert errors.read_text() == text
        assert tables("--check", docs).returncode == 0


def test_a_table_that_is_no_more_in_the_manual_is_missed():
    with tempfile.TemporaryDirectory() as folder:
        docs = copy(folder)
        (docs / "settings.md").unlink()
        done = tables("--check", docs)
        assert done.returncode == 1 and "settings: is a table that no file has" in done.stderr, done.stderr


def test_schemas_are_json_schemas_of_their_names():
    found = sorted((DOCS / "schemas").glob("*.json"))
    assert len(found) > 20
    for path in found:
        schema = json.loads(path.read_text())
        assert schema["$id"] == "https://micropay.dev/schemas/" + re.sub(r"\.(\d+)\.json$", r"/\1", path.name)


def headings(path):
    """The anchors of a file's headings, as GitHub makes them."""
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            yield re.sub(r"[^a-z0-9 _-]", "", line.lstrip("# ").lower()).replace(" ", "-")


def test_links_lead_somewhere():
    for path in [SOURCE / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = (path.parent / name) if name else path
            assert there.exists(), f"{path}: {target}"
            if anchor:
                assert anchor in headings(there), f"{path}: {target}"


def main():
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            print(f"ok {name}", flush=True)
        except Exception as error:  # each is told, and the others run
            failed += 1
            print(f"not ok {name}: {error}", flush=True)
    sys.exit(1 if failed else 0)


main()
