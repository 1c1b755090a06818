"""A worker whose model is broken, or that kills itself as often as a file says when the model is shown white frames."""

import os
import signal
from pathlib import Path

from favor import FavorModel
from pipeline.execution.worker import run_worker

encode = FavorModel.encode


def deadly(model, clips):
    if "PLANTED_ERROR" in os.environ:
        raise ValueError(os.environ["PLANTED_ERROR"])
    kills = Path(os.environ["PLANTED_KILLS"])
    left = int(kills.read_text())
    if left and any(clip.frames.min() > 250 for clip in clips):
        kills.write_text(str(left - 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(model, clips)


if __name__ == "__main__":
    FavorModel.encode = deadly
    run_worker()
