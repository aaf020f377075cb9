"""A policy's tables as DMN 1.3, for modelers and for other engines.

One decision per table with hit policy FIRST, one input data element per input. Inputs are raw values: a number's bands
become intervals. What a profile leaves out is `null`, so a test that admits the band read for an unknown admits `null`.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from trivium.policy.engine.compiled import CompiledInput, Policy
from trivium.policy.engine.tables import DecisionTable, FiredRule
from trivium.policy.export.graph import Graph, graph
from trivium.policy.export.layout import Line, arrange
from trivium.policy.export.markup import HEAD, Markup, element, node
from trivium.policy.language.document import UNMEASURED


_NAMESPACES: dict[str, str | float] = {
    "xmlns": "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "xmlns:dmndi": "https://www.omg.org/spec/DMN/20191111/DMNDI/",
    "xmlns:dc": "http://www.omg.org/spec/DMN/20180521/DC/",
    "xmlns:di": "http://www.omg.org/spec/DMN/20180521/DI/",
}
_WIDTH, _HEIGHT, _STOREY = 190.0, 60.0, 150.0


def export_dmn(policy: Policy) -> str:
    """Write the tables of a policy, and a diagram of what they read, as DMN 1.3."""
    document = policy.document
    made = graph(policy)
    inputs = len(policy.inputs)
    attributes = _NAMESPACES | {
        "id": f"policy_{document.policy}",
        "name": document.policy,
        "namespace": f"urn:policy:{document.policy}:{document.version}",
    }
    definitions = node(
        "definitions",
        attributes,
        element("description", f"{document.title} ({document.version}, sha256:{policy.digest})"),
        *map(_input_data, policy.inputs),
        *(_decision(policy, table, position) for position, table in enumerate(policy.tables, inputs)),
        _diagram(policy, made),
    )
    return f"{HEAD}{definitions}\n"


def _input_data(field: CompiledInput) -> Markup:
    return element(
        "inputData",
        element("description", field.spec.question),
        element("variable", id=f"variable_{field.name}", name=field.name, typeRef=_type(field)),
        id=f"input_{field.name}",
        name=field.name,
    )


def _type(field: CompiledInput) -> str:
    if field.cuts is not None:
        return "number"
    flags = all(isinstance(value, bool) for value in field.spec.api_values.values())
    return "boolean" if flags else "string"


def _decision(policy: Policy, table: DecisionTable, position: int) -> Markup:
    name = table.name
    question = policy.document.title if position == len(policy.variables) - 1 else None
    return element(
        "decision",
        *([element("question", question)] if question else []),
        element("variable", id=f"variable_{name}", name=name, typeRef="string"),
        *(
            element(
                "informationRequirement",
                element("requiredInput" if read < len(policy.inputs) else "requiredDecision", href=_href(policy, read)),
                id=_requirement(policy, read, position),
            )
            for read in table.reads
        ),
        element(
            "decisionTable",
            *(_input_clause(policy, table, read) for read in table.reads),
            element(
                "output",
                element("outputValues", element("text", ", ".join(map(_literal, table.outcomes)))),
                id=f"output_{name}",
                name=name,
                typeRef="string",
            ),
            element("annotation", name="rule"),
            element("annotation", name="because"),
            *(_rule(policy, table, rule) for rule in table.rules),
            id=f"table_{name}",
            hitPolicy="FIRST",
            outputLabel=name,
        ),
        id=f"decision_{name}",
        name=name,
    )


def _input_clause(policy: Policy, table: DecisionTable, read: int) -> Markup:
    name = policy.variables[read].name
    kind = _type(policy.inputs[read]) if read < len(policy.inputs) else "string"
    expression = element("inputExpression", element("text", name), id=f"expression_{table.name}_{name}", typeRef=kind)
    return element("input", expression, id=f"clause_{table.name}_{name}", label=name)


def _rule(policy: Policy, table: DecisionTable, rule: FiredRule) -> Markup:
    unique = f"{table.name}_{rule.id}"
    terms = dict(rule.condition)
    because = ", ".join(rule.because)
    entries = []
    for read in table.reads:
        test = "-"
        if read in terms:
            labels = sorted(terms[read])
            if read < len(policy.inputs):
                test = unary_tests(policy.inputs[read], labels)
            elif len(labels) < len(policy.variables[read].labels):
                test = ", ".join(_literal(policy.variables[read].labels[label]) for label in labels)
        entry = f"test_{unique}_{policy.variables[read].name}"
        entries.append(element("inputEntry", element("text", test), id=entry))
    return element(
        "rule",
        element("description", f"{rule.id}: {because}" if because else rule.id),
        *entries,
        element("outputEntry", element("text", _literal(table.outcomes[rule.outcome])), id=f"then_{unique}"),
        element("annotationEntry", element("text", rule.id)),
        element("annotationEntry", element("text", because)),
        id=f"rule_{unique}",
    )


def unary_tests(field: CompiledInput, bands: list[int]) -> str:
    """Write "the input is in one of these bands" as FEEL unary tests on its raw value."""
    if len(bands) == len(field.bands):
        return "-"
    admits_null = field.assumed in bands
    stated = [band for band in bands if field.bands[band] != UNMEASURED]
    tests = ["null"] if admits_null else []
    if len(stated) == len(field.stated):
        return "not(null)"
    if field.cuts is None:
        tests += [_literal(field.spec.api_values[field.bands[band]]) for band in stated]
    else:
        runs = [[band for _, band in run] for _, run in groupby(enumerate(stated), lambda one: one[1] - one[0])]
        tests += [_interval(field.lowest(run[0]), field.limit(run[-1])) for run in runs]
    return ", ".join(tests)


def _interval(at_least: float | None, below: float | None) -> str:
    if at_least is None:
        assert below is not None
        return f"< {_number(below)}"
    return f">= {_number(at_least)}" if below is None else f"[{_number(at_least)}..{_number(below)})"


def _number(value: float) -> str:
    """Write a number without an exponent, which FEEL does not know."""
    return f"{Decimal(repr(value)):f}"


def _literal(value: str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _requirement(policy: Policy, read: int, reader: int) -> str:
    return f"requirement_{policy.variables[reader].name}_{policy.variables[read].name}"


def _identifier(policy: Policy, position: int) -> str:
    return f"{'input' if position < len(policy.inputs) else 'decision'}_{policy.variables[position].name}"


def _href(policy: Policy, position: int) -> str:
    return f"#{_identifier(policy, position)}"


def _diagram(policy: Policy, made: Graph) -> Markup:
    """Lay the requirements out as modelers do: the answer at the top, what it rests on below."""
    lines = [Line(*read) for read in made.reads]
    boxes = {position: (layer, _WIDTH) for position, layer in enumerate(made.layer)}
    placed = arrange(boxes, lines, 30, 10, lambda line: line.source)
    top = {position: 40 + (max(made.layer) - layer) * _STOREY for position, layer in enumerate(made.layer)}
    shapes = [
        element(
            "dmndi:DMNShape",
            element("dc:Bounds", x=round(40 + placed.middle[at] - _WIDTH / 2), y=top[at], width=_WIDTH, height=_HEIGHT),
            id=f"shape_{policy.variables[at].name}",
            dmnElementRef=_identifier(policy, at),
        )
        for at in range(len(policy.variables))
    ]
    edges = []
    for line, (read, reader) in zip(lines, made.reads, strict=True):
        points = [(placed.middle[read], top[read])]
        for layer, middle in enumerate(placed.through[line], made.layer[read] + 1):  # straight up between the boxes
            at = 40 + (max(made.layer) - layer) * _STOREY
            points += [(middle, at + _HEIGHT), (middle, at)]
        points.append((placed.middle[reader], top[reader] + _HEIGHT))
        requirement = _requirement(policy, read, reader)
        edges.append(
            element(
                "dmndi:DMNEdge",
                *(element("di:waypoint", x=round(40 + x), y=y) for x, y in points),
                id=f"edge_{requirement}",
                dmnElementRef=requirement,
            )
        )
    drawn = element("dmndi:DMNDiagram", *shapes, *edges, id="diagram")
    return element("dmndi:DMNDI", drawn)
