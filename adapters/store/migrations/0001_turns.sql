-- What turns keep beside a service's own rows.

-- Events that are not yet known to be on the bus: a row is what one turn added to one lane.
CREATE TABLE outbox (
    lane SMALLINT NOT NULL,
    number BIGINT NOT NULL,  -- counted up in the lane, never used again
    written BIGINT NOT NULL, -- nanoseconds since the epoch
    count BIGINT NOT NULL,   -- of events
    events BYTEA NOT NULL,
    PRIMARY KEY (lane, number)
) /* clustered */;

-- How far a lane is: all rows up to `number` are on the bus and deleted.
CREATE TABLE outbox_lanes (
    lane SMALLINT PRIMARY KEY,
    number BIGINT NOT NULL,
    sequence BIGINT NOT NULL, -- of the last event of row `number`
    tails TEXT NOT NULL       -- a line for each topic and partition: the sequence of its last event
);

-- One row: which life of the database this is. Part of the source that events name.
CREATE TABLE outbox_incarnation (
    one SMALLINT PRIMARY KEY,
    incarnation BYTEA NOT NULL
);

-- How far a reader is in each partition, and what it has of each source there.
CREATE TABLE inbox (
    reader TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition SMALLINT NOT NULL,
    position BIGINT NOT NULL, -- of the record that was applied last
    whole SMALLINT NOT NULL,  -- 1: read from the partition's first record on, so a source that is
                              -- new here has had nothing before
    sources TEXT NOT NULL,    -- a line for each source: its last sequence
    PRIMARY KEY (reader, topic, partition)
);

-- Dead letters, and what came behind them with the same key.
CREATE TABLE parked (
    number BIGINT PRIMARY KEY,
    reader TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition SMALLINT NOT NULL,
    position BIGINT NOT NULL,
    key BYTEA NOT NULL,
    parked_at BIGINT NOT NULL, -- nanoseconds since the epoch
    reason TEXT NOT NULL,      -- the word of reasons.def
    message TEXT NOT NULL,
    value BYTEA NOT NULL       -- the record's
);
CREATE INDEX parked_by_key ON parked (reader, topic, key, number);

CREATE TABLE timers (
    kind SMALLINT NOT NULL,
    key BYTEA NOT NULL,
    due BIGINT NOT NULL, -- nanoseconds since the epoch
    PRIMARY KEY (kind, key)
) /* clustered */;
CREATE INDEX timers_by_due ON timers (due);
