-- Whether an entry is an event, and why it is a dead letter if it is one.
SELECT EXISTS (SELECT FROM event WHERE partition = %s AND ms = %s AND seq = %s),
       (SELECT reason FROM dead_letter WHERE partition = %s AND ms = %s AND seq = %s)
