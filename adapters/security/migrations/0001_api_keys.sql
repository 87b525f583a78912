-- API keys. What a key lets its owner do; of the key itself the hash alone.

CREATE TABLE api_keys (
    id BYTEA PRIMARY KEY,
    owner BYTEA NOT NULL,         -- keys of one owner are the same caller
    tenant TEXT NOT NULL,
    live SMALLINT NOT NULL,       -- 1 = live, 0 = test
    scopes TEXT NOT NULL,         -- names with blanks between
    hash BYTEA NOT NULL UNIQUE,   -- SHA-256 of the whole key
    created BIGINT NOT NULL,      -- nanoseconds since the epoch, as all times here
    last_used BIGINT NOT NULL,    -- 0 = never; may be some minutes behind
    revoked BIGINT NOT NULL       -- 0 = it isn't
);
