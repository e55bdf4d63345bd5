"""The command line of the video editor."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from av.error import FFmpegError

from checkpoint import CheckpointManager
from checkpoint.events.errors import CheckpointError

from .editor import VideoEditor
from .errors import EditorError
from .terminal import Terminal

FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Edit a video and return the exit status: 0, 1 after a failure, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.video_editor",
        description="Cut a video down to its highlights; killed and started again, it resumes.",
    )
    parser.add_argument("video", type=Path, help="the video to edit")
    parser.add_argument("--job", required=True, help="the job's id: the same one resumes")
    parser.add_argument("--out", required=True, type=Path, help="folder for the job's files")
    chosen = parser.parse_args(arguments)
    show = Terminal()
    try:
        manager = CheckpointManager()
        try:
            VideoEditor(manager, chosen.job, chosen.video, chosen.out, show).run()
        finally:
            manager.close()
    except KeyboardInterrupt:
        show.say("interrupted: run the same command again to go on after the last checkpoint")
        return INTERRUPTED
    except (EditorError, CheckpointError, FFmpegError, OSError) as error:
        show.say(f"failed: {error}")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
