-- The archive of one log. All names are resolved by search_path: a log has a schema of its own.

-- The log's identity, which Redis holds too: an empty Redis is not taken for a new log.
CREATE TABLE log (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id         text NOT NULL,
    partitions smallint NOT NULL CHECK (partitions > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row per event, in the event's own bytes (json, not jsonb, keeps them: 1e23 and -0.0 come
-- back from jsonb as other values, and a digest over what jsonb prints proves nothing about what
-- was logged). The view `payload` has the data as jsonb.
CREATE TABLE event (
    partition       smallint NOT NULL,
    ms              bigint NOT NULL,   -- entry id: milliseconds since 1970 by Redis' clock,
    seq             bigint NOT NULL,   --           and a sequence number
    job             text NOT NULL,
    incarnation_ms  bigint NOT NULL,   -- entry id of the incarnation's first event
    incarnation_seq bigint NOT NULL,
    version         bigint NOT NULL CHECK (version > 0),
    at              timestamptz NOT NULL,
    event           json NOT NULL,
    PRIMARY KEY (partition, ms, seq),
    UNIQUE (job, incarnation_ms, incarnation_seq, version)
);

-- The snapshotter's position, stored in the transaction that stores the rows: the watermark.
CREATE TABLE position (
    partition smallint PRIMARY KEY,
    ms        numeric(20) NOT NULL DEFAULT 0,  -- Redis' ids are unsigned, and an entry that an
    seq       numeric(20) NOT NULL DEFAULT 0   -- event cannot have may still be passed
);

-- Entries that are not events, or that this table refuses, with their bytes.
CREATE TABLE dead_letter (
    partition smallint NOT NULL,
    ms        numeric(20) NOT NULL,
    seq       numeric(20) NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    fields    bytea[] NOT NULL,        -- field, value, field, value … as they stand in the log
    reason    text NOT NULL,
    PRIMARY KEY (partition, ms, seq)
);

-- Every time that Redis had lost entries and got them back from here. What it was given after
-- (ms, seq), and acknowledged as `log` only, is gone.
CREATE TABLE restoration (
    partition  smallint NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    logged_ms  numeric(20) NOT NULL,   -- where Redis' log had ended
    logged_seq numeric(20) NOT NULL,
    ms         numeric(20) NOT NULL,   -- where the archive ended, and the log goes on
    seq        numeric(20) NOT NULL,
    jobs       bigint NOT NULL,        -- how many were written back
    PRIMARY KEY (partition, at)
);

CREATE VIEW payload AS
SELECT partition, ms, seq, at, job, incarnation_ms, incarnation_seq, version,
       event ->> 'type' AS type,
       event ->> 'stage' AS stage,
       (event -> 'data')::jsonb AS payload
FROM event;
