-- How far the ledger's log has been announced on the bus. One row. Whatever lies behind it is
-- announced again after a crash, with the same ids, sequences and predecessors.
CREATE TABLE announced (
    only SMALLINT PRIMARY KEY,
    timeline BYTEA NOT NULL,  -- of the ledger, 16 bytes
    block BIGINT NOT NULL,    -- position of the block that has the record
    position BIGINT NOT NULL, -- of the last record that is announced with all before it
    tails BYTEA NOT NULL      -- for each partition of the topic the last sequence, 8 bytes each
);

-- Transactions that are undone by a request of their own. Amounts are 16 bytes, the lowest first,
-- times nanoseconds since the epoch, states the numbers of reversal.h, reasons their names.
CREATE TABLE reversals (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,
    reverses BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    chain BYTEA NOT NULL,
    created BIGINT NOT NULL,
    -- what changes
    state SMALLINT NOT NULL,
    reason TEXT,
    amount BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    answered BIGINT NOT NULL
) /* clustered */;
CREATE INDEX reversals_unanswered ON reversals (created) WHERE state = 1;
