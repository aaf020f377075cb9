"""Trivium in a Python program: mappings in, recommendations out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trivium import catalog
from trivium.advisor import Advisor
from trivium.policy import Lifecycle, ServedPolicy, load_policy
from trivium.profile import VOCABULARY, Profile, make_profile
from trivium.recommendation import Recommendation


class Recommender:
    """Recommends by one policy. Safe to share between threads.

    Args:
        advisor: what recommends for a checked profile.
    """

    def __init__(self, advisor: Advisor) -> None:
        self.advisor = advisor

    def recommend(self, profile: Mapping[str, Any] | Profile) -> Recommendation:
        """Recommend a strategy for a use case.

        Args:
            profile: the use case. Fields that are left out, None, NaN, or NA as in pandas are unknown; scalars of NumPy
                count as the numbers, flags and words that they hold.

        Raises:
            InvalidInputError: the profile is wrong; names every bad field.
        """
        return self.advisor.recommend(make_profile(_plain(profile) if isinstance(profile, Mapping) else profile))

    def score(self, frame: Any, *, columns: Sequence[str] | None = None) -> Any:
        """Recommend a strategy for every row of a data frame, as `trivium.score` does."""
        return _portfolio().score(frame, self.advisor, columns)

    def __repr__(self) -> str:
        reference = self.advisor.reference
        return f"<Recommender by {reference.name} {reference.version}>"


def load(path: str | Path) -> Recommender:
    """Load a policy of your own from a YAML file, and prove it.

    Raises:
        OSError: the file cannot be read.
        PolicyError: the policy must not be used; lists every problem.
    """
    text = Path(path).read_text(encoding="utf-8")
    return Recommender(Advisor(ServedPolicy(load_policy(text, str(path), VOCABULARY), Lifecycle())))


def recommend(profile: Mapping[str, Any] | Profile, *, policy: str | None = None) -> Recommendation:
    """Recommend a strategy for a use case, by the policies that ship with the package.

    Args:
        profile: the use case, as for `Recommender.recommend`.
        policy: `1.0.0`, `1` for the newest 1.x, or `latest`; None for the newest active version.

    Raises:
        InvalidInputError: the profile is wrong; names every bad field.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy is retired.
    """
    return Recommender(catalog.shipped().advisor(policy)).recommend(profile)


def score(frame: Any, *, policy: str | None = None, columns: Sequence[str] | None = None) -> Any:
    """Recommend a strategy for every row of a data frame, by the policies that ship with the package.

    It needs the extra `arrow`: `pip install '.[arrow]'`.

    Args:
        frame: anything that exports an Arrow stream (`__arrow_c_stream__`): a frame of pandas or Polars, a relation of
            DuckDB, a table or reader of PyArrow. Columns are fields of the profile; those of `costs` are `costs.model`
            and so on, or one column of structs. All other columns are passed through.
        policy: as for `recommend`.
        columns: the columns to add, in their order; see docs/portfolios.md. None for `strategy`, `status`, `codes`,
            `first_question`, `policy_version` and `error`.

    Returns:
        A `pyarrow.RecordBatchReader`, which exports an Arrow stream too. Rows are scored while it is read, and it can
        be read once. A row that is no valid profile says so in `error`; the others go on.

    Raises:
        ImportError: PyArrow or NumPy is not installed.
        TypeError: the frame exports no Arrow stream.
        InvalidInputError: no column is a field of the profile, or a column to add is unknown or there already.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy is retired.
    """
    return Recommender(catalog.shipped().advisor(policy)).score(frame, columns=columns)


def _portfolio() -> Any:
    try:
        from trivium.portfolio import frames  # noqa: PLC0415 - an optional extra, which takes a while to import
    except ModuleNotFoundError as error:
        if error.name not in {"numpy", "pyarrow"}:
            raise
        raise ImportError("scoring data frames needs NumPy and PyArrow: pip install '.[arrow]'") from None
    return frames


_NOT_AVAILABLE = frozenset({"NAType", "NaTType"})
"""What the types of missing values in pandas are called; it need not be installed."""


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: scalars of NumPy unpacked, and whatever stands for "not known" as None."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if type(value).__name__ in _NOT_AVAILABLE or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN
        return None
    return value
