"""The command line in this process."""

from click.testing import CliRunner, Result

from checkpoint.cli import main


def run(*words: str, given: str | bytes = "", **environ: str) -> Result:
    """Run `checkpoint` with these words, and with `given` on its standard input."""
    return CliRunner().invoke(main, words, input=given, env=environ)
