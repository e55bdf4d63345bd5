"""A video editor that survives being killed: eight stages, a checkpoint after each.

Run it from the root of the repository::

    python -m examples.video_editor VIDEO --job JOB --out FOLDER

Every stage lives in the module named for it and knows nothing of checkpoints; `editor` puts
the stages in order, saves what each one found, and skips what an earlier run has done.
"""
