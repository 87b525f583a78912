#!/usr/bin/python3
"""Reads a ledger's files: a second reader, written from docs/format.md alone. Shares no code with the engine.

usage: read_ledger.py verify|dump|balances DIR

verify    checks every checksum, the chain of blocks, and that each record's sums, flags, pointers, reservations and
          reversals follow from those before it; then footers, ids files and checkpoints. Exit status 1 if anything is wrong.
dump      prints the records as JSON lines, the same as 'micropay dump'.
balances  prints the accounts' sums, recomputed from the amounts alone, as JSON lines.

Needs python3-xxhash. Holds all ids in memory: it is for tests and for curious people.
"""

import fcntl
import json
import mmap
import pathlib
import struct
import sys

import xxhash

PAGE = 4096
UNIT = 32
PAGE_UNITS = 126
DATA = PAGE_UNITS * UNIT
MIB = 1 << 20
FOOTER = 8192
CHUNK = 256 << 10
IDS_CHUNK = 64 << 10
BLOCK_PAGES_MAX = 1536

ACCOUNT, TRANSFER, EXPIRY, UPDATE, BOUND, INPUT = range(1, 7)
KINDS = {ACCOUNT: "account", TRANSFER: "transfer", EXPIRY: "expiry", UPDATE: "account_update", BOUND: "bound_id",
         INPUT: "input_position"}

# Transfer flags and account flags by bit
T_PENDING, T_POST, T_VOID = 1 << 1, 1 << 2, 1 << 3
T_CLOSING_DEBIT, T_CLOSING_CREDIT, T_IMPORTED, T_INCREASE, T_REVERSAL = 1 << 6, 1 << 7, 1 << 8, 1 << 10, 1 << 11
A_DEBITS_LIMITED, A_CREDITS_LIMITED, A_CLOSED = 1 << 1, 1 << 2, 1 << 5
TRANSFER_FLAGS = ["linked", "pending", "post_pending_transfer", "void_pending_transfer", "balancing_debit",
                  "balancing_credit", "closing_debit", "closing_credit", "imported", "keep_pending",
                  "increase_pending", "reversal", "bind_id"]
ACCOUNT_FLAGS = ["linked", "debits_must_not_exceed_credits", "credits_must_not_exceed_debits", "history", "imported",
                 "closed", "frozen_debits", "frozen_credits"]
BINDING = {21: "debit_account_not_found", 22: "credit_account_not_found", 25: "pending_transfer_not_found",
           54: "exceeds_credits", 55: "exceeds_debits", 65: "debit_account_already_closed",
           66: "credit_account_already_closed", 1003: "reversed_transfer_not_found", 1010: "debit_account_frozen",
           1011: "credit_account_frozen", 1012: "account_not_empty", 1020: "id_bound", 1034: "account_not_found"}

# Extensions by bit, and the bits of R
P, R, U, V, PH, QH, AH = (1 << bit for bit in range(7))
INHERITED, TOOK_ALL, CLOSES = 7, 8, 16
RELEASED_MAX = (1 << 56) - 1

DP, DD, CP, CC = range(4)  # debits pending, debits posted, credits pending, credits posted
SUMS = ["debits_pending", "debits_posted", "credits_pending", "credits_posted"]


class Damaged(Exception):
    """The files can't be read on."""


def number(data, offset, size):
    return int.from_bytes(data[offset:offset + size], "little")


def u16(data, offset):
    return struct.unpack_from("<H", data, offset)[0]


def u32(data, offset):
    return struct.unpack_from("<I", data, offset)[0]


def u64(data, offset):
    return struct.unpack_from("<Q", data, offset)[0]


def u128(data, offset):
    return number(data, offset, 16)


def xxh3(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed)


def sum_of_sums(sums):
    return xxhash.xxh3_128_intdigest(struct.pack(f"<{len(sums)}Q", *sums))


def segment_size(ordinal):
    return 16 * MIB << min(ordinal - 1, 4)


def segment_base(ordinal):
    return sum(map(segment_size, range(1, ordinal)))


class Block:
    """A valid block: its header's fields, and its pages."""

    def __init__(self, position, pages, page_sums):
        head = pages[0]
        self.position = position
        self.pages = pages
        self.end = position + len(pages) * PAGE
        self.flags, = struct.unpack_from("<H", head, 10)
        self.epoch = u32(head, 32)
        self.first_sequence = u64(head, 48)
        self.count, self.expiries = struct.unpack_from("<II", head, 56)
        self.time, self.mark = struct.unpack_from("<QQ", head, 64)
        self.prev_sum = u128(head, 80)
        self.inputs = u32(head, 112)
        self.sums = sum_of_sums(page_sums)


