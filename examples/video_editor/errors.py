"""What can go wrong, said to the person at the terminal."""


class EditorError(Exception):
    """The video cannot be edited; the message says what to do about it."""


class NotAVideoError(EditorError):
    """The file is no video that can be read."""


class UnusableCheckpointError(EditorError):
    """A checkpoint of this job was not written by this editor."""
