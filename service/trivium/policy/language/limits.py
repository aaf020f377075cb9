"""How large a policy may be: bounds that are known before anything is built.

What cannot be told from sizes, the diagrams and lookups bound while they are built.
"""

from __future__ import annotations

from collections.abc import Iterator

from trivium.policy.errors import Problem
from trivium.policy.language.parser import Parsed, Path


INPUTS = 64
BANDS = 64
TABLES = 64
RULES = 256
NEEDS = 4
"""Most different `changing_needs` in a policy: each doubles the cases that a search for changes tries."""


def check_limits(parsed: Parsed) -> Iterator[Problem]:
    """Yield what there is too much of."""
    document = parsed.document
    needs = {repr(sorted(spec.changing_needs.items())) for spec in document.inputs.values() if spec.changing_needs}
    counted: list[tuple[Path, int, int, str]] = [
        (("inputs",), len(document.inputs), INPUTS, "inputs"),
        (("tables",), len(document.tables), TABLES, "tables"),
        (("inputs",), len(needs), NEEDS, "different `changing_needs`"),
        *((("inputs", name), len(spec.bands), BANDS, "bands") for name, spec in document.inputs.items()),
        *((("tables", name, "rules"), len(table.rules), RULES, "rules") for name, table in document.tables.items()),
    ]
    for path, count, most, what in counted:
        if count > most:
            yield parsed.problem(path, "too-large", f"{count} {what}; a policy may have {most} here")
