-- Redis gives entries ids from this time on (ms since 1970) when it goes on after a restart or a
-- restore. So an entry between (ms, seq) and this was lost, and whoever still holds it must not
-- store it. Zero: not known, of a restoration by an earlier release.
ALTER TABLE restoration ADD COLUMN resumed_ms numeric(20) NOT NULL DEFAULT 0;
-- Names the run of Redis that went on: each run does so once in a partition.
ALTER TABLE restoration ADD COLUMN run text NOT NULL DEFAULT '';
