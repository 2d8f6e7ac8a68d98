"""What every child process of modelhub does: it ends with its kernel."""

from __future__ import annotations

import os
import signal
import sys


def end_with_parent() -> None:
    """Have the system end this process when the kernel dies, where the system can (Linux)."""
    if sys.platform == "linux":
        import ctypes

        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
        if os.getppid() != parent:
            os._exit(0)
