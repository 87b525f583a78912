-- Accounts as account's events tell of them: whose they are, and their currency. A wallet of the
-- ledger that nobody has told of has an empty tenant.
CREATE TABLE accounts (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,
    currency TEXT NOT NULL,
    ledger BIGINT NOT NULL,
    version BIGINT NOT NULL
) /* clustered */;

-- Reservations that are no payment's. Amounts are minor units, times nanoseconds since the epoch.
CREATE TABLE reservations (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,
    account BYTEA NOT NULL,
    payee BYTEA NOT NULL,
    currency TEXT NOT NULL,
    ledger BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    hold_for BIGINT NOT NULL, -- seconds
    reference TEXT,
    trace TEXT NOT NULL,
    created BIGINT NOT NULL,
    -- what changes
    status SMALLINT NOT NULL,
    release SMALLINT NOT NULL, -- somebody has asked for it
    reason TEXT,
    expires BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    version BIGINT NOT NULL,
    sequence BIGINT NOT NULL, -- of the ledger's last answer
    chain BYTEA               -- the very bytes that the ledger was asked and has not answered
);
CREATE INDEX reservations_account ON reservations (account, created, id);
CREATE INDEX reservations_open ON reservations (account, created, id) WHERE status IN (1, 2, 4);
CREATE INDEX reservations_unanswered ON reservations (created) WHERE chain IS NOT NULL;

-- One row: how far the ledger is known. `expiries` for reservations that end by themselves,
-- `journal` for what is told of balances: the next block.
CREATE TABLE positions (
    one SMALLINT NOT NULL PRIMARY KEY,
    expiries BIGINT NOT NULL,
    journal BIGINT NOT NULL,
    tails TEXT NOT NULL -- number of the last event of each partition, with blanks between
);
INSERT INTO positions (one, expiries, journal, tails) VALUES (1, 0, 0, '');
