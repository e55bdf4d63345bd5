SELECT EXISTS (SELECT FROM event WHERE partition = %s AND ms = %s AND seq = %s)
    OR EXISTS (SELECT FROM dead_letter WHERE partition = %s AND ms = %s AND seq = %s)
