"""How many questions an interview asks until the answer is settled: exactly, over all use cases.

Every question is answered, and in each input every band is as likely as the other. `python -m benchmarks.questions`
prints it; nothing is sampled or timed, so it is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import msgspec
from rich.console import Console
from rich.table import Table

import trivium
from benchmarks.rows import Row, at_most
from trivium.interview import every_interview
from trivium.policy import Policy, Registry, load_directory
from trivium.profile import VOCABULARY


class Questions(msgspec.Struct, frozen=True):
    """The questions that interviews by one policy ask.

    Attributes:
        version: the policy's version.
        inputs: how many it could ask.
        shares: for each number of questions, the share of use cases in which so many are asked.
    """

    version: str
    inputs: int
    shares: Mapping[int, Fraction]

    @property
    def average(self) -> float:
        """How many it asks on average."""
        return float(sum(asked * share for asked, share in self.shares.items()))

    def within(self, share: float) -> int:
        """Return the number of questions that suffices for a share of use cases."""
        return next(most for most in self.shares if sum(self.shares[asked] for asked in range(most + 1)) >= share)


def count(policy: Policy) -> Questions:
    """Count the questions of every interview by a policy."""
    shares = dict.fromkeys(range(len(policy.inputs) + 1), Fraction(0))
    for interview, share in every_interview(policy):
        shares[len(interview.answers)] += share
    return Questions(policy.version, len(policy.inputs), shares)


def counts() -> Iterator[Questions]:
    """Count the questions of every policy that ships."""
    for served in Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version.values():
        yield count(served.policy)


def rows() -> Iterator[Row]:
    """Report the averages beside the other measurements."""
    for one in counts():
        what = f"questions an interview asks on average, policy {one.version}, {one.inputs} inputs"
        yield at_most(what, one.average, one.inputs / 2, "", f"nine of ten: at most {one.within(0.9)}")


def main() -> None:
    """Print the counts."""
    table = Table("policy", "inputs", "questions on average", "half", "nine of ten", "most", box=None, pad_edge=False)
    for one in counts():
        numbers = [one.inputs, f"{one.average:.2f}", one.within(0.5), one.within(0.9), one.within(1)]
        table.add_row(one.version, *map(str, numbers))
    Console().print(table)


if __name__ == "__main__":
    main()
