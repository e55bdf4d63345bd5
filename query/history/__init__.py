"""What happened: a job's events and its states then, and those of all jobs as a stream."""
