"""A policy that is wrong does not load, and the error says what, where, in which rule, and shows a profile."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

import trivium
from trivium.policy import Field, PolicyError, Problem, compile_policy, diff, load_policy
from trivium.policy.engine.diagram import LIMITS
from trivium.policy.engine.tables import ENTRY_LIMIT
from trivium.policy.language import limits


GOOD = Path(__file__).with_name("commute.yaml").read_text(encoding="utf-8")

VOCABULARY = {
    "distance": Field("number", maximum=100),
    "weather": Field("choice", ("dry", "wet")),
    "has_bike": Field("flag"),
}


class Bad(NamedTuple):
    """One edit of the good policy, and the problem it has to give.

    `at` is the text that stands where the problem points; the first part of `says` may use any regular expression.
    """

    old: str
    new: str
    code: str
    at: str
    says: str = ""
    rule: str = ""
    shown: dict[str, str] | None = None


def without(line: str) -> tuple[str, str]:
    return next(full for full in GOOD.splitlines(keepends=True) if line in full), ""


RULES = "      - {id: no-bike,"
CASES = {
    # The form of the document
    "not YAML": Bad("title: How", "title: [How", "not-yaml", ":", "did not find expected"),
    "a list": Bad(GOOD, "- policy\n", "not-yaml", "- policy", "a policy is a mapping"),
    "an empty file": Bad(GOOD, "", "not-yaml", "", "a policy is a mapping"),
    "a control character": Bad("How to", "How\0to", "not-yaml", "#", "control characters"),
    "a second document": Bad("policy: commute", "a: b\n---\npolicy: commute", "not-yaml", "---", "another document"),
    "an alias": Bad("values: {no: false, yes: true}", "values: &v [a, *v]", "not-yaml", "&v", "write the part out"),
    "an anchor without an alias": Bad("title: How", "title: &t How", "not-yaml", "&t", "write the part out"),
    "an alias without an anchor": Bad("title: How", "title: *t", "not-yaml", "\\*t", "undefined alias"),
    "a tag": Bad("title: How", "title: !!str How", "not-yaml", "!!str", "tags are not part"),
    "a tag without a name": Bad("title: How", "title: ! How", "not-yaml", "!", "tags are not part"),
    "a tag of a key": Bad("title: How", "!k title: How", "not-yaml", "!k", "tags are not part"),
    "a key of more than a word": Bad("title: How", "[title]: How", "not-yaml", "\\[title", "a plain word"),
    "nesting without end": Bad(
        "title: How to get to work", f"title: {'[' * 5000}{']' * 5000}", "not-yaml", "#", "deep"
    ),
    "a key twice": Bad(
        "title: How", "version: 1.0.1\ntitle: How", "not-yaml", "version: 1.0.1", "`version` is given twice"
    ),
    "a section missing": Bad(*without("title: How"), "malformed", "policy", "missing required field `title`"),
    "an unknown section": Bad("summary:", "sumary:", "malformed", "sumary", "did you mean `summary`"),
    "an unknown key": Bad(
        "when: {weather: wet}, then", "wen: {weather: wet}, then", "malformed", "wen", "did you mean `when`"
    ),
    "a word of no kind": Bad("changed_by: action", "changed_by: magic", "malformed", "changed_by", "magic"),
    "a rule without an id": Bad(
        "{id: rides, then: fine}", "{then: fine}", "malformed", "{then: fine}", "missing required field `id`"
    ),
    "a version that is none": Bad("version: 1.0.0", "version: 1.0", "malformed", "version", "str"),
    "a band that is no word": Bad("far: 10}", "Far Off: 10}", "malformed", "cuts", "regex"),
    # Names
    "a rule id twice": Bad(
        "id: rides", "id: soaked", "duplicate-id", "{id: soaked, then", "rule id `soaked` is given twice"
    ),
    "a step id twice": Bad(
        "steps:\n",
        "steps:\n  - {id: pump, phase: now, lever: feet, action: Go., done_when: Gone.}\n",
        "duplicate-id",
        "{id: pump, phase: now, lever: wheels",
        "`pump` is given twice",
    ),
    "a promise id twice": Bad(
        "id: rain-never-cycles", "id: near-is-walked", "duplicate-id", "{id: near-is-walked, setting"
    ),
    "an example id twice": Bad("id: far-away", "id: nothing-known", "duplicate-id", "{id: nothing-known, profile: {d"),
    "an unknown input of a table": Bad(
        "inputs: [weather, has_bike]",
        "inputs: [wether, weather, has_bike]",
        "unknown-input",
        "wether",
        "did you mean `weather`",
    ),
    "an unknown input of a rule": Bad(
        "when: {weather: wet}, then",
        "when: {wether: wet}, then",
        "unknown-input",
        "wether",
        "`weather`",
        "cycling/soaked",
    ),
    "an input not in the table's list": Bad(
        "when: {weather: wet}, then",
        "when: {weather: wet, distance: far}, then",
        "unknown-input",
        "distance: far",
        "not among the table's inputs",
        "cycling/soaked",
    ),
    "a table read before it is there": Bad(
        "inputs: [weather, has_bike]",
        "inputs: [weather, has_bike, strategy]",
        "unknown-input",
        "strategy",
        "no input `strategy`",
    ),
    "an input and a table of one name": Bad(
        "  cycling:\n", "  weather:\n", "duplicate-name", "weather", "both an input and a table"
    ),
    "an input that no table reads": Bad(
        "strategies:\n",
        "  mood:\n    question: How are you?\n    values: [low, high]\n    when_unknown: low\n    changed_by: fixed\n"
        "    check: {action: Ask., done_when: Told.}\nstrategies:\n",
        "unread-input",
        "mood",
        "no table reads `mood`",
    ),
    "an input that no rule of its table reads": Bad(
        "inputs: [weather, has_bike]",
        "inputs: [weather, has_bike, distance]",
        "unread-input",
        "distance\\]",
        "`cycling`",
    ),
    "an unknown band": Bad(
        "when: {weather: wet}, then",
        "when: {weather: wett}, then",
        "unknown-band",
        "weather: wett",
        "did you mean `wet`",
        "cycling/soaked",
    ),
    "an unknown outcome": Bad(
        "cycling: fine}", "cycling: fin}", "unknown-band", "cycling: fin}", "`fine`", "strategy/ride"
    ),
    "an unknown assumption": Bad(
        "when_unknown: near", "when_unknown: nere", "unknown-band", "when_unknown", "did you mean `near`"
    ),
    "an unknown code": Bad(
        "because: [RAIN]", "because: [RAIM, RAIN]", "unknown-code", "RAIM", "did you mean `RAIN`", "cycling/soaked"
    ),
    "an unknown source of a code": Bad(
        'get wet.", source: [S1]', 'get wet.", source: [S2]', "unknown-source", "S2", "`S1`"
    ),
    "an unknown source of a step": Bad("Hard., source: [S1]", "Hard., source: [S2]", "unknown-source", "S2", "`S1`"),
    "an unknown lever of a code": Bad(
        "RAIN: {lever: wheels", "RAIN: {lever: wheel", "unknown-lever", "lever: wheel,", "`wheels`"
    ),
    "an unknown lever of a step": Bad(
        "now, lever: wheels", "now, lever: wheel", "unknown-lever", "lever: wheel,", "`wheels`"
    ),
    "an unknown table of a lever": Bad(
        "table: cycling", "table: cykling", "unknown-table", "table", "did you mean `cycling`"
    ),
    "an unknown strategy of a rule": Bad(
        "then: bus", "then: buss", "unknown-strategy", "then: buss", "`bus`", "strategy/otherwise"
    ),
    "an unknown strategy of a promise": Bad(
        "then_strategy: [walk]", "then_strategy: [wall]", "unknown-strategy", "{id: near", "`walk`"
    ),
    "an unknown input of a promise": Bad(
        "raising: distance", "raising: distant", "unknown-input", "{id: far", "`distance`"
    ),
    "an unknown band of a promise": Bad(
        "setting: {weather: wet}", "setting: {weather: wed}", "unknown-band", "weather: wed", "`wet`"
    ),
    "an unknown input of an example": Bad(
        "profile: {distance", "profile: {distant", "unknown-input", "distant", "`distance`"
    ),
    "an unknown code of an example": Bad(
        "codes: [NO_BIKE]", "codes: [NO_BIK]", "unknown-code", "NO_BIK\\]", "`NO_BIKE`"
    ),
    "an unknown code that an example is without": Bad(
        "codes: [NO_BIKE]", "without: [NO_BIK]", "unknown-code", "NO_BIK\\]", "did you mean `NO_BIKE`"
    ),
    "an unknown strategy of an example": Bad(
        "strategy: bus}\n\\Z", "strategy: buz}\n", "unknown-strategy", "strategy: buz", "`bus`"
    ),
    "an unknown table of an example": Bad(
        "outcomes: {cycling", "outcomes: {cykling", "unknown-input", "cykling", "`cycling`"
    ),
    "an unknown band of a warning": Bad(
        "distance: far}, message", "distance: fear}, message", "unknown-band", "distance: fear", "`far`"
    ),
    "an unknown input of a recheck": Bad(
        "when: {weather: wet}, event", "when: {wether: wet}, event", "unknown-input", "wether", "`weather`"
    ),
    "a code that no rule gives": Bad(", because: [RAIN]", "", "unreachable-code", "RAIN", "no rule gives `RAIN`"),
    "no table called strategy": Bad(
        "  strategy:\n", "  answer:\n", "malformed", "tables", "the last table must be `strategy`"
    ),
    # Inputs, levers and promises of the wrong form
    "cuts that do not ascend": Bad("middle: 2, far: 10", "middle: 2, far: 2", "malformed", "cuts", "must ascend"),
    "cuts and values": Bad("cuts: {n", "values: [a, b]\n    cuts: {n", "malformed", "distance", "either `cuts`"),
    "one band only": Bad("values: [dry, wet]", "values: [wet]", "malformed", "weather", "at least two bands"),
    "a band twice": Bad("values: [dry, wet]", "values: [dry, wet, dry]", "malformed", "values", "is given twice"),
    "an API value twice": Bad(
        "{no: false, yes: true}", "{no: false, yes: true, nope: false}", "malformed", "values", "is given twice"
    ),
    "a stated starting band": Bad("[dry, wet]", "[unmeasured, dry, wet]", "malformed", "weather", "cannot be stated"),
    "a lever with two minds": Bad(
        "{label: Feet, always: true}", "{label: Feet}", "malformed", "feet", "either `always: true`"
    ),
    "an outcome without a verdict": Bad(
        "{fine: adopt, bad: not_needed}", "{fine: adopt}", "malformed", "wheels", "`bad`"
    ),
    "a promise of two forms": Bad(
        "then_strategy: [walk]", "never_enters: [walk]", "malformed", "{id: near", "must be one of"
    ),
    "a promise to set two inputs": Bad(
        "setting: {weather: wet}", "setting: {weather: wet, has_bike: no}", "malformed", "setting", "exactly one"
    ),
    # Profiles
    "an input that profiles do not have": Bad(
        "distance", "distanz", "unknown-input", "distanz", "did you mean `distance`"
    ),
    "a number cut into words": Bad(
        "cuts: {near: 0, middle: 2, far: 10}", "values: [near, middle, far]", "malformed", "distance", "`cuts`"
    ),
    "a word cut into numbers": Bad(
        "values: [dry, wet]", "cuts: {dry: 0, wet: 1}", "malformed", "weather", "give `values`"
    ),
    "numbers cut too high": Bad("near: 0", "near: 1", "malformed", "cuts", "must be its lowest value, 0"),
    "a choice left out": Bad(
        "values: [dry, wet]", "values: [dry, wet, icy]", "malformed", "values", "exactly: dry, wet"
    ),
    "a flag of words": Bad(
        "values: {no: false, yes: true}", "values: [no, yes]", "malformed", "values", "exactly: false, true"
    ),
    "a cut beyond what profiles state": Bad("far: 10}", "far: 200}", "malformed", "far: 200", "no profile reaches"),
    "a field that nothing is derived from": Bad(
        "when_unknown: near", "derived_from: weather\n    when_unknown: near", "malformed", "derived_from", "is stated"
    ),
    "a number that is a flag": Bad(
        "profile: {distance: 10}", "profile: {distance: true}", "malformed", "distance: true", "no profile states it"
    ),
    "a number beyond what profiles state": Bad(
        "profile: {distance: 10}", "profile: {distance: 101}", "malformed", "distance: 101", "from 0 to 100"
    ),
    # What an input says of the others
    "a better end of what nobody acts on": Bad(
        "when_unknown: near", "better: more\n    when_unknown: near", "malformed", "better", "changes by `action`"
    ),
    "a need of what is not changed for the better": Bad(
        "when_unknown: no\n",
        "changing_needs: {weather: dry}\n    when_unknown: no\n",
        "malformed",
        "changing_needs",
        "nothing that changing it could need",
    ),
    "an unknown input that a question asks about": Bad(
        "when_unknown: near",
        "asked_when: {wether: dry}\n    when_unknown: near",
        "unknown-input",
        "wether",
        "`weather`",
    ),
    "a question that waits for itself": Bad(
        "when_unknown: near", "asked_when: {distance: far}\n    when_unknown: near", "unknown-input", "distance: far"
    ),
    "a likelihood of no band": Bad(
        "when_unknown: near", "likelihood: {nere: 2}\n    when_unknown: near", "unknown-band", "nere", "`near`"
    ),
    "a likelihood of nothing": Bad(
        "when_unknown: near", "likelihood: {near: 0}\n    when_unknown: near", "malformed", "likelihood", ">= 1"
    ),
    # Outcomes and levers
    "a misspelt outcome": Bad(
        "    inputs: [weather, has_bike]\n    rules:\n      - {id: no-bike, when: {has_bike: no}, then: bad",
        "    inputs: [weather, has_bike]\n    outcomes: [fine, bad]\n    rules:\n"
        "      - {id: no-bike, when: {has_bike: no}, then: bat",
        "unknown-outcome",
        "then: bat",
        "did you mean `bad`",
        "cycling/no-bike",
    ),
    "an outcome that no rule says": Bad(
        "    inputs: [weather, has_bike]\n",
        "    inputs: [weather, has_bike]\n    outcomes: [fine, bad, so_so]\n",
        "unread-outcome",
        "so_so",
        "no rule of `cycling` says `so_so`",
    ),
    "a lever at odds with the strategy": Bad(
        "levers:\n",
        "adopts: {walk: [], bike: [wheels], bus: []}\nlevers:\n",
        "contradicting-lever",
        "wheels: {label",
        "`wheels` is adopted",
        shown={"distance": "near", "weather": "unmeasured", "has_bike": "yes"},
    ),
    "a strategy without its levers": Bad(
        "levers:\n", "adopts: {walk: [], bike: [wheels]}\nlevers:\n", "malformed", "adopts", "nothing of `bus`"
    ),
    "an unknown lever of a strategy": Bad(
        "levers:\n",
        "adopts: {walk: [], bike: [wheel], bus: []}\nlevers:\n",
        "unknown-lever",
        "wheel\\]",
        "did you mean `wheels`",
    ),
    # What is never said
    "a step that is never taken": Bad(
        "lever: wheels, when: {strategy: bike}",
        "lever: wheels, when: {strategy: bike, distance: far}",
        "dead-step",
        "{id: pump",
        "holds in no cell",
    ),
    "an event that never matters": Bad(
        "when: {weather: wet}, event", "when: {weather: wet, cycling: fine}, event", "dead-event", "{id: rain-stops"
    ),
    "a warning of what no profile states": Bad(
        "when: {has_bike: yes, distance: far}, message",
        "when: {has_bike: yes, weather: unmeasured}, message",
        "dead-warning",
        "{code: NO_SHED",
    ),
    "a promise of nothing": Bad(
        "never_leaves: [bus], if", "never_leaves: [], if", "malformed", "{id: far", "promises nothing"
    ),
    "an implication whose premise never holds": Bad(
        "if: {distance: near}, then",
        "if: {weather: wet, cycling: fine}, then",
        "broken-promise",
        "{id: near",
        "holds in no cell",
        shown={},
    ),
    "a monotone promise whose premise never holds": Bad(
        "if: {has_bike: no}}",
        "if: {weather: wet, cycling: fine}}",
        "broken-promise",
        "{id: far",
        "holds in no cell",
        shown={},
    ),
    # What could mislead a reader
    "a link that is a script": Bad(
        "year: 2026}", "year: 2026, url: 'javascript:alert(1)'}", "malformed", "url", "regex"
    ),
    "a version with a line feed": Bad("version: 1.0.0", 'version: "1.0.0\\n"', "malformed", "version", "regex"),
    "a version of other digits": Bad("version: 1.0.0", "version: 1.0.\u0661", "malformed", "version", "regex"),
    "a text that runs the other way": Bad(
        "title: How", 'title: "\\u202eHow to"\n#', "not-yaml", '"', "U\\+202E cannot be seen"
    ),
    "a NUL": Bad("title: How", 'title: "How\\0"\n#', "not-yaml", '"', "U\\+0000 cannot be seen"),
    "a hidden character in a key": Bad("S1: {title", '"S\\u200e1": {title', "not-yaml", '"', "U\\+200E"),
    "a number that is none": Bad("far: 10}", "far: 1e999}", "not-yaml", "1e999", "too large"),
    # Proofs
    "an incomplete table": Bad(
        "      - {id: rides, then: fine}\n",
        "      - {id: rides, when: {has_bike: yes, weather: dry}, then: fine}\n",
        "incomplete-table",
        "cycling",
        "no rule of `cycling` fires in some cells",
        shown={"weather": "unmeasured", "has_bike": "yes"},
    ),
    "an incomplete summary": Bad(
        ", text: Go",
        ", when: {strategy: bike}, text: Go",
        "incomplete-table",
        "summary",
        "`summary`",
        shown={"distance": "near"},
    ),
    "a rule behind another": Bad(
        "      - {id: rides",
        "      - {id: wet-bike, when: {weather: wet, has_bike: yes}, then: fine}\n      - {id: rides",
        "dead-rule",
        "{id: wet-bike",
        "never fires",
        "cycling/wet-bike",
    ),
    "a rule dead only through the chain of tables": Bad(
        "inputs: [distance, cycling]\n    rules:\n      - {id: close",
        "inputs: [distance, cycling, weather]\n    rules:\n"
        "      - {id: swim, when: {cycling: fine, weather: wet}, then: bike}\n"
        "      - {id: close",
        "dead-rule",
        "{id: swim",
        "what earlier tables can say",
        "strategy/swim",
    ),
    "a dead statement": Bad(
        "  - {id: own-steam, ",
        "  - {id: a, text: A.}\n  - {id: own-steam, ",
        "dead-rule",
        "{id: own-steam",
        "",
        "summary/own-steam",
    ),
    "a strategy out of reach": Bad(
        "  bus: Take", "  fly: Fly\n  bus: Take", "unreachable-strategy", "fly", "no cell leads to `fly`"
    ),
    "an unknown read like no answer": Bad(
        "{id: soaked, when: {weather: wet}, then: bad",
        "{id: soaked, when: {weather: [dry, wet]}, then: bad",
        "unmeasured-differs",
        "weather",
        "a strategy that no stated band gives",
        shown={"distance": "middle", "has_bike": "yes"},
    ),
    "a broken implication": Bad(
        "if: {distance: near}, then_strategy: [walk]",
        "if: {cycling: fine}, then_strategy: [walk, bike]",
        "broken-promise",
        "{id: near",
        "`near-is-walked`: the strategy is another one",
        shown={"distance": "far", "weather": "unmeasured", "has_bike": "yes"},
    ),
    "a broken monotone promise": Bad(
        "never_leaves: [bus], if: {has_bike: no}",
        "never_leaves: [bike], if: {has_bike: yes}",
        "broken-promise",
        "{id: far",
        "raising `distance` from middle to far leaves them",
        shown={"weather": "unmeasured", "has_bike": "yes"},
    ),
    "a broken promise never to enter": Bad(
        "never_enters: [bike]",
        "never_enters: [bus]",
        "broken-promise",
        "{id: rain",
        "setting `weather` from dry to wet enters them",
        shown={"distance": "middle", "has_bike": "yes"},
    ),
    "a broken promise of reach": Bad(
        "reachable_given: [distance, weather, has_bike]",
        "reachable_given: [distance, weather]",
        "broken-promise",
        "{id: three",
        "no profile leads to `bike`",
        shown={},
    ),
    "an example of another strategy": Bad(
        "strategy: bus}\n\\Z",
        "strategy: walk}\n",
        "failing-example",
        "{id: far-away",
        "strategy is bus, expected walk",
        shown={"distance": "far", "weather": "unmeasured", "has_bike": "no"},
    ),
    "an example of a missing code": Bad(
        "codes: [NO_BIKE]", "codes: [RAIN]", "failing-example", "{id: noth", "code RAIN is missing"
    ),
    "an example of a code it is without": Bad(
        "codes: [NO_BIKE]", "without: [NO_BIKE]", "failing-example", "{id: noth", "code NO_BIKE is given"
    ),
    "an example of another outcome": Bad(
        "{cycling: bad}", "{cycling: fine}", "failing-example", "{id: noth", "cycling is bad"
    ),
    "an example that no profile can be": Bad(
        "profile: {distance: 10}", "profile: {distance: -1}", "malformed", "distance: -1", "from 0 to 100"
    ),
}


def load(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PolicyError) as refused:
        load_policy(text, "commute.yaml", VOCABULARY)
    return refused.value.problems


def test_the_good_policy_loads() -> None:
    assert load_policy(GOOD, "commute.yaml", VOCABULARY).strategies == ("walk", "bike", "bus")


@pytest.mark.parametrize("name", CASES)
def test_a_bad_policy_is_refused_with_kind_place_rule_and_counterexample(name: str) -> None:
    bad = CASES[name]
    text = re.sub(bad.old, lambda _: bad.new, GOOD) if "\\Z" in bad.old else GOOD.replace(bad.old, bad.new)
    assert text != GOOD
    problems = load(text)
    fitting = [one for one in problems if one.code == bad.code and re.search(bad.says, one.message)]
    assert fitting, problems
    problem = fitting[0]
    assert problem.file == "commute.yaml"
    assert re.match(bad.at, [*text.split("\n"), ""][problem.line - 1][problem.column - 1 :]), problem
    assert problem.rule == bad.rule
    if bad.shown is not None:
        assert problem.counterexample == bad.shown
    shown = str(problem)
    assert shown.startswith(f"commute.yaml:{problem.line}:{problem.column}: {bad.code}: ")
    assert bad.rule in shown


def test_every_slip_of_a_stage_is_reported_at_once() -> None:
    text = GOOD.replace("when: {weather: wet}, then", "when: {weather: wett}, then").replace("then: bus", "then: buss")
    assert {problem.code for problem in load(text)} == {"unknown-band", "unknown-strategy"}
    malformed = GOOD.replace("{id: rides, then: fine}", "{then: fine}").replace("phase: now", "phase: never")
    assert [problem.code for problem in load(malformed)] == ["malformed", "malformed"]


def test_without_a_vocabulary_any_input_may_be_read() -> None:
    assert compile_policy(GOOD.replace("distance", "way")).inputs[0].name == "way"


def test_words_of_older_yaml_are_plain_text() -> None:
    policy = load_policy(GOOD, "commute.yaml", VOCABULARY)
    assert policy.inputs[2].bands == ("no", "yes")
    assert (
        load_policy(GOOD.replace("far: 10", "off: 10").replace("far", "off"), "f", VOCABULARY).inputs[0].bands[2]
        == "off"
    )


PAIRS = 9
CHECK = "check: {action: Ask., done_when: Told.}"
SPEC = f"question: Which?, values: [a, b, c, d], when_unknown: a, changed_by: fixed, {CHECK}"


def equalities(tables: str) -> str:
    """Return a policy over the inputs x0, x1, ..., then y0, y1, ..., with these tables.

    To say whether some x equals its y, a reader of one input after another has to remember every x: that is what makes
    it large.
    """
    head, _, rest = GOOD.partition("inputs:\n")
    inputs = "".join(f"  {side}{at}: {{{SPEC}}}\n" for side in "xy" for at in range(PAIRS))
    strategies = rest.partition("strategies:")[2].partition("levers:")[0]
    return (
        f"{head}inputs:\n{inputs}strategies:{strategies}levers: {{feet: {{label: Feet, always: true}}}}\n"
        f"tables:\n{tables}codes: {{}}\nsummary: [{{id: said, text: So.}}]\n"
    )


def table(name: str, reads: Iterable[str], rules: Iterable[str]) -> str:
    return f"  {name}:\n    inputs: [{', '.join(reads)}]\n    rules:\n" + "".join(
        f"      - {{{rule}}}\n" for rule in rules
    )


def equal(at: int, then: str) -> list[str]:
    return [f"id: r{at}-{band}, when: {{x{at}: {band}, y{at}: {band}}}, then: {then}" for band in "abcd"]


ELSE = "id: otherwise, then: walk"
PAIRWISE = [
    table(f"t{at}", (f"x{at}", f"y{at}"), [*equal(at, "equal"), "id: else, then: apart"]) for at in range(PAIRS)
]
ANY = table(
    "strategy",
    (f"t{at}" for at in range(PAIRS)),
    [*(f"id: r{at}, when: {{t{at}: equal}}, then: bus" for at in range(PAIRS)), ELSE],
)
WIDE = table(
    "strategy",
    (f"{side}{at}" for side in "xy" for at in range(PAIRS)),
    [*(rule for at in range(PAIRS) for rule in equal(at, "bus")), ELSE],
)


@pytest.mark.parametrize(
    ("tables", "limit"), [("".join((*PAIRWISE, ANY)), f"{LIMITS.nodes} nodes"), (WIDE, f"{ENTRY_LIMIT} entries")]
)
def test_a_policy_that_grows_beyond_a_limit_is_refused_instead_of_compiled(tables: str, limit: str) -> None:
    text = equalities(tables)
    with pytest.raises(PolicyError) as refused:
        compile_policy(text, "wide.yaml")
    (problem,) = refused.value.problems
    assert problem.code == "too-large"
    assert f"more than {limit}" in problem.message
    assert text.split("\n")[problem.line - 1].startswith("tables")


LATER = VOCABULARY | {"weather": Field("choice", ("dry", "wet", "snow"), read_as={"snow": "wet"})}
"""The same fields, after `snow` was added."""


def test_a_policy_without_a_band_for_a_choice_added_later_reads_it_as_another() -> None:
    policy = load_policy(GOOD, "commute.yaml", LATER)
    wet, snow = (policy.read_profile({"weather": weather}) for weather in ("wet", "snow"))
    assert wet == snow


def test_a_policy_may_have_a_band_for_a_choice_added_later() -> None:
    text = GOOD.replace("[dry, wet]", "[dry, wet, snow]").replace(
        "wet: rain is falling}", "wet: rain is falling, snow: snow is falling}"
    )
    policy = load_policy(text, "commute.yaml", LATER)
    assert policy.read_profile({"weather": "snow"}) != policy.read_profile({"weather": "wet"})
    older = load_policy(GOOD.replace("1.0.0", "0.9.0"), "older.yaml", LATER)
    assert diff(older, policy).cells == 3 * 4 * 2  # every weather, the unmeasured one included, is compared


def test_a_choice_that_was_there_from_the_beginning_is_needed() -> None:
    text = (
        GOOD.replace("[dry, wet]", "[dry, snow]")
        .replace("wet: rain", "snow: rain")
        .replace("weather: wet", "weather: snow")
    )
    with pytest.raises(PolicyError, match="must cover exactly: dry, wet"):
        load_policy(text, "commute.yaml", LATER)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0", "3.0.0"])
def test_the_strategies_of_the_shipped_policies_are_the_levers_they_adopt(version: str) -> None:
    text = (trivium.POLICIES / f"adaptation-{version}.yaml").read_text(encoding="utf-8")
    adopts = "{prompt_engineering: [], rag: [rag], fine_tuning: [fine_tuning], rag_and_fine_tuning: [rag, fine_tuning]}"
    load_policy(f"{text}\nadopts: {adopts}\n", "shipped.yaml")
    with pytest.raises(PolicyError, match="contradicting-lever"):
        load_policy(f"{text}\nadopts: {adopts.replace('rag: [rag]', 'rag: []')}\n", "shipped.yaml")


def test_a_policy_is_refused_before_it_is_built_where_there_is_too_much_of_anything() -> None:
    many = {f"b{at}": at for at in range(limits.BANDS + 1)}
    rules = "".join(f"      - {{id: r{at}, when: {{distance: near}}, then: bus}}\n" for at in range(limits.RULES))
    for old, new, says in (
        ("{near: 0, middle: 2, far: 10}", str(many).replace("'", ""), f"{limits.BANDS + 1} bands"),
        ("      - {id: close,", rules + "      - {id: close,", f"{limits.RULES + 3} rules"),
    ):
        assert old in GOOD
        with pytest.raises(PolicyError) as refused:
            compile_policy(GOOD.replace(old, new), "large.yaml")
        assert [says in problem.message for problem in refused.value.problems if problem.code == "too-large"] == [True]
