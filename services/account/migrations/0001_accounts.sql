-- Accounts, and what is asked of the ledger for them. Times are nanoseconds since the epoch,
-- enumerations the numbers of account.h and of the account's events.
CREATE TABLE wallets (
    id BYTEA NOT NULL PRIMARY KEY, -- also that of its account in the ledger
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,
    owner BYTEA,
    currency TEXT NOT NULL,
    reference TEXT,
    name TEXT, -- personal
    created BIGINT NOT NULL,
    -- what changes
    ledger BIGINT NOT NULL, -- 0 while its currency's books are being made
    status SMALLINT NOT NULL,
    frozen SMALLINT NOT NULL,
    frozen_reason TEXT,
    limits TEXT, -- JSON, as in the API
    updated BIGINT NOT NULL,
    version BIGINT NOT NULL,
    sequence BIGINT NOT NULL -- of the ledger's last answer
);
CREATE UNIQUE INDEX wallets_reference ON wallets (tenant, live, reference)
    WHERE reference IS NOT NULL;
CREATE INDEX wallets_created ON wallets (tenant, live, created, id);
CREATE INDEX wallets_updated ON wallets (tenant, live, updated, id);
CREATE INDEX wallets_owner ON wallets (tenant, live, owner, created, id);

-- Opening, freezing, closing, making a currency's books: each asks the ledger once.
CREATE TABLE changes (
    id BYTEA NOT NULL PRIMARY KEY, -- opening: the account's
    step SMALLINT NOT NULL,
    account BYTEA, -- none of books
    created BIGINT NOT NULL,
    lifts SMALLINT NOT NULL, -- unfreezes
    side SMALLINT NOT NULL,
    reason TEXT,
    trace TEXT NOT NULL,
    -- what changes
    state SMALLINT NOT NULL,
    chain BYTEA, -- the very bytes that are sent; none while it waits for books
    code BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    sequence BIGINT NOT NULL
);
CREATE INDEX changes_waiting ON changes (account) WHERE state = 1;
-- Not answered: what is sent again at start.
CREATE INDEX changes_sent ON changes (created) WHERE state = 2;

-- The ledger number of each currency of a tenant.
CREATE TABLE books (
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,
    currency TEXT NOT NULL,
    change BYTEA NOT NULL, -- that makes them
    number BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    made SMALLINT NOT NULL,
    PRIMARY KEY (tenant, live, currency)
) /* clustered */;
CREATE UNIQUE INDEX books_change ON books (change);
