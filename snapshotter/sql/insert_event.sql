INSERT INTO event (partition, ms, seq, job, incarnation_ms, incarnation_seq, version, at, event,
                   number, chain)
VALUES (%s, %s, %s, %s, %s, %s, %s,
        timestamptz '2000-01-01 00:00:00Z' + %s * interval '1 microsecond',
        convert_from(%s, 'UTF8')::json, %s, %s)
