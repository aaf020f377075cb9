"""Random policies for Hypothesis, as documents: JSON is YAML, and never has anchors.

What an input is called says what kind it is, so that any two policies can be compared.
"""

import json
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from reference import Reference


Part = dict[str, Any]

NUMBERS = ("size", "rate")
CHOICES = ("color", "taste")
FLAGS = ("ready",)
STRATEGIES = ("stay", "walk", "ride")
WORDS = ("first", "second", "third", "fourth")
MOST_CELLS = 160

CHECK = {"action": "Ask.", "done_when": "It is known."}


@st.composite
def inputs(draw: DrawFn) -> dict[str, Part]:
    """Draw two to five inputs, small enough together that all cells and all completions can be tried."""
    found: dict[str, Part] = {}
    cells = 1
    names = draw(st.lists(st.sampled_from(NUMBERS + CHOICES + FLAGS), min_size=3, max_size=5, unique=True))
    for name in names:
        unmeasured = draw(st.integers(0, 3)) == 0
        most = min(4, MOST_CELLS // cells - unmeasured)
        if most < 2:
            break
        bands: Any = draw(st.permutations(WORDS[: draw(st.integers(2, most))]))
        changed_by = draw(st.sampled_from(("action", "circumstance", "fixed")))
        part: Part = {"question": f"{name}?", "changed_by": changed_by, "check": CHECK}
        if name in NUMBERS:
            cuts = draw(st.lists(st.integers(0, 9), min_size=len(bands), max_size=len(bands), unique=True))
            part["cuts"] = dict(zip(bands, sorted(cuts), strict=True))
        elif name in CHOICES:
            part["values"] = list(bands)
        else:
            bands = draw(st.permutations(("no", "yes")))
            part["values"] = {band: band == "yes" for band in bands}
        cells *= len(bands) + unmeasured
        part["when_unknown"] = "unmeasured" if unmeasured else draw(st.sampled_from(list(bands)))
        part["phrases"] = {band: f"{name} is {band}" for band in bands_of(part)}
        if draw(st.booleans()):
            part["likelihood"] = draw(st.dictionaries(st.sampled_from(list(bands)), st.integers(1, 9)))
        found[name] = part
    for name, part in found.items():
        others = {other: bands_of(one) for other, one in found.items() if other != name}
        if draw(st.booleans()) and others:
            part["asked_when"] = draw(conditions(others))
        if part["changed_by"] == "action":
            part["better"] = draw(st.sampled_from(("more", "fewer", "none")))
            if others and part["better"] != "none" and draw(st.booleans()):
                part["changing_needs"] = draw(conditions(others))
    return found


def bands_of(part: Part) -> list[str]:
    stated = list(part.get("cuts") or part["values"])
    return ["unmeasured", *stated] if part["when_unknown"] == "unmeasured" else stated


@st.composite
def conditions(draw: DrawFn, labels: dict[str, list[str]], least: int = 0) -> Part:
    """Draw a condition on a few names, each with one label or with a list of some."""
    names = draw(st.lists(st.sampled_from(sorted(labels)), min_size=least, max_size=3, unique=True))
    when: Part = {}
    for name in names:
        some = draw(st.lists(st.sampled_from(labels[name]), min_size=1, max_size=3, unique=True))
        when[name] = some[0] if len(some) == 1 else some
    return when


@st.composite
def tables(draw: DrawFn, name: str, outcomes: tuple[str, ...], labels: dict[str, list[str]], complete: bool) -> Part:
    """Draw a table; its last rule always holds when it has to be complete."""
    otherwise, *others = draw(st.permutations(outcomes))
    rules: list[Part] = []
    for row in range(draw(st.integers(2, 5))):
        then = draw(st.sampled_from(outcomes if rules else others))
        rule: Part = {"id": f"r{row}", "when": draw(conditions(labels, least=1)), "then": then}
        if draw(st.booleans()):
            rule["because"] = [f"{name.upper()}_{row}"]
        rules.append(rule)
    if complete:
        rules.append({"id": "else", "then": otherwise, "because": [f"{name.upper()}_ELSE"]})
    return {"inputs": sorted({read for rule in rules for read in rule.get("when", ())}), "rules": rules}


@st.composite
def documents(draw: DrawFn, *, complete: bool = True) -> Part:
    """Draw a policy that compiles: one to three tables over inputs and earlier tables, the last one `strategy`.

    Not all of them can be proved: rules may be dead, and strategies out of reach.
    """
    given = draw(inputs())
    labels = {name: bands_of(part) for name, part in given.items()}
    drawn: dict[str, Part] = {}
    for name in (*WORDS[: draw(st.sampled_from((1, 2, 0)))], "strategy"):
        outcomes = STRATEGIES if name == "strategy" else ("low", "mid", "high")
        drawn[f"by_{name}" if name != "strategy" else name] = table = draw(
            tables(name, outcomes, labels, complete or draw(st.booleans()))
        )
        labels[f"by_{name}"] = sorted({rule["then"] for rule in table["rules"]})
    return assembled(given, drawn)


def assembled(given: dict[str, Part], drawn: dict[str, Part]) -> Part:
    """Put a policy together; an unread input or an unused code would be a mistake, and stays out."""
    read = {name for table in drawn.values() for name in table["inputs"]}
    codes = [code for table in drawn.values() for rule in table["rules"] for code in rule.get("because", ())]
    given = {name: dict(part) for name, part in given.items() if name in read}
    for part in given.values():
        for key in {"asked_when", "changing_needs"} & part.keys():
            part[key] = {name: wanted for name, wanted in part[key].items() if name in read}
    return {
        "policy": "generated",
        "version": "1.0.0",
        "title": "Generated",
        "sources": {"S1": {"title": "None", "year": 2026}},
        "inputs": given,
        "strategies": {name: name for name in STRATEGIES},
        "levers": {"legs": {"label": "Legs", "always": True}},
        "tables": drawn,
        "codes": {code: {"lever": "legs", "effect": "informs", "message": code, "source": ["S1"]} for code in codes},
        "summary": [{"id": "said", "text": "So."}],
    }


@st.composite
def live_documents(draw: DrawFn) -> Part:
    """Draw a policy without dead rules, so that more than its tables can be proved or refuted."""
    document = draw(documents())
    slow = Reference(text(document))
    rows = list(zip(*(slow.state(cell)[1] for cell in slow.cells()), strict=True))
    outcomes: dict[str, list[str]] = {}
    for (name, table), fired in zip(document["tables"].items(), rows, strict=True):
        table["rules"] = [rule for row, rule in enumerate(table["rules"]) if row in fired]
        for rule in table["rules"]:
            for read, wanted in rule.get("when", {}).items():
                if read in outcomes and isinstance(wanted, list):  # an outcome may have gone with its rules
                    rule["when"][read] = [label for label in wanted if label in outcomes[read]]
        table["inputs"] = sorted({read for rule in table["rules"] for read in rule.get("when", ())})
        outcomes[name] = [rule["then"] for rule in table["rules"]]
        assume(table["inputs"])
    return assembled(document["inputs"], document["tables"])


@st.composite
def promises(draw: DrawFn, document: Part) -> Part:
    """Draw a promise of any of the four forms."""
    bands = {name: bands_of(part) for name, part in document["inputs"].items()}
    stated = {name: [band for band in labels if band != "unmeasured"] for name, labels in bands.items()}
    outcomes = {name: sorted({rule["then"] for rule in table["rules"]}) for name, table in document["tables"].items()}
    name = draw(st.sampled_from(sorted(bands)))
    some = draw(st.lists(st.sampled_from(STRATEGIES), min_size=1, max_size=2, unique=True))
    premise = draw(conditions(bands | outcomes))
    return draw(
        st.sampled_from(
            (
                {"id": "p", "if": premise, "then_strategy": some},
                {"id": "p", "raising": name, "never_leaves": some},
                {"id": "p", "raising": name, "never_leaves": some, "if": premise},
                {"id": "p", "setting": {name: draw(st.sampled_from(stated[name]))}, "never_enters": some},
                {"id": "p", "reachable_given": draw(st.lists(st.sampled_from(sorted(bands)), unique=True))},
            )
        )
    )


def text(document: Part) -> str:
    return json.dumps(document, indent=1)
