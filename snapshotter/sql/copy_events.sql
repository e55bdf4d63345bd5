COPY event (partition, ms, seq, job, incarnation_ms, incarnation_seq, version, at, event,
            number, chain)
FROM STDIN (FORMAT BINARY)
