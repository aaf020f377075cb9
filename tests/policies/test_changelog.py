"""CHANGELOG.md tells exactly what changes from each policy to the next; as a script, this prints the newest step."""

import re
import sys
from pathlib import Path

import pytest

import trivium
from trivium.policy import Difference, Policy, compile_policy, diff
from trivium.profile import VOCABULARY


CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"


def load(version: str) -> Policy:
    file = trivium.POLICIES / f"adaptation-{version}.yaml"
    return compile_policy(file.read_text(encoding="utf-8"), file.name, VOCABULARY)


def rendered(found: Difference, strategies: tuple[str, ...]) -> str:
    """Render a difference: a row per strategy of the older version, a column per strategy of the newer one."""
    cells = {(change.from_, change.to): f"{change.cells:,}" for change in found.changes}
    columns = " | ".join(f"to `{strategy}`" for strategy in strategies)
    rows = [f"| from `{old}` | {' | '.join(cells.get((old, new), '-') for new in strategies)} |" for old in strategies]
    share = f"{found.changed_cells:,} of {found.cells:,} cells ({found.changed_cells / found.cells:.1%})"
    return "\n".join(
        [
            f"From {found.from_} to {found.to}, a {found.bump} step, {share} change strategy:",
            "",
            f"| cells | {columns} |",
            f"| --- |{' ---: |' * len(strategies)}",
            *rows,
        ]
    )


STEPS = [("1.0.0", "2.0.0"), ("2.0.0", "3.0.0")]


def expected(old: Policy, new: Policy) -> str:
    return rendered(diff(old, new), old.strategies)


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_the_changelog_tells_exactly_what_changes(old: str, new: str) -> None:
    changelog = CHANGELOG.read_text(encoding="utf-8")
    policies = re.findall(r"^### Policies\n(.*?)(?=^##|\Z)", changelog, re.MULTILINE | re.DOTALL)
    told = [re.sub(r"^ +", "", section, flags=re.MULTILINE) for section in policies]  # it may stand in a list
    assert any(unwrapped(expected(load(old), load(new))) in unwrapped(section) for section in told), (
        "run: python tests/policies/test_changelog.py"
    )


def test_a_released_policy_is_still_what_the_changelog_says_was_released() -> None:
    entry = re.compile(r"^- `adaptation` ([\d.]+): .*?Digest `([0-9a-f]{64})`", re.MULTILINE | re.DOTALL)
    released = dict(entry.findall(CHANGELOG.read_text(encoding="utf-8")))
    shipped = {file.stem.removeprefix("adaptation-") for file in trivium.POLICIES.glob("adaptation-*.yaml")}
    assert released == {version: load(version).digest for version in shipped}


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph, so that prose may wrap where it likes; rows of a table stay apart."""
    return re.sub(r"(?<=[^|\n])\n(?=[^|\n])", " ", text)


if __name__ == "__main__":
    old, new = map(load, STEPS[-1])
    sys.stdout.write(expected(old, new) + "\n")
