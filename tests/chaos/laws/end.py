"""Laws on the servers and workers, and on what our own commands say at the end. Pure."""

from collections.abc import Iterator

from .account import Account
from .violation import Violation, forged_jobs

SLACK_BYTES = 4 << 20
"""What Redis may use beyond its limit: one call's data, and what it keeps for its clients."""


def memory_is_bounded(account: Account) -> Iterator[Violation]:
    """Redis uses no more than its limit and some slack."""
    for one in account.evidence.memory:
        if one.used > one.limit + SLACK_BYTES:
            used, limit = one.used / 2**20, one.limit / 2**20
            yield Violation(
                "memory is bounded", "", f"{used:.1f} MB of {limit:.1f} at {one.at:.1f}"
            )
            return


def nobody_dies(account: Account) -> Iterator[Violation]:
    """Workers and servers end only when they are told to."""
    for name in account.evidence.deaths:
        yield Violation("nobody dies by itself", "", f"{name}: see its log (--keep)")


def nobody_stays_stuck(account: Account) -> Iterator[Violation]:
    """After the last fault all recover, and catch up with the log."""
    for what in account.evidence.stuck:
        yield Violation("nobody stays stuck", "", what)


def the_doctor_is_content(account: Account) -> Iterator[Violation]:
    """After the last fault the doctor finds nothing."""
    doctor = account.evidence.doctor
    if doctor.exit_code:
        yield Violation(
            "the doctor is content", "", f"exit code {doctor.exit_code}: {doctor.output}"
        )


def verify_names_what_was_lost(account: Account) -> Iterator[Violation]:
    """`verify` finds no difference but in jobs to which somebody else appended."""
    verify = account.evidence.verify
    if not isinstance(verify.output, dict):
        yield Violation("verify is clean", "", f"exit code {verify.exit_code}: {verify.output}")
        return
    forged = forged_jobs(account.evidence)
    for one in verify.output["differences"]:
        if one["job_id"] not in forged:
            yield Violation("verify is clean", str(one["job_id"] or ""), f"{one}")
    for part in ("without_redis", "without_archive"):
        if verify.output.get(part):
            yield Violation("verify is clean", "", f"{part}: {verify.output[part]}")
