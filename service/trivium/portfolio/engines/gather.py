"""What is gathered from the outputs of all tasks: the first projects, and what is wrong with rows.

It is read from the files and not sent by the workers, so that it takes no more memory where there are many, and is the
same where an earlier run has done some of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from trivium.portfolio.engines.plan import Task, read_ranking
from trivium.portfolio.files import FileError
from trivium.portfolio.parts import Part
from trivium.portfolio.ranking import Ranking


def ranking_of(tasks: Sequence[Task]) -> Ranking:
    """Return the first projects of a portfolio whose tasks are done, in the order in which one process finds them.

    Raises:
        FileError: an output has gone.
    """
    ranking = Ranking()
    for task in tasks:
        ranking.merge(read_ranking(task))
    return ranking


def check_apart(tasks: Sequence[Task], path: Path) -> None:
    """Check that a file over all tasks is none of theirs.

    Raises:
        FileError: a task reads or writes it.
    """
    taken = {Path(name).resolve() for task in tasks for name in (task.source, task.target, task.rejects)}
    if path.resolve() in taken:
        raise FileError(f"{path}: it is an input, or the output of one; write to another file")


def join_rejects(tasks: Sequence[Task], path: Path) -> None:
    """Write the rejected rows of all tasks to one file, in the order of the tasks; where there are none, remove it.

    Raises:
        FileError: it cannot be written.
    """
    try:
        joined = Part(path, 0)
        assert joined.file is not None
        is_done = False
        try:
            for rejects in (task.rejects for task in tasks if task.rejects.exists()):
                with rejects.open("rb") as file:
                    names = file.readline()
                    joined.file.write(b"" if joined.file.tell() else names)
                    shutil.copyfileobj(file, joined.file)
            joined.publish(keep=joined.file.tell() > 0)
            is_done = True
        finally:
            joined.close(remove=not is_done)
    except OSError as error:
        raise FileError(f"{error.filename or path}: {error.strerror}") from None