class Record:
    """A record, decoded. Sums are lists of four, in the order of SUMS."""

    def __init__(self, data, position, block):
        self.position = position
        self.block = block
        self.kind = data[0]
        self.extensions = data[1] if self.kind in (TRANSFER, EXPIRY, UPDATE) else 0
        self.sequence = 0
        self.timestamp = 0
        self.imported = 0
        if self.kind == ACCOUNT:
            self.units = 3
            self.read_account(data)
        elif self.kind in (TRANSFER, EXPIRY):
            self.units = 4 + bin(self.extensions).count("1")
            self.read_transfer(data)
        elif self.kind == UPDATE:
            self.units = 4 + bin(self.extensions).count("1")
            self.read_update(data)
        elif self.kind == BOUND:
            self.units = 1
            self.refusal = u16(data, 2)
            self.timestamp = block.time + u32(data, 4)
            self.id = u128(data, 8)
        elif self.kind == INPUT:
            self.units = 1
            self.source, self.source_position = struct.unpack_from("<QQ", data, 8)
        else:
            raise Damaged(f"log position {position}: kind {self.kind} of a record is not known")

    def read_account(self, data):
        self.code, self.flags = struct.unpack_from("<HH", data, 2)
        self.id = u128(data, 8)
        self.slot, self.ledger = struct.unpack_from("<II", data, 24)
        self.user_data_128 = u128(data, 32)
        self.user_data_64, self.user_data_32, offset, self.imported = struct.unpack_from("<QIIQ", data, 48)
        self.timestamp = self.imported or self.block.time + offset

    def extension(self, data, bit):
        """An extension's 32 bytes; zeros if it is absent."""
        if not self.extensions & bit:
            return bytes(UNIT)
        at = 128 + bin(self.extensions & (bit - 1)).count("1") * UNIT
        return data[at:at + UNIT]

    def read_transfer(self, data):
        p, r, u, v, ph, qh, ah = (self.extension(data, bit) for bit in (P, R, U, V, PH, QH, AH))
        self.code, self.flags, debit_flags, credit_flags = struct.unpack_from("<HHBB", data, 2)
        self.account_flags = [debit_flags, credit_flags]
        self.id = u128(data, 8)
        *slots, amount, self.user_data_64, self.user_data_32, offset = struct.unpack_from("<IIQQII", data, 24)
        self.slots = slots
        self.amount = amount | u64(ah, 0) << 64
        self.previous = [number(data, 56, 6), number(data, 62, 6)]
        self.jump = [number(data, 68, 6), number(data, 74, 6)]
        self.jump_time = [number(data, 80, 6), number(data, 86, 6)]
        self.timeout = u32(data, 92)
        posted = [low | high << 64 for low, high in zip(struct.unpack_from("<4Q", data, 96), struct.unpack("<4Q", ph))]
        pending = [low | high << 64 for low, high in zip(struct.unpack("<4Q", p), struct.unpack("<4Q", qh))]
        self.sums = [[pending[0], posted[0], pending[1], posted[1]], [pending[2], posted[2], pending[3], posted[3]]]
        self.pending_id = u128(r, 0)
        self.left = u64(r, 16) | u64(ah, 8) << 64
        self.bits = r[24]
        self.released = number(r, 25, 7)
        self.user_data_128 = u128(u, 0)
        self.imported = u64(u, 16)
        self.timestamp = self.imported or self.block.time + offset
        self.wide = u64(v, 0) | u64(v, 16) << 64
        self.original = number(v, 8, 6)
        if self.released == RELEASED_MAX:
            self.released = self.wide

    def read_update(self, data):
        self.code, self.flags, self.flags_before, after = struct.unpack_from("<HHBB", data, 2)
        self.id = u128(data, 8)
        self.slots = [u32(data, 24)]
        self.account_flags = [after]
        self.flags_set, self.flags_clear, self.user_data_64 = struct.unpack_from("<HHQ", data, 28)
        self.user_data_128 = u128(data, 40)
        self.user_data_32, offset = struct.unpack_from("<II", data, 56)
        self.timestamp = self.block.time + offset
        self.previous = [number(data, 64, 6)]
        self.jump = [number(data, 70, 6)]
        self.jump_time = [number(data, 76, 6)]
        high = struct.unpack("<4Q", self.extension(data, PH))
        self.sums = [[low | top << 64 for low, top in zip(struct.unpack_from("<4Q", data, 96), high)]]


