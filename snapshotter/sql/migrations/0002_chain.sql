-- What makes the archive tamper-evident: a hash through all entries of a partition, each over the
-- one before it (see snapshotter/chain.py). A release that knows nothing of it leaves the columns
-- empty; the next entry that this one stores chains over such rows first.

ALTER TABLE event
    ADD COLUMN number bigint,          -- the how manieth entry of the partition, from 1
    ADD COLUMN chain  bytea;           -- SHA-256

ALTER TABLE dead_letter
    ADD COLUMN number bigint,
    ADD COLUMN chain  bytea,
    ADD COLUMN leaf   bytea;           -- SHA-256 of a discarded one, whose fields are gone; only then

-- The head of the chain, and up to which entry it goes.
ALTER TABLE position
    ADD COLUMN number      bigint      NOT NULL DEFAULT 0,
    ADD COLUMN chain       bytea,
    ADD COLUMN chained_ms  numeric(20) NOT NULL DEFAULT 0,
    ADD COLUMN chained_seq numeric(20) NOT NULL DEFAULT 0;
