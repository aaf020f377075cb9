"""Profile and policy in, recommendation out: pure, without I/O, caching or JSON.

Strategy, reasons and questions come from the engine, words from the policy: what a text says about an input is the
phrase of the band it is in, marked where that band is assumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from trivium.economics import Economics, assess, price_digest, unknown_models
from trivium.explanation import Explanation, Facts
from trivium.policy import ServedPolicy
from trivium.policy.engine.compiled import Known
from trivium.policy.engine.diagram import Cell
from trivium.policy.engine.flips import LISTED
from trivium.prices import nearest_models
from trivium.profile import FIELDS, NUMBERS, PAYBACK, Profile, canonical, canonical_json
from trivium.recommendation import Caution, PolicyReference, Recommendation
from trivium.wording import Wording


_values = msgspec.structs.astuple


class Advisor:
    """Recommends by one policy. Safe to share between threads.

    Args:
        served: a proven policy with its lifecycle.
    """

    def __init__(self, served: ServedPolicy) -> None:
        policy = served.policy
        document = policy.document
        self.policy = policy
        self.lifecycle = served.lifecycle
        self.reference = PolicyReference(document.policy, policy.version, policy.digest, served.lifecycle.status)
        self._read_columns(document.inputs)
        self._identity = f"\n{policy.digest}".encode()
        self._wording = Wording(policy)
        self._deprecation = self._deprecated()

    def recommend(self, profile: Profile) -> Recommendation:
        """Recommend a strategy for a profile, and say everything there is to say."""
        economics = self.assess(profile)
        cell, known = self.policy.read(self.inputs(profile, economics))
        return self.advise(self.explain(cell, known, self.facts(profile, economics)))

    def identify(self, profile: Profile) -> str:
        """Return the decision id of a profile.

        It is the first 32 hexadecimal digits of the SHA-256 of the profile as canonical JSON (RFC 8785), without its
        `id` and without nulls; then a line feed and the policy's digest; then, where a named model was priced, a line
        feed and the digest of the price data.
        """
        identity = canonical_json(profile) + self._identity
        if self._reads_costs and profile.costs is not None and (prices := price_digest(profile.costs)) is not None:
            identity += b"\n" + prices.encode()
        return hashlib.sha256(identity).hexdigest()[:32]

    def stated(self, profile: Profile) -> dict[str, Any]:
        """Return what a profile states of the policy's inputs, derived ones included; None for unknown."""
        stated = self.inputs(profile, self.assess(profile))
        return {field.name: value for field, value in zip(self.policy.inputs, stated, strict=True)}

    def assess(self, profile: Profile) -> Economics | None:
        """Work out the money, where the profile gives costs and the policy reads them."""
        if profile.costs is None or not self._reads_costs:
            return None
        return assess(
            profile.costs,
            requests_per_day=profile.requests_per_day,
            prompt_tokens=profile.prompt_tokens,
            labeled_examples=profile.labeled_examples,
        )

    def inputs(self, profile: Profile, economics: Economics | None) -> tuple[Any, ...]:
        """Return the API values of the policy's inputs, in its order; None for unknown."""
        return self._pick((*_values(profile), None if economics is None else economics.payback))

    def facts(self, profile: Profile, economics: Economics | None) -> Facts:
        """Return what an answer shows of a profile beyond its cell."""
        values = _values(profile)
        return Facts(
            numbers={name: canonical(values[column]) for name, column in self.numbers.items()},
            decision_id=self.identify(profile),
            id=profile.id,
            ignored=self.ignored(profile),
            economics=economics,
            cautions=() if economics is None else _unknown_models(profile),
        )

    def ignored(self, profile: Profile) -> list[str]:
        """Return the fields that are given and that this policy does not read."""
        return [name for name in self._unread if getattr(profile, name) is not None]

    def explain(self, cell: Cell, known: Known, facts: Facts, *, nearest: bool = False) -> Explanation:
        """Return what there is to say of a cell.

        Args:
            cell: the band of every input.
            known: which of them the profile states.
            facts: what else to show of the profile.
            nearest: whether the nearest paths and risks to each strategy are enough, as they are for all but the full
                view; the others are counted.
        """
        return Explanation(self.policy, self._wording, cell, known, facts, 1 if nearest else LISTED)

    def advise(self, explained: Explanation) -> Recommendation:
        """Work out a recommendation."""
        return explained.recommendation(self.reference, self._deprecation)

    def _read_columns(self, inputs: dict[str, Any]) -> None:
        columns = (*FIELDS, PAYBACK)
        self._pick = _picker([columns.index(name) for name in inputs])
        read = set(inputs) | {spec.derived_from for spec in inputs.values()}
        self._reads_costs = PAYBACK in read
        self._unread = [name for name in FIELDS if name not in read and name != "id"]
        self.numbers = {name: FIELDS.index(name) for name in NUMBERS if name in read}

    def _deprecated(self) -> list[Caution]:
        lifecycle = self.lifecycle
        if lifecycle.status != "deprecated":
            return []
        until = f" and may be retired from {lifecycle.sunset.isoformat()} on" if lifecycle.sunset else ""
        instead = f"; move to {lifecycle.successor}" if lifecycle.successor else ""
        return [Caution("POLICY_DEPRECATED", f"Policy {self.policy.version} is deprecated{until}{instead}.")]


def _unknown_models(profile: Profile) -> tuple[Caution, ...]:
    """Warn of model names for which no prices are known."""
    cautions = []
    for name in unknown_models(profile.costs):  # type: ignore[arg-type]  # there are economics, so there are costs
        near = " or ".join(f"`{known}`" for known in nearest_models(name))
        hint = f"did you mean {near}?" if near else "give its prices in `costs`."
        cautions.append(Caution("UNKNOWN_MODEL", f"No prices are known for the model `{name}`: {hint}"))
    return tuple(cautions)


def _picker(columns: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what picks columns as a tuple, also where there is only one."""
    if len(columns) == 1:
        return lambda values: (values[columns[0]],)
    return itemgetter(*columns)
