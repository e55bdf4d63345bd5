-- Up to so many events of a partition after an entry id and before a time, in the order of the
-- log, as one JSON array of entries: their event stands in it as it is. One value is some six
-- times as fast to send and to read as a row for each event.
SELECT convert_to('[' || string_agg(
    '[[' || ms || ',' || seq || '],[' || incarnation_ms || ',' || incarnation_seq || '],'
    || version || ',' || event::text || ',""]', ',') || ']', 'UTF8')
FROM (
    SELECT ms, seq, incarnation_ms, incarnation_seq, version, event
    FROM event
    WHERE partition = %s AND (ms, seq) > (%s, %s) AND ms < %s
    ORDER BY ms, seq
    LIMIT %s
) AS page
