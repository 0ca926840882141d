"""One thread of a daemon that stands still for a while, as a debugger stops it."""

import contextlib
import ctypes
import os
import pathlib

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WAIT_THREAD = 0x4206, 0x4207, 17, 0x40000000


def threads(pid, name):
    """Ids of the threads of that name."""
    return [int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            if (task / "comm").read_text().strip() == name]


@contextlib.contextmanager
def frozen(daemon, name):
    """The only thread of that name does not run inside this."""
    [thread] = threads(daemon.process.pid, name)
    libc = ctypes.CDLL(None, use_errno=True)

    def trace(request):
        assert libc.ptrace(request, thread, 0, 0) == 0, os.strerror(ctypes.get_errno())

    def let_go():
        if libc.ptrace(PTRACE_DETACH, thread, 0, 0) != 0:
            os.waitpid(thread, WAIT_THREAD)  # its process has ended, but for this thread

    trace(PTRACE_SEIZE)
    try:
        trace(PTRACE_INTERRUPT)
        os.waitpid(thread, WAIT_THREAD)  # until it has stopped
        yield
    finally:
        let_go()
