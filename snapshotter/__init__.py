"""The snapshotter: copies the log into the archive, a Postgres event table."""