class Log:
    """A ledger's directory: ledger.mp and the segments; gives out the blocks of the chain."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.read_slot()
        names = sorted(path.name for path in (self.directory / "wal").iterdir() if path.suffix == ".wal")
        if names != [f"{ordinal:08}.wal" for ordinal in range(1, len(names) + 1)] or not names:
            raise Damaged(f"wal/: a segment is missing among {', '.join(names) or 'none'}")
        self.segments = [None] + [self.open_segment(ordinal) for ordinal in range(1, len(names) + 1)]
        self.end = PAGE  # where the chain ends, as far as it has been read
        self.mark = self.slot_mark
        self.sequence, self.last_sum = 1, 0  # behind the last block read

    def read_slot(self):
        data = (self.directory / "ledger.mp").read_bytes()
        slots = [data[at:at + PAGE] for at in (0, PAGE)]
        sound = [s for s in slots if len(s) == PAGE and s[:8] == b"MPEDGER1" and u64(s, 4088) == xxh3(s[:4088])]
        if not sound:
            raise Damaged("ledger.mp: both slots are damaged")
        slot = max(sound, key=lambda s: u64(s, 16))
        if u64(slot, 16) % 2 != slots.index(slot):
            raise Damaged("ledger.mp: a slot stands in the other's place")
        if u16(slot, 8) != 1:
            raise Damaged(f"ledger.mp: format {u16(slot, 8)} is not known")
        self.epoch = u32(slot, 12)
        self.timeline = u128(slot, 24)
        self.slot_mark = u64(slot, 72)
        self.closed = (self.slot_mark, u64(slot, 120), u128(slot, 128)) if u64(slot, 112) == u64(slot, 16) else None
        self.secret = struct.unpack_from("<QQ", slot, 88)

    def open_segment(self, ordinal):
        path = self.directory / "wal" / f"{ordinal:08}.wal"
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        base, size = segment_base(ordinal), segment_size(ordinal)
        if len(data) != size:
            raise Damaged(f"{path.name}: has {len(data)} bytes, not {size}")
        head = data[:PAGE]
        fields = (head[:8], u16(head, 8), u32(head, 12), u128(head, 16), u64(head, 32), u64(head, 40))
        if fields != (b"MWALSEG1", 1, ordinal, self.timeline, base, size) or u64(head, 4088) != xxh3(head[:4088], base):
            raise Damaged(f"{path.name}: its head is damaged")
        return data

    def ordinal_of(self, position):
        return next((o for o in range(1, len(self.segments)) if position < segment_base(o + 1)), len(self.segments))

    def page(self, position):
        """The page at a position if its sum is right for it, else None."""
        ordinal = self.ordinal_of(position)
        if ordinal == len(self.segments):
            return None
        at = position - segment_base(ordinal)
        page = self.segments[ordinal][at:at + PAGE]
        if u64(page, 4088) != xxh3(page[:4088], position) or u64(page, DATA + 16) != self.timeline & (1 << 64) - 1:
            return None
        return page if u16(page, DATA + 30) <= PAGE_UNITS else None

    def first_page(self, position):
        """Page 0 of a block, if it is one that may be trusted."""
        page = self.page(position)
        if page is None or page[:8] != b"MPBLOCK1" or u64(page, 40) != position or u128(page, 16) != self.timeline:
            return None
        pages, epoch, time = u32(page, 12), u32(page, 32), u64(page, 64)
        if not 1 <= pages <= BLOCK_PAGES_MAX or u64(page, 72) > position or u32(page, 60) > u32(page, 56):
            return None
        if (u16(page, DATA + 28), u32(page, DATA + 24), u64(page, DATA)) != (0, epoch, time):
            return None
        return page if u16(page, DATA + 30) >= 4 else None

    def block(self, position):
        """The valid block at a position, or None."""
        ordinal = self.ordinal_of(position)
        limit = segment_base(ordinal + 1) - FOOTER
        head = self.first_page(position) if position + PAGE <= limit else None
        if head is None or position + u32(head, 12) * PAGE > limit:
            return None
        if u16(head, 8) != 1:
            raise Damaged(f"log position {position}: format {u16(head, 8)} of a block is not known")
        pages = [head] + [self.page(position + n * PAGE) for n in range(1, u32(head, 12))]
        for n, page in enumerate(pages):
            if page is None or u16(page, DATA + 28) != n or page[DATA + 24:DATA + 28] != head[32:36]:
                return None
            if u64(page, DATA) != u64(head, 64):
                return None
        sums = [u64(page, 4088) for page in pages]
        if u128(head, 96) != sum_of_sums(sums[1:]):
            return None
        return Block(position, pages, sums)

    def blocks(self):
        """The chain, block by block; self.end moves on behind each."""
        prev_sum, sequence, epoch, time = 0, 1, 0, 0
        while True:
            for position in (self.end, segment_base(self.ordinal_of(self.end - 1) + 1) + PAGE):
                found = self.block(position)
                if found is not None and (found.prev_sum, found.first_sequence) == (prev_sum, sequence) and (
                        found.epoch >= epoch and found.time >= time):
                    break
            else:
                return
            self.end = found.end
            self.mark = max(self.mark, found.mark)
            prev_sum, sequence, epoch, time = found.sums, sequence + found.count, found.epoch, found.time
            self.sequence, self.last_sum = sequence, prev_sum
            yield found

    def in_use(self):
        """Whether somebody has the ledger open for writing."""
        query = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        with (self.directory / "ledger.mp").open("rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, query)
        return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK

    def marks_behind(self):
        """Marks of all sound first pages behind the end."""
        for ordinal in range(self.ordinal_of(self.end), len(self.segments)):
            base = segment_base(ordinal)
            for position in range(max(self.end, base), base + segment_size(ordinal), PAGE):
                if self.segments[ordinal][position - base:position - base + 8] == b"MPBLOCK1":
                    page = self.first_page(position)
                    if page is not None:
                        yield u64(page, 72)

    def id_hash(self, identity):
        low, high = identity & (1 << 64) - 1, identity >> 64
        return xxh3(struct.pack("<QQ", low ^ self.secret[1], high), self.secret[0])


def records_of(block, problem):
    """A block's records, with their sequences."""
    sequence, number_of, expiries, inputs = block.first_sequence, 0, 0, 0
    for n, page in enumerate(block.pages):
        unit, used = (4 if n == 0 else 0), u16(page, DATA + 30)
        if u64(page, DATA + 8) != sequence:
            problem(block.position + n * PAGE, "the page's first sequence is wrong")
        while unit < used:
            position = block.position + n * PAGE + unit * UNIT
            record = Record(page[unit * UNIT:used * UNIT], position, block)
            if unit + record.units > used:
                raise Damaged(f"log position {position}: the record reaches beyond what the page uses")
            if record.kind == INPUT:
                inputs += 1
            else:
                record.sequence = sequence
                sequence += 1
                number_of += 1
                expiries += record.kind == EXPIRY
                if (record.kind == EXPIRY) != (number_of <= block.expiries):
                    problem(position, "expiries and other records stand in the wrong order")
            yield record
            unit += record.units
        if any(page[used * UNIT:DATA]):
            problem(block.position + n * PAGE, "behind the records the page isn't zero")
    if (number_of, expiries, inputs) != (block.count, block.expiries, block.inputs):
        problem(block.position, "the block's counts are wrong")
    flags = 1 * (number_of == 0 and inputs == 0) | 2 * (number_of == 0 and inputs > 0)
    if block.flags != flags:
        problem(block.position, f"the block's flags are {block.flags}, not {flags}")


