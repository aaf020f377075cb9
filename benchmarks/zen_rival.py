"""GoRules' zen-engine with the tables of a policy, generated from the policy document."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import zen  # type: ignore[import-not-found]  # only in the environment of the benchmark

from trivium.policy import Document
from trivium.policy.language.document import UNMEASURED, Table


Evaluate = Callable[[str], str]


def created(document: Document) -> Evaluate:
    """Return strategies by `engine.create_decision(graph)`, as zen-engine's documentation begins."""
    decision = zen.ZenEngine().create_decision(json.dumps(graph(document)))
    decision.validate()
    evaluate, options = decision.evaluate, {"trace": False}

    def strategy(profile: str) -> str:
        return evaluate(profile, options)["result"]["strategy"]  # type: ignore[no-any-return]  # a string, see `graph`

    return strategy


def precompiled(document: Document) -> Evaluate:
    """Return strategies by a static loader, which compiles all expressions once: zen-engine at its fastest."""
    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"policy": graph(document)}}})
    evaluate, options = engine.evaluate, {"trace": False}

    def strategy(profile: str) -> str:
        return evaluate("policy", profile, options)["result"]["strategy"]  # type: ignore[no-any-return]  # as above

    return strategy


def graph(document: Document) -> dict[str, Any]:
    """Return a JSON decision model: one node per table, after the tables it reads, and the last one into the output.

    Handing every table's outcome through all later ones (`passThrough`) does the same, only slower.
    """
    last = list(document.tables)[-1]
    wires = [(source if source in document.tables else "request", name) for name, source in _reads(document)]
    return {
        "nodes": [
            {"id": "request", "name": "request", "type": "inputNode"},
            *(_node(document, name, table) for name, table in document.tables.items()),
            {"id": "response", "name": "response", "type": "outputNode"},
        ],
        "edges": [
            {"id": f"{source}-{target}", "type": "edge", "sourceId": source, "targetId": target}
            for source, target in dict.fromkeys([*wires, (last, "response")])
        ],
    }


def _reads(document: Document) -> list[tuple[str, str]]:
    return [(name, source) for name, table in document.tables.items() for source in table.inputs]


def _node(document: Document, name: str, table: Table) -> dict[str, Any]:
    rules = [
        {
            "_id": rule.id,
            **{read: _test(document, read, rule.when[read]) if read in rule.when else "" for read in table.inputs},
            "then": json.dumps(rule.then),
        }
        for rule in table.rules
    ]
    content = {
        "hitPolicy": "first",
        "inputs": [{"id": read, "name": read, "field": _field(document, read)} for read in table.inputs],
        "outputs": [{"id": "then", "name": name, "field": name}],
        "rules": rules,
        "passThrough": False,
        "inputField": None,
        "outputPath": None,
        "executionMode": "single",
    }
    return {"id": name, "name": name, "type": "decisionTableNode", "content": content}


def _field(document: Document, name: str) -> str:
    """Return what a column looks at: an input, or what stands in for it when it is unknown, or an earlier outcome."""
    spec = document.inputs.get(name)
    if spec is None or spec.when_unknown == UNMEASURED:
        return name
    assumed = spec.cuts[spec.when_unknown] if spec.cuts else spec.api_values[spec.when_unknown]
    return f"{name} ?? {json.dumps(assumed)}"


def _test(document: Document, name: str, labels: str | Sequence[str]) -> str:
    """Return the condition of one cell of a table, on the raw input."""
    wanted = [labels] if isinstance(labels, str) else labels
    spec = document.inputs.get(name)
    if spec is None:
        return ", ".join(json.dumps(label) for label in wanted)
    if spec.cuts is None:
        return ", ".join(json.dumps(spec.api_values[label]) for label in wanted)
    cuts = list(spec.cuts.values())
    spans: list[tuple[int, int]] = []
    for place in sorted(map(list(spec.cuts).index, wanted)):
        begin = spans.pop()[0] if spans and spans[-1][1] == place else place
        spans.append((begin, place + 1))
    return ", ".join(_interval(cuts, *span) for span in spans)


def _interval(cuts: Sequence[float], begin: int, end: int) -> str:
    """Return the test for the bands from one place up to another."""
    if end == len(cuts):
        return f">= {cuts[begin]}"
    return f"[{cuts[begin]}..{cuts[end]})" if begin else f"< {cuts[end]}"
