-- Payments and what they ask of the ledger. Amounts are minor units of the payment's currency, times
-- nanoseconds since the epoch, enumerations the numbers of payment.h, reasons their names.
--
-- Payments and operations are kept in the order of their making, not of their ids: ids are hashes, and
-- rows that are changed a few times shortly after would each lie in a page of their own.
CREATE TABLE payments (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,
    owner BYTEA NOT NULL,
    kind SMALLINT NOT NULL,
    payer BYTEA NOT NULL,
    payee BYTEA NOT NULL,
    scheme TEXT,
    identifier TEXT,
    currency TEXT NOT NULL,
    ledger BIGINT NOT NULL,
    fee_fixed BIGINT NOT NULL,
    fee_ppm BIGINT NOT NULL,
    refund_fees SMALLINT NOT NULL,
    capture SMALLINT NOT NULL,
    timeout BIGINT NOT NULL,
    reference TEXT,
    created_ns BIGINT NOT NULL,
    effective_ns BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL,
    fee_leg SMALLINT NOT NULL,
    limited SMALLINT NOT NULL,
    -- 1 = open until somebody's word: a hold, or in review. Changes at most twice: an update that
    -- names a column writes the indexes that speak of it
    lasting SMALLINT NOT NULL,
    -- what changes
    status SMALLINT NOT NULL,
    reason TEXT,
    giving_up TEXT,
    hold SMALLINT NOT NULL,
    amount BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    refundable BIGINT NOT NULL,
    fee_captured BIGINT NOT NULL,
    verdict SMALLINT NOT NULL,
    rail SMALLINT NOT NULL,
    legs BYTEA NOT NULL,
    updated_ns BIGINT NOT NULL,
    review_ns BIGINT NOT NULL,
    hold_until_ns BIGINT NOT NULL,
    due_ns BIGINT NOT NULL,
    version BIGINT NOT NULL,
    sequence BIGINT NOT NULL
);

CREATE UNIQUE INDEX payments_reference ON payments (tenant, live, reference) WHERE reference IS NOT NULL;
CREATE INDEX payments_created ON payments (tenant, live, created_ns, id);
CREATE INDEX payments_payer ON payments (payer, created_ns);
CREATE INDEX payments_payee ON payments (payee, created_ns);
CREATE INDEX payments_lasting_payer ON payments (payer) WHERE lasting = 1;
CREATE INDEX payments_lasting_payee ON payments (payee) WHERE lasting = 1;

-- To be handed to a rail
CREATE INDEX payments_rail ON payments (created_ns) WHERE rail = 1;

CREATE TABLE operations (
    payment BYTEA NOT NULL,
    id BYTEA NOT NULL,
    step SMALLINT NOT NULL,
    state SMALLINT NOT NULL,
    attempt BIGINT NOT NULL,
    number BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    final SMALLINT NOT NULL,
    on_insufficient SMALLINT NOT NULL,
    reason TEXT,
    code BIGINT NOT NULL,
    created_ns BIGINT NOT NULL,
    answered_ns BIGINT NOT NULL,
    retry_ns BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    fingerprint BYTEA,
    chain BYTEA NOT NULL,
    PRIMARY KEY (payment, id, step)
);

-- Sent, and not answered yet: what is sent again at start.
CREATE INDEX operations_sent ON operations (created_ns) WHERE state = 1;

-- Accounts as account's events tell of them: advisory, the ledger decides.
CREATE TABLE accounts (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,
    currency TEXT NOT NULL,
    ledger BIGINT NOT NULL,
    status SMALLINT NOT NULL,
    frozen SMALLINT NOT NULL,
    version BIGINT NOT NULL
) /* clustered */;

-- How much an account may move, and how much of it is used. A row of limits that has no count or
-- amount has none.
CREATE TABLE limits (
    account BYTEA NOT NULL,
    kind SMALLINT NOT NULL,
    period SMALLINT NOT NULL,
    count BIGINT,
    amount BIGINT,
    PRIMARY KEY (account, kind, period)
) /* clustered */;

CREATE TABLE limits_used (
    account BYTEA NOT NULL,
    kind SMALLINT NOT NULL,
    period SMALLINT NOT NULL,
    starts_ns BIGINT NOT NULL,
    count BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (account, kind, period, starts_ns)
) /* clustered */;

-- Position in the ledger's log up to which expiries are known.
CREATE TABLE ledger_position (
    one SMALLINT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO ledger_position (one, position) VALUES (1, 0);
