"""docs/codes.md lists the rationale codes of every policy that ships; run as a script, this prints it anew."""

import sys
from collections.abc import Iterator
from pathlib import Path

import trivium
from trivium.policy import Registry, ServedPolicy, load_directory
from trivium.profile import VOCABULARY


PAGE = Path(__file__).resolve().parents[2] / "docs" / "codes.md"

HEAD = """\
# Rationale codes

Every reason in a recommendation has a code. A code never changes its meaning; a newer policy may word it better.
*supports*, *opposes* and *blocks* speak of the lever, *informs* only explains. `GET /codes` serves the same list.
"""

WARNINGS = """
## Warnings

What a profile says, taken together, is contradictory or easily misread. The answer stands, with the warning beside it.
"""


def page() -> str:
    served = list(Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version.values())
    return "\n".join([HEAD, *codes(served), WARNINGS, *warnings(served), ""])


def codes(served: list[ServedPolicy]) -> Iterator[str]:
    yield "| code | lever | effect | meaning | sources | policies |"
    yield "| --- | --- | --- | --- | --- | --- |"
    newest = {name: (one, code) for one in served for name, code in one.policy.document.codes.items()}
    for name, (one, code) in sorted(newest.items()):
        users = ", ".join(other.version for other in served if name in other.policy.document.codes)
        lever = one.policy.document.levers[code.lever].label
        yield f"| `{name}` | {lever} | {code.effect} | {code.message} | {', '.join(code.source)} | {users} |"


def warnings(served: list[ServedPolicy]) -> Iterator[str]:
    yield "| code | meaning | policies |"
    yield "| --- | --- | --- |"
    newest = {warning.code: warning.message for one in served for warning in one.policy.document.warnings}
    for name, message in sorted(newest.items()):
        users = [one.version for one in served if name in {warning.code for warning in one.policy.document.warnings}]
        yield f"| `{name}` | {message} | {', '.join(users)} |"
    yield "| `POLICY_DEPRECATED` | The policy that decided is deprecated. | any |"


def test_the_page_is_what_the_policies_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/docs/test_codes.py > docs/codes.md"


if __name__ == "__main__":
    sys.stdout.write(page())
