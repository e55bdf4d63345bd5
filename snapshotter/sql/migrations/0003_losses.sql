-- Redis gives entries ids from this time on (ms since 1970, by its clock) when it goes on after a
-- restart. So an entry between (ms, seq) and this was lost, and whoever still holds it must not
-- store it. Zero: not known, of a restoration by an earlier release.
ALTER TABLE restoration ADD COLUMN resumed_ms numeric(20) NOT NULL DEFAULT 0;