class Account:
    def __init__(self, record):
        self.id, self.ledger, self.code, self.flags = record.id, record.ledger, record.code, record.flags
        self.flags_created = record.flags
        self.timestamp = record.timestamp
        self.user_data = (record.user_data_128, record.user_data_64, record.user_data_32)
        self.sums = [0, 0, 0, 0]
        self.last = 0
        self.trees = []  # of (position of the root, rank, timestamp of the root / 2^16), newest first


class Reservation:
    def __init__(self, record):
        self.id, self.slots, self.code, self.flags = record.id, record.slots, record.code, record.flags
        self.user_data = (record.user_data_128, record.user_data_64, record.user_data_32)
        self.left = record.amount
        self.expires = record.timestamp + record.timeout * 10**9 if record.timeout else 0
        self.made = self.last = record.position


class Books:
    """What the records amount to, recomputed from amounts; compared with what each record says itself."""

    def __init__(self, problem):
        self.problem = problem
        self.accounts = []
        self.slots = {}        # by id
        self.reservations = {}  # open ones, by id
        self.ended = set()      # ids of those that were
        self.ids = {}           # of transfers, updates, bound ids: position
        self.posted = {}        # id of a transfer that can be reversed: [position, slots, amount, reversed]
        self.newest = {ACCOUNT: 0, TRANSFER: 0, UPDATE: 0}  # the last: of expiries and updates
        self.clock = 0
        self.counts = dict.fromkeys(KINDS, 0)
        self.sources = {}

    def take(self, record):
        self.counts[record.kind] += 1
        if record.kind == INPUT:
            self.sources[record.source] = record.source_position
            return
        self.check_time(record)
        if record.kind in (TRANSFER, UPDATE, BOUND):
            if record.id in self.ids or record.id in (0, (1 << 128) - 1):
                self.problem(record.position, f"id {record.id} is not new")
            self.ids[record.id] = record.position
        if record.kind == ACCOUNT:
            self.take_account(record)
        elif record.kind == UPDATE:
            self.take_update(record)
        elif record.kind in (TRANSFER, EXPIRY):
            self.take_transfer(record)
        elif record.refusal not in BINDING:
            self.problem(record.position, f"refusal {record.refusal} binds no id")

    def check_time(self, record):
        if not record.imported:
            if record.timestamp <= self.clock:
                self.problem(record.position, "the timestamp doesn't rise")
            self.clock = record.timestamp
        if record.kind == BOUND:
            return
        kind = UPDATE if record.kind == EXPIRY else record.kind
        before = [self.newest[ACCOUNT]] if kind == ACCOUNT else [self.newest[TRANSFER], self.newest[UPDATE]]
        if record.timestamp <= max(before):
            self.problem(record.position, "the timestamp is not later than the newest one")
        self.newest[kind] = record.timestamp

    def take_account(self, record):
        if record.slot != len(self.accounts) or record.id in self.slots:
            self.problem(record.position, f"account {record.id} is not new, or its slot isn't the next one")
        self.slots[record.id] = record.slot
        self.accounts.append(Account(record))

    def push(self, account, record, side):
        """Myers' rule: checks the record's pointers and puts it on the account's stack."""
        trees, rank = account.trees, 1
        previous, target = (trees[0] if trees else None), (trees[0] if trees else None)
        if len(trees) >= 2 and trees[0][1] == trees[1][1]:
            rank = trees[0][1] + 1
            target = trees[2] if len(trees) > 2 else None
            del trees[:2]
        trees.insert(0, (record.position, rank, record.timestamp >> 16))
        expected = (record.position - previous[0] if previous else 0, record.position - target[0] if target else 0,
                    target[2] if target else 0)
        found = (record.previous[side], record.jump[side], record.jump_time[side])
        if found != expected:
            self.problem(record.position, f"pointers of account {account.id} are {found}, not {expected}")

    def touch(self, record, side, changes, flags):
        """Moves one account's sums and flags, and compares them with the record's."""
        account = self.accounts[record.slots[side]]
        for which, amount in changes:
            account.sums[which] += amount
        account.flags = flags
        account.last = record.position
        if account.sums != record.sums[side]:
            self.problem(record.position, f"sums of account {account.id} are {record.sums[side]}, not {account.sums}")
        if flags != record.account_flags[side]:
            self.problem(record.position, f"flags of account {account.id} are {record.account_flags[side]}, not {flags}")
        if any(not 0 <= one < 1 << 128 for one in account.sums):
            self.problem(record.position, f"a sum of account {account.id} is negative or overflows")
        dp, dd, cp, cc = account.sums
        if (flags & A_DEBITS_LIMITED and dp + dd > cc) or (flags & A_CREDITS_LIMITED and cp + cc > dd):
            self.problem(record.position, f"account {account.id} is beyond its limit")
        self.push(account, record, side)

    def take_update(self, record):
        account = self.accounts[record.slots[0]]
        if record.flags_before != account.flags:
            self.problem(record.position, f"flags before are {record.flags_before}, not {account.flags}")
        if record.extensions != (PH if any(one >> 64 for one in account.sums) else 0):
            self.problem(record.position, f"extensions {record.extensions} don't fit")
        self.touch(record, 0, [], (account.flags | record.flags_set) & ~record.flags_clear)

    def take_transfer(self, record):
        if len(set(record.slots)) != 2 or max(record.slots) >= len(self.accounts):
            raise Damaged(f"log position {record.position}: names accounts that don't exist")
        pending = posted = 0
        flags = [self.accounts[slot].flags for slot in record.slots]
        if self.accounts[record.slots[0]].ledger != self.accounts[record.slots[1]].ledger:
            self.problem(record.position, "the accounts have different ledger numbers")
        if record.kind == EXPIRY or record.flags & (T_POST | T_VOID | T_INCREASE):
            pending, posted, flags = self.take_resolving(record, flags)
        elif record.flags & T_REVERSAL:
            posted = record.amount
            self.take_reversal(record)
        elif record.flags & T_PENDING:
            pending = record.amount
            self.reservations[record.id] = Reservation(record)
            closing = [record.flags & T_CLOSING_DEBIT, record.flags & T_CLOSING_CREDIT]
            flags = [old | (A_CLOSED if close else 0) for old, close in zip(flags, closing)]
        else:
            posted = record.amount
            self.posted[record.id] = [record.position, record.slots, record.amount, 0]
        self.touch(record, 0, [(DP, pending), (DD, posted)], flags[0])
        self.touch(record, 1, [(CP, pending), (CC, posted)], flags[1])
        self.check_extensions(record)

    def take_resolving(self, record, flags):
        """A post, void, increase or expiry: how much is moved, and the accounts' flags after it."""
        reservation = self.reservations.get(record.pending_id)
        if reservation is None:
            raise Damaged(f"log position {record.position}: reservation {record.pending_id} isn't open")
        post, void = record.flags & T_POST, record.kind == EXPIRY or record.flags & T_VOID
        inherited = (reservation.user_data[0], reservation.user_data[1], reservation.user_data[2])
        given = (record.user_data_128, record.user_data_64, record.user_data_32)
        if (record.slots, record.code) != (reservation.slots, reservation.code):
            self.problem(record.position, "accounts or code aren't the reservation's")
        if record.kind == EXPIRY and (given != inherited or record.timestamp < reservation.expires or not reservation.expires):
            self.problem(record.position, "the reservation hasn't expired, or user_data isn't its own")
        if any(record.bits & 1 << bit and given[bit] != inherited[bit] for bit in range(3)):
            self.problem(record.position, "inherited user_data isn't the reservation's")
        before = reservation.left
        reservation.left += record.amount if record.flags & T_INCREASE else -record.amount - record.released
        reservation.last = record.position
        ends = record.bits & CLOSES
        took_all = record.amount == before and (post or void)
        if reservation.left != record.left or reservation.left < 0 or (ends and reservation.left):
            self.problem(record.position, f"what is left is {record.left}, not {reservation.left}")
        if bool(record.bits & TOOK_ALL) != bool(took_all) or (void and not took_all) or (void and not ends):
            self.problem(record.position, "its bits don't fit the amount")
        if record.flags & T_INCREASE and record.timeout:
            reservation.expires = record.timestamp + record.timeout * 10**9
        if ends:
            del self.reservations[record.pending_id]
            self.ended.add(record.pending_id)
        if void:
            closed = [reservation.flags & T_CLOSING_DEBIT, reservation.flags & T_CLOSING_CREDIT]
            flags = [old & ~A_CLOSED if close else old for old, close in zip(flags, closed)]
        if post:
            self.posted[record.id] = [record.position, record.slots, record.amount, 0]
        return reservation.left - before, record.amount if post else 0, flags

    def take_reversal(self, record):
        original = self.posted.get(record.pending_id)
        if original is None:
            raise Damaged(f"log position {record.position}: transfer {record.pending_id} can't be reversed")
        position, slots, amount, before = original
        original[3] += record.amount
        if (record.original, record.slots, record.wide) != (position, slots[::-1], original[3]) or original[3] > amount:
            self.problem(record.position, f"it doesn't reverse {record.pending_id}, or more than is left of that")
        if bool(record.bits & TOOK_ALL) != (record.amount == amount - before):
            self.problem(record.position, "its bits don't fit the amount")

    def check_extensions(self, record):
        pending = [record.sums[side][which] for side in (0, 1) for which in (DP, CP)]
        posted = [record.sums[side][which] for side in (0, 1) for which in (DD, CC)]
        expected = (P * any(pending) | R * (record.pending_id != 0) |
                    U * (record.user_data_128 != 0 or record.flags & T_IMPORTED != 0) |
                    V * (record.flags & T_REVERSAL != 0 or record.released >= RELEASED_MAX) |
                    PH * any(one >> 64 for one in posted) | QH * any(one >> 64 for one in pending) |
                    AH * ((record.amount | record.left) >> 64 != 0))
        if record.extensions != expected:
            self.problem(record.position, f"extensions are {record.extensions}, not {expected}")
        if bool(record.imported) != bool(record.flags & T_IMPORTED):
            self.problem(record.position, "an imported time and the flag don't go together")

    def check_totals(self):
        totals = {}
        for account in self.accounts:
            total = totals.setdefault(account.ledger, [0, 0, 0, 0])
            for which in range(4):
                total[which] += account.sums[which]
        for ledger, (dp, dd, cp, cc) in totals.items():
            if (dp, dd) != (cp, cc):
                self.problem(0, f"ledger number {ledger}: debits {dd} + {dp}, credits {cc} + {cp}")
        pending = {}
        for reservation in self.reservations.values():
            for slot, which in zip(reservation.slots, (DP, CP)):
                pending[slot, which] = pending.get((slot, which), 0) + reservation.left
        for slot, account in enumerate(self.accounts):
            if (pending.get((slot, DP), 0), pending.get((slot, CP), 0)) != (account.sums[DP], account.sums[CP]):
                self.problem(0, f"account {account.id}: pending sums aren't those of the open reservations")


