INSERT INTO event (partition, ms, seq, job, incarnation_ms, incarnation_seq, version, at, event,
                   number, chain)
VALUES (%s, %s, %s, %s, %s, %s, %s,
        timestamptz 'epoch' + %s * interval '1 microsecond' + interval '10957 days',
        convert_from(%s, 'UTF8')::json, %s, %s)
