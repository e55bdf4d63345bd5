"""Questions to view, log and archive: resume points, progress, replay."""
