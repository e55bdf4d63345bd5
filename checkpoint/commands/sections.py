"""The commands, in sections by what they are for, and what their exit codes mean."""

import sys
from collections.abc import Sequence
from typing import Any

import click

INTERRUPTED = 130
LONGEST = 200
"""Characters of a command's help in the list: nothing is cut."""
CODES = (
    ("0", "All is well."),
    ("1", "Something is not, or there was an error; stderr says what."),
    ("2", "The command was not given as it can be."),
    ("130", "Interrupted by Ctrl-C."),
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
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                sys.exit(INTERRUPTED)
            click.echo("Nothing was done", err=True)  # somebody was asked, and said no
            sys.exit(1)
        sys.exit(code)
