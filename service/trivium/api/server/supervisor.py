"""The supervisor: the parent of the worker, which starts it again when it is killed and passes signals on."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress


STOPS = {signal.SIGTERM, signal.SIGINT}

RESTARTS = 5
PER_SECONDS = 60.0
"""A worker is started again so many times within so many seconds; one that is killed more often will not get well."""

KILLING = 3
"""The signal to stop that is not asked but done."""

KILLED = 128
"""What shells add to the number of the signal that ended a process, for its exit code."""


class WorkerError(Exception):
    """The worker ended though nobody asked it to, and is not started again."""


def supervise(work: Callable[[], None], *, patience: float, on_restart: Callable[[str], None]) -> int:
    """Run a function in a process of its own until SIGTERM or SIGINT; return its exit code.

    The first signal asks the worker to stop, the second to stop at once, the third kills it. When anything else kills
    it, it is started again.

    Args:
        work: what the worker runs; the first two signals reach it as SIGTERM, which is blocked at first.
        patience: seconds from the first signal until the worker is killed.
        on_restart: told the name of the signal that killed the worker, when it is started again.

    Raises:
        WorkerError: the worker ended by itself, or was killed too often.
    """
    signals = {*STOPS, signal.SIGCHLD, signal.SIGALRM}
    signal.signal(signal.SIGCHLD, _notice)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    lifeline = os.pipe()
    worker, asked = _fork(work, lifeline), 0
    restarts: deque[float] = deque(maxlen=RESTARTS)
    while True:
        number = signal.sigwait(signals)
        if number in STOPS:
            asked += 1
            signal.setitimer(signal.ITIMER_REAL, patience)
            os.kill(worker, signal.SIGTERM if asked < KILLING else signal.SIGKILL)
        elif number == signal.SIGALRM:
            os.kill(worker, signal.SIGKILL)
        elif (code := _ended(worker)) is None:
            continue
        elif asked:
            return code if code >= 0 else KILLED - code
        else:
            on_restart(_check_restart(code, restarts))
            worker = _fork(work, lifeline)


def _notice(*_: object) -> None:
    """Do nothing; but a signal that has no handler is not kept for `sigwait` everywhere."""


def _ended(worker: int) -> int | None:
    """Bury all processes that have ended; return the worker's exit code if it is among them, negative for a signal."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:  # as PID 1 it inherits the orphans of others
            if ended[0] == worker:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _check_restart(code: int, restarts: deque[float]) -> str:
    """Return the name of the signal that killed the worker, if it may be started again."""
    if code >= 0:
        raise WorkerError("the worker ended by itself; see above")
    name = signal.Signals(-code).name
    now = time.monotonic()
    if len(restarts) == RESTARTS and now - restarts[0] < PER_SECONDS:
        raise WorkerError(f"the worker was killed by {name}, {RESTARTS + 1} times within {PER_SECONDS:g} seconds")
    restarts.append(now)
    return name


def _fork(work: Callable[[], None], lifeline: tuple[int, int]) -> int:
    """Start the worker and return its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    if worker := os.fork():
        return worker
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both, and the parent passes it on
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGCHLD, signal.SIGALRM})
        threading.Thread(target=_die_with_parent, args=lifeline, daemon=True).start()
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's part of the program
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _die_with_parent(read: int, write: int) -> None:
    """End this process as soon as the parent has ended, however it ended."""
    os.close(write)
    os.read(read, 1)  # nobody writes: it returns when the last other end is closed
    os._exit(KILLED + signal.SIGKILL)
