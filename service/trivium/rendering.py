"""A recommendation as bytes: JSON in three views, Markdown and HTML, and the cache of what was answered before.

What an answer says depends on the cell of its profile, on which inputs are given, and on a few things that only fill it
in: numbers, ids, and fields that the policy does not read. So its JSON is kept per cell with holes in it, and the next
profile of the cell only fills these. Profiles with costs, whose sums differ each time, are answered without the cache.
"""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import Any

import msgspec

from trivium import pages
from trivium.advisor import Advisor
from trivium.explanation import Facts
from trivium.prices import are_prices_loaded
from trivium.profile import FIELDS, Profile, canonical
from trivium.recommendation import PolicyReference, Recommendation, View, encode


TEMPLATES = 1024
"""Answers kept per policy, all views together."""

OUTCOMES = 4096
"""Different outcomes kept, of all policies."""

QUICK_NODES = 20_000
"""Nodes of a completion diagram up to which an answer takes milliseconds at most; those that ship have half of it."""


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """What logs and metrics tell of a decision; one object for all that are alike, so that counting them is quick.

    Attributes:
        strategy: the recommended strategy.
        status: settled or provisional.
        codes: the rationale codes, in the order of the full view.
        policy: the policy that decided.
    """

    strategy: str
    status: str
    codes: tuple[str, ...]
    policy: PolicyReference


class Advice(msgspec.Struct, frozen=True):
    """What logs and metrics want to know of an answer.

    Attributes:
        decision_id: as in the recommendation.
        profile: the profile that was asked about.
        given: JSON Pointers of the fields that it gives.
        outcome: what was decided.
    """

    decision_id: str
    profile: Profile
    given: tuple[str, ...]
    outcome: Outcome


class Renderer:
    """Answers profiles by one policy. Safe to share between threads.

    Args:
        advisor: what recommends.
    """

    def __init__(self, advisor: Advisor) -> None:
        self.advisor = advisor
        self._is_large = len(advisor.policy.completion.diagram.children) > QUICK_NODES
        self._facts = Facts(
            numbers={name: _hole(name) for name in advisor.numbers},
            decision_id=_hole("decision_id"),
            id=_hole("id"),
            ignored=_hole("ignored"),
            economics=None,
            cautions=(),
        )
        places = {field.name: position for position, field in enumerate(advisor.policy.inputs)}
        self._pointers = [(f"/{name}", places[name]) for name in FIELDS if name in places]
        self._template = lru_cache(maxsize=TEMPLATES)(self._make_template)

    def is_slow(self, profile: Profile) -> bool:
        """Say whether an answer may take so long that no event loop should wait for it."""
        return self._is_large or (profile.costs is not None and not are_prices_loaded())

    def json(self, profile: Profile, view: View = "standard") -> tuple[bytes, Advice]:
        """Recommend as JSON: the same bytes as encoding that view of what the advisor recommends."""
        advisor = self.advisor
        economics = advisor.assess(profile)
        if economics is not None:
            made = advisor.recommend(profile)
            return encode(made.view(view)), self._advice(profile, made)
        inputs = advisor.inputs(profile, None)
        template = self._template(advisor.policy.rounded(inputs), view)
        decision_id, ignored = advisor.identify(profile), advisor.ignored(profile)
        holes, given = template.holes, template.given
        fillings = {"decision_id": encode(decision_id)}
        if ignored or profile.id is not None:
            holes, given = template.all_holes, _pointers(profile)
            fillings |= {"id": encode(profile.id), "ignored": encode(ignored)}
        pieces = template.pieces.copy()
        for position, hole in holes:
            pieces[position] = fillings.get(hole) or encode(canonical(getattr(profile, hole)))
        return b"".join(pieces), Advice(decision_id, profile, given, template.outcome)

    def markdown(self, profile: Profile) -> tuple[bytes, Advice]:
        """Recommend as a page of Markdown."""
        made = self.advisor.recommend(profile)
        return pages.markdown(made.page(), self._command(profile)).encode(), self._advice(profile, made)

    def html(self, profile: Profile) -> tuple[bytes, Advice]:
        """Recommend as a fragment of HTML that needs nothing else and runs nothing."""
        made = self.advisor.recommend(profile)
        return pages.html(made.page(), self._command(profile)).encode(), self._advice(profile, made)

    def _command(self, profile: Profile) -> str:
        given = encode(profile).decode()
        return f"echo {shlex.quote(given)} | trivium recommend --policy {self.advisor.policy.version} -"

    def _advice(self, profile: Profile, made: Recommendation) -> Advice:
        return Advice(made.decision_id, profile, _pointers(profile), _outcome_of(made))

    def _make_template(self, inputs: tuple[Any, ...], view: View) -> _Template:
        advisor = self.advisor
        cell, known = advisor.policy.read(inputs)
        explained = advisor.explain(cell, known, self._facts, nearest=view != "full")
        made = explained.brief(advisor.reference) if view == "brief" else advisor.advise(explained).view(view)
        pieces = encode(made).split(b"\0")
        all_holes = [(position, pieces[position].decode()) for position in range(1, len(pieces), 2)]
        for position, hole in all_holes:
            pieces[position] = _USUAL.get(hole, b"")
        holes = [(position, hole) for position, hole in all_holes if hole not in _USUAL]
        given = tuple([pointer for pointer, position in self._pointers if known[position]])
        outcome = shared_outcome(explained.strategy, explained.status, explained.codes, advisor.reference)
        return _Template(pieces, holes, all_holes, given, outcome)


class _Template(msgspec.Struct, frozen=True, eq=False):
    """The JSON of an answer in pieces.

    Attributes:
        pieces: the text, with the usual fillings of holes.
        holes: which pieces are to be filled, and with what, for a profile that gives nothing but inputs.
        all_holes: the same for one that has an id, or fields that the policy does not read.
        given: JSON Pointers of the inputs that are given.
        outcome: what was decided.
    """

    pieces: list[bytes]
    holes: list[tuple[int, str]]
    all_holes: list[tuple[int, str]]
    given: tuple[str, ...]
    outcome: Outcome


_USUAL = {"id": b"null", "ignored": b"[]"}
"""Fillings for a profile that gives nothing but inputs."""


def _hole(name: str) -> Any:
    """Return raw JSON that no encoder can produce, to find it again in the encoded text."""
    return msgspec.Raw(b"\0%b\0" % name.encode())


shared_outcome = lru_cache(maxsize=OUTCOMES)(Outcome)
"""Returns the same object for outcomes that are alike; of random profiles almost each has one of its own."""


def _outcome_of(made: Recommendation) -> Outcome:
    return shared_outcome(made.strategy, made.status, tuple(reason.code for reason in made.rationale), made.policy)


def _pointers(profile: Profile) -> tuple[str, ...]:
    return tuple([f"/{name}" for name in FIELDS if getattr(profile, name) is not None])
