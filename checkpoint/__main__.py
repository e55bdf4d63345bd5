"""`python -m checkpoint` is the command line."""

import io
import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it well also while it is still being read in."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None, for one, where there is no terminal
            stream.reconfigure(errors="replace")  # a job's name may have what a locale has not
    try:
        from .cli import main as command  # noqa: PLC0415 - what takes long must be in the block

        command(prog_name="checkpoint")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
