"""The commands, in sections by what they are for, and what their exit codes mean."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import click

INTERRUPTED = 130
LONGEST = 200
"""Characters of a command's help in the list: nothing is cut."""
CODES = (
    ("0", "All is well, also if a reader of the output has had enough (a closed pipe)."),
    ("1", "Something is not, or there was an error; stderr says what."),
    ("2", "The command line is wrong: an unknown word, or a value that cannot be."),
    ("130", "Interrupted by Ctrl-C; up, watch and web end well by it, with 0."),
)


class Sections(click.Group):
    """A group of commands that lists them by sections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin without sections."""
        super().__init__(*args, **options)
        self.sections: dict[str, list[str]] = {}

    def add_section(self, title: str, *commands: click.Command) -> None:
        """Add commands under a title, in the order given."""
        for command in commands:
            self.add_command(command)
            self.sections.setdefault(title, []).append(str(command.name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the sections, and the exit codes after them."""
        longest = max(map(len, self.commands), default=0)
        for title, names in self.sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (name.ljust(longest), self.commands[name].get_short_help_str(LONGEST))
                        for name in names
                    ]
                )
        with formatter.section("Exit codes"):
            formatter.write_dl([(code.ljust(longest), meaning) for code, meaning in CODES])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names in the order of the sections."""
        return [name for names in self.sections.values() for name in names]

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's own signature
        **extra: Any,
    ) -> Any:
        """Run a command; on its own, end with the exit codes that the help tells."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        if sys.stdout is None:  # as `>&-` has it
            click.echo("Error: stdout is closed: write to /dev/null instead", err=True)
            sys.exit(1)
        code: Any
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except SystemExit as ended:
            code = ended.code
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort as error:
            is_interrupted = isinstance(error.__context__, KeyboardInterrupt)
            if not is_interrupted:
                click.echo("Nothing was done", err=True)  # somebody was asked, and said no
            code = INTERRUPTED if is_interrupted else 1
        except OSError as error:
            code = _failed(error)
        sys.exit(_written_out(code))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is no such one, say which was perhaps meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if meant := get_close_matches(args[0], self.commands):
                error.message += f" Is {' or '.join(map(repr, meant))} meant?"
            raise

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Read the command line; a reader that has had enough of its help is no error."""
        with _reader_may_leave():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a reader that has had enough of what it says is no error."""
        with _reader_may_leave():
            return super().invoke(ctx)


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _drop_output()
        sys.exit(0)


def _written_out(code: Any) -> Any:
    """Write out what stdout still holds; return the exit code."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        return _failed(error)
    return code


def _failed(error: OSError) -> int:
    _drop_output()
    click.echo(f"Error: {error.filename or 'stdout'}: {error.strerror or error}", err=True)
    return 1


def _drop_output() -> None:
    """Write nothing of what is left to an output that takes no more of it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
