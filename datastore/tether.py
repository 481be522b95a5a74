"""Becomes another program that dies with its parent. Run as a script: ``tether.py PARENT_PID PROGRAM ARGUMENT...``.

A parent that is killed with SIGKILL can stop nothing. On Linux the kernel does it: it sends the signal set by
``prctl(PR_SET_PDEATHSIG)`` to this process when the *thread* that started it ends, and the setting outlives ``execve`` (see
prctl(2)). A ``preexec_fn`` could do the same, but is not safe in a program with threads. Elsewhere there is no such call:
there a killed parent leaves its servers, and the next start names the process to stop.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 126
"""Exit code, as shells use it, of a program that was found but could not be run."""


def main(parent: int, command: list[str]) -> None:
    """Bind this process to its parent, then become the command. Returns only if that cannot be done."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above took effect, so no signal will come
        return
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted; the caller chose the program
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot run here: {error.strerror}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
    sys.exit(CANNOT_RUN)
