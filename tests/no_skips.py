"""`--no-skips`: a run that left a test out has failed, as it must where everything is installed."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--no-skips", action="store_true", help="fail if a test is skipped: install what it needs"
    )


@pytest.hookimpl(tryfirst=True)  # before the summary is written, which says how it ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that passed into one that failed if it left anything out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if session.config.option.no_skips and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a run failed in which no test did."""
    skipped = terminalreporter.stats.get("skipped", [])
    if terminalreporter.config.option.no_skips and skipped:
        terminalreporter.write_line(
            f"--no-skips: {len(skipped)} skipped, which fails the run", red=True
        )
