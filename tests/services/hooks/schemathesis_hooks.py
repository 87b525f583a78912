"""What Schemathesis is told of the platform that it asks: most ids that it makes up become ids of things that are there,
and most bodies such that the platform can do what they ask.

Only well-formed values are replaced, so a request that was made up to be refused still is one. What is chosen depends
on the made-up value alone.
"""

import hashlib
import json
import os
import re
import uuid

import schemathesis

THERE = json.loads(os.environ.get("SCHEMATHESIS_THERE", "{}"))  # {"accounts": [id...], "payments": [id...]}
ACCOUNT_MEMBERS = ("payer", "payee", "account")
SELDOM = ("splits", "hold_for", "fee", "reference", "effective_at")  # each makes most payments refused


def number(value):
    return int.from_bytes(hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).digest()[:8], "big")


def is_uuid(value):
    try:
        return str(uuid.UUID(value)) == value
    except (ValueError, TypeError, AttributeError):
        return False


def pick(kind, draw, place, value):
    """One that is there; two places have different ones."""
    ids = THERE.get(kind, [])
    return ids[(draw // 8 + place) % len(ids)] if ids else value


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    found = re.search(r"/(\w+)/\{id\}", context.operation.path)
    if found and path_parameters and is_uuid(path_parameters.get("id")):
        draw = number(path_parameters["id"])
        if draw % 8 > 0:
            path_parameters = {**path_parameters, "id": pick(found[1], draw, 0, path_parameters["id"])}
    return path_parameters


def plausible(body, draw):
    """Most of what is optional left out, amounts that wallets have, accounts that are there and differ."""
    for place, (name, value) in enumerate(list(body.items())):
        if name in SELDOM and draw >> place & 3:
            del body[name]
        elif name in ACCOUNT_MEMBERS and is_uuid(value):
            body[name] = pick("accounts", draw, ACCOUNT_MEMBERS.index(name), value)
        elif name == "currency" and isinstance(value, str) and re.fullmatch("[A-Z]{3}", value):
            body[name] = "EUR"
        elif name == "amount" and isinstance(value, str) and re.fullmatch(r"\d{1,18}(\.\d{1,18})?", value):
            body[name] = f"{draw % 20}.{draw % 90 + 10}"


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    draw = number(body)
    body = dict(body)
    if draw % 8 > 0:
        plausible(body, draw // 8)
    return body