# --- what is derived from the log ---


class Derived:
    """Recomputes footers and ids files on the way through the log, and checks checkpoints' items as they are passed."""

    def __init__(self, log, books, problem):
        self.log, self.books, self.problem = log, books, problem
        self.segments = {}     # ordinal: {blocks, ids, oldest, newest}
        self.checkpoints = []
        self.wanted = {}       # position of a record: checkpoint items to compare behind it
        for path in sorted((log.directory / "checkpoint").glob("*.ckpt")):
            self.read_checkpoint(path)

    def take_block(self, block):
        segment = self.segments.setdefault(self.log.ordinal_of(block.position),
                                           {"blocks": [], "ids": [], "oldest": 0, "newest": 0})
        segment["blocks"].append((block.position, block.end, block.first_sequence, block.count, block.time))

    def end_block(self, block):
        """Behind a block's records: is it the one before a checkpoint's S?"""
        for checkpoint in self.checkpoints:
            if checkpoint["state"][3] != block.position:
                continue
            state = (block.sums, block.first_sequence + block.count, block.time, block.position)
            next_segment = segment_base(self.log.ordinal_of(block.end - 1) + 1) + PAGE
            counts = tuple(self.books.counts[kind] for kind in (TRANSFER, UPDATE, EXPIRY, BOUND))
            newest = tuple(self.books.newest[kind] for kind in (ACCOUNT, TRANSFER, UPDATE))
            if checkpoint["state"] != state or checkpoint["s"] not in (block.end, next_segment):
                self.problem(block.position, f"{checkpoint['name']}: says otherwise of the block before S")
            if (checkpoint["counts"], checkpoint["newest"], checkpoint["sources"]) != (counts, newest, self.books.sources):
                self.problem(block.position, f"{checkpoint['name']}: its counts, newest times or sources are wrong")
            checkpoint["seen"] = True

    def take(self, record):
        segment = self.segments[self.log.ordinal_of(record.position)]
        if record.kind == TRANSFER:
            segment["oldest"] = min(segment["oldest"] or record.timestamp, record.timestamp)
            segment["newest"] = max(segment["newest"], record.timestamp)
        if record.kind in (TRANSFER, UPDATE, BOUND):
            segment["ids"].append((record.id, record.position))
        if record.kind in (TRANSFER, EXPIRY) and record.bits & CLOSES:
            segment["ids"].append((record.pending_id, record.position | 1))
        elif record.kind == TRANSFER and record.flags & T_REVERSAL:
            segment["ids"].append((record.pending_id, record.position | 2))
        for compare in self.wanted.pop(record.position, ()):
            compare()

    def finish(self):
        for ordinal in range(1, len(self.log.segments) - 1):
            if ordinal in self.segments and ordinal + 1 in self.segments:
                self.check_footer(ordinal)
                self.check_ids(ordinal)
        for compare in self.wanted.pop(0, ()):
            compare()
        for position in self.wanted:
            self.problem(position, "a checkpoint reflects a record that isn't there")
        for checkpoint in self.checkpoints:
            if not checkpoint["seen"] and (checkpoint["s"], checkpoint["state"]) != (PAGE, (0, 1, 0, 0)):
                self.problem(checkpoint["s"], f"{checkpoint['name']}: the block before S isn't there")

    def check_footer(self, ordinal):
        base, segment = segment_base(ordinal), self.segments[ordinal]
        footer = self.log.segments[ordinal][-FOOTER:]
        if not any(footer):
            return  # not yet written
        blocks = segment["blocks"]
        first, last = blocks[0], blocks[-1]
        fields = struct.pack("<8sHHIQQQQQQQQ32xQ", b"MWLFOOT1", 1, 0, ordinal, base, last[1], first[2],
                             last[2] + last[3] - 1, first[4], last[4], segment["oldest"], segment["newest"], 0)
        entries = []
        for mib in range(256):
            entry = next((b for b in blocks if b[0] >= base + mib * MIB), None)
            entries.append(struct.pack("<QQQ", *(entry[2], entry[4], entry[0]) if entry else (0, 0, 0)))
        fields += b"".join(entries)
        fields = fields[:112] + struct.pack("<Q", xxh3(fields, base)) + fields[120:]
        if footer != fields.ljust(FOOTER, b"\0"):
            self.problem(base + segment_size(ordinal) - FOOTER, "the footer isn't what the segment says")

    def check_ids(self, ordinal):
        path = self.log.directory / "index" / f"{ordinal:08}.ids"
        if not path.exists():
            return
        data, base = path.read_bytes(), segment_base(ordinal)
        entries = b"".join(struct.pack("<QQ", self.log.id_hash(identity), position)
                           for identity, position in self.segments[ordinal]["ids"])
        head = struct.pack("<8sHHI", b"MMPWIDS1", 1, 0, ordinal) + self.log.timeline.to_bytes(16, "little")
        head += struct.pack("<QQQ", base, self.segments[ordinal]["blocks"][-1][1], len(entries) // 16)
        head = head.ljust(4088, b"\0")
        chunks = [head + struct.pack("<Q", xxh3(head, base))]
        for at in range(0, len(entries), 4095 * 16):
            chunk = entries[at:at + 4095 * 16].ljust(IDS_CHUNK - 8, b"\0")
            chunks.append(chunk + struct.pack("<Q", xxh3(chunk, ordinal << 32 | at // (4095 * 16))))
        if data != b"".join(chunks):
            self.problem(base, f"{path.name}: isn't what the segment says")

    # checkpoints

    def read_checkpoint(self, path):
        data = path.read_bytes()
        checkpoint = {"name": path.name, "accounts": 0, "reservations": 0, "seen": False, "ended": False}
        for at in range(0, len(data), CHUNK):
            chunk = data[at:at + CHUNK]
            kind, chunk_number, count, size = struct.unpack_from("<HIII", chunk, 10)
            timeline, (first, own) = u128(chunk, 24), struct.unpack_from("<QQ", chunk, 40)
            head = chunk[:56] + bytes(8)
            sound = (chunk[:8] == b"MPCPNT1\0" and u16(chunk, 8) == 1 and timeline == self.log.timeline and
                     (chunk_number, own) == (at // CHUNK, int(path.stem)) and size <= CHUNK - 64 and
                     u64(chunk, 56) == xxh3(head + chunk[64:64 + size]) and not any(chunk[64 + size:]))
            if not sound or checkpoint["ended"] or (kind == 1) != (at == 0):
                self.problem(0, f"{path.name}: chunk {at // CHUNK} is damaged")
                return
            payload = chunk[64:64 + size]
            if kind == 1:
                self.read_start(checkpoint, payload)
            elif kind == 2:
                self.read_accounts(checkpoint, payload, first, count)
            elif kind == 3:
                for n in range(count):
                    self.read_reservation(checkpoint, payload[n * 96:n * 96 + 96])
            else:
                checkpoint["ended"] = True
                e, accounts, reservations = struct.unpack_from("<QQQ", payload)
                if (accounts, reservations) != (checkpoint["accounts"], checkpoint["reservations"]):
                    self.problem(0, f"{path.name}: its counts are wrong")
                checkpoint["e"] = e
                self.log.mark = max(self.log.mark, e)
        if not checkpoint["ended"]:
            self.problem(0, f"{path.name}: its end is missing")
        self.checkpoints.append(checkpoint)

    def read_start(self, checkpoint, payload):
        checkpoint["s"] = u64(payload, 0)
        checkpoint["state"] = (u128(payload, 8), *struct.unpack_from("<QQQ", payload, 24))
        checkpoint["newest"] = struct.unpack_from("<QQQ", payload, 56)
        checkpoint["counts"] = struct.unpack_from("<QQQQ", payload, 80)
        sources = u32(payload, 116)
        checkpoint["sources"] = {u64(payload, at): u64(payload, at + 8) for at in range(120, 120 + sources * 16, 16)}
        if len(payload) != 120 + sources * 16:
            self.problem(0, f"{checkpoint['name']}: its start has the wrong length")

    def read_accounts(self, checkpoint, payload, first, count):
        at = 0
        if first != checkpoint["accounts"]:
            self.problem(0, f"{checkpoint['name']}: leaves out accounts")
        for slot in range(first, first + count):
            item, trees = payload[at:at + 136], []
            at += 136
            for _ in range(item[130]):
                low, high = struct.unpack_from("<QI", payload, at)
                trees.append(((low & (1 << 43) - 1) * UNIT, low >> 43 & 63, low >> 49 | high << 15))
                at += 12
            self.want(number(item, 112, 6), self.compare_account, checkpoint["name"], slot, item, trees)
        checkpoint["accounts"] += count
        if at != len(payload):
            self.problem(0, f"{checkpoint['name']}: a chunk of accounts has the wrong length")

    def read_reservation(self, checkpoint, item):
        checkpoint["reservations"] += 1
        self.want(number(item, 70, 6), self.compare_reservation, checkpoint["name"], item)

    def want(self, position, compare, *arguments):
        self.wanted.setdefault(position, []).append(lambda: compare(*arguments))

    def compare_account(self, name, slot, item, trees):
        if slot >= len(self.books.accounts):
            self.problem(0, f"{name}: has an account in slot {slot}, the log has not")
            return
        account = self.books.accounts[slot]
        low, high = struct.unpack_from("<4Q", item, 16), struct.unpack_from("<4Q", item, 48)
        sums = [a | b << 64 for a, b in zip(low, high)]
        untouched = number(item, 112, 6) == 0  # compared at the end: only what never changes
        expected = (account.id, account.ledger, account.code, account.flags_created, account.timestamp, account.user_data)
        found = (u128(item, 0), u32(item, 120), u16(item, 118), item[129], u64(item, 104),
                 (u128(item, 80), u64(item, 96), u32(item, 124)))
        state = ([0] * 4, account.flags_created, []) if untouched else (account.sums, account.flags, account.trees)
        if found != expected or (sums, item[128], trees) != state:
            self.problem(account.last, f"{name}: account {account.id} isn't as the log has it")

    def compare_reservation(self, name, item):
        reservation = self.books.reservations.get(u128(item, 0))
        if reservation is None:
            self.problem(0, f"{name}: reservation {u128(item, 0)} isn't open behind its newest record")
            return
        expected = (reservation.left, reservation.user_data, reservation.expires, reservation.made, reservation.slots,
                    reservation.code, reservation.flags)
        found = (u128(item, 16), (u128(item, 32), u64(item, 48), u32(item, 76)), u64(item, 56), number(item, 64, 6),
                 [u32(item, 80), u32(item, 84)], u16(item, 88), u16(item, 90))
        if found != expected:
            self.problem(reservation.last, f"{name}: reservation {reservation.id} isn't as the log has it")


# --- output ---


def named(flags, names):
    return "|".join(name for bit, name in enumerate(names) if flags >> bit & 1)


def line(fields):
    return json.dumps(fields, separators=(",", ":"))


def sums_json(sums):
    return {name: str(value) for name, value in zip(SUMS, sums)}


def account_json(account, sums, flags):
    user_data_128, user_data_64, user_data_32 = account.user_data
    return {"id": str(account.id), **sums_json(sums), "user_data_128": str(user_data_128),
            "user_data_64": str(user_data_64), "user_data_32": user_data_32, "ledger": account.ledger,
            "code": account.code, "flags": named(flags, ACCOUNT_FLAGS), "timestamp": str(account.timestamp)}


def change_type(record):
    if record.kind == EXPIRY:
        return "two_phase_expired"
    if record.flags & T_POST:
        return "two_phase_posted" if record.bits & CLOSES else "two_phase_part_posted"
    for flag, name in ((T_PENDING, "two_phase_pending"), (T_VOID, "two_phase_voided"),
                       (T_INCREASE, "two_phase_increased"), (T_REVERSAL, "reversal")):
        if record.flags & flag:
            return name
    return "single_phase"


def transfer_json(record, accounts):
    debit, credit = (accounts[slot] for slot in record.slots)
    return {"id": str(record.id), "debit_account_id": str(debit.id), "credit_account_id": str(credit.id),
            "amount": str(record.amount), "pending_id": str(record.pending_id),
            "user_data_128": str(record.user_data_128), "user_data_64": str(record.user_data_64),
            "user_data_32": record.user_data_32, "timeout": record.timeout, "ledger": debit.ledger,
            "code": record.code, "flags": named(record.flags, TRANSFER_FLAGS), "timestamp": str(record.timestamp)}


def after_json(record, side, accounts):
    return {"id": str(accounts[record.slots[side]].id), **sums_json(record.sums[side]),
            "flags": named(record.account_flags[side], ACCOUNT_FLAGS)}


def change_json(record, accounts):
    change = {"type": "account_updated" if record.kind == UPDATE else change_type(record),
              "timestamp": str(record.timestamp), "sequence": str(record.sequence), "position": str(record.position)}
    if record.kind == UPDATE:
        change["update"] = {
            "id": str(record.id), "account_id": str(accounts[record.slots[0]].id),
            "user_data_128": str(record.user_data_128), "user_data_64": str(record.user_data_64),
            "user_data_32": record.user_data_32, "flags_set": named(record.flags_set, ACCOUNT_FLAGS),
            "flags_clear": named(record.flags_clear, ACCOUNT_FLAGS), "code": record.code,
            "flags": named(record.flags, ["linked"])}
        change["flags_before"] = named(record.flags_before, ACCOUNT_FLAGS)
        change["account"] = after_json(record, 0, accounts)
    else:
        change["transfer"] = transfer_json(record, accounts)
        change["debit_account"] = after_json(record, 0, accounts)
        change["credit_account"] = after_json(record, 1, accounts)
    return change


def record_json(record, accounts):
    """As 'micropay dump' prints it."""
    fields = {"kind": KINDS[record.kind], "sequence": str(record.sequence), "timestamp": str(record.timestamp),
              "position": str(record.position), "block_position": str(record.block.position),
              "block_time": str(record.block.time), "block_pages": len(record.block.pages)}
    if record.kind == ACCOUNT:
        fields["slot"] = record.slot
        fields["account"] = account_json(accounts[record.slot], [0] * 4, record.flags)
    elif record.kind == BOUND:
        fields["bound_id"] = str(record.id)
        fields["bound_by"] = BINDING.get(record.refusal, str(record.refusal))
    elif record.kind == INPUT:
        fields["source"], fields["source_position"] = str(record.source), str(record.source_position)
    else:
        fields["change"] = change_json(record, accounts)
    if record.kind in (TRANSFER, EXPIRY):
        pending = record.kind == TRANSFER and record.flags & T_PENDING
        fields["left"] = str(record.amount if pending else record.left)
        fields["reversed"] = str(record.wide if record.flags & T_REVERSAL else 0)
    return line(fields)


def read_all(directory, dump, problem):
    log = Log(directory)
    books = Books(problem)
    derived = Derived(log, books, problem)
    seals = blocks = 0
    for block in log.blocks():
        derived.take_block(block)
        blocks += 1
        seals += block.flags & 1
        for record in records_of(block, problem):
            books.take(record)
            derived.take(record)
            if dump:
                print(record_json(record, books.accounts))
        derived.end_block(block)
    books.check_totals()
    derived.finish()
    if log.mark > log.end or any(mark > log.end for mark in log.marks_behind()):
        problem(log.end, "the log ends here, but more was acknowledged: it is damaged")
    if log.closed is not None and log.slot_mark == log.end and log.closed != (log.end, log.sequence, log.last_sum):
        problem(log.end, "ledger.mp says that the ledger was closed here, but with another last block")
    return log, books, {"blocks": blocks, "seals": seals, "checkpoints": len(derived.checkpoints)}


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in ("verify", "dump", "balances"):
        print(__doc__, file=sys.stderr)
        return 2
    verb, directory = arguments
    problems = []

    def problem(position, text):
        problems.append(text)
        if len(problems) <= 20:
            print(f"log position {position}: {text}", file=sys.stderr)

    try:
        log, books, seen = read_all(directory, verb == "dump", problem)
    except (Damaged, OSError) as why:
        print(f"read_ledger.py: {why}", file=sys.stderr)
        return 1
    if verb == "balances":
        for account in books.accounts:
            print(line(account_json(account, account.sums, account.flags)))
    elif verb == "verify":
        counts = {KINDS[kind]: count for kind, count in books.counts.items()}
        print(line({"problems": len(problems), **seen, **counts, "reservations_open": len(books.reservations),
                    "position": log.end, "epoch": log.epoch, "open_for_writing": log.in_use(),
                    "closed": log.closed is not None}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
