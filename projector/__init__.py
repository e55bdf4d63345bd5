"""The projector: folds the log into a view, the latest state of every job."""
