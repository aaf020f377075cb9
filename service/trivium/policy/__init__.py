"""The policy engine: a policy is a finite function, so every question about it has an exact answer.

It knows decision tables, bands and diagrams, and nothing of what is decided or how it is served.
"""

from trivium.policy.engine.compiled import CompiledInput, Decision, Policy, compile_policy
from trivium.policy.engine.completion import UNKNOWN, Completion, members
from trivium.policy.engine.flips import Changes, PathsAndRisks, nearest_changes, paths_and_risks
from trivium.policy.engine.questions import Answer, OpenQuestion, Unknowns, unknowns
from trivium.policy.engine.reasons import sufficient_reason
from trivium.policy.errors import PolicyError, Problem
from trivium.policy.language.document import Document
from trivium.policy.language.parser import digest, parse
from trivium.policy.language.references import Field, Vocabulary
from trivium.policy.proofs.diff import Difference, StrategyChange, diff
from trivium.policy.proofs.gate import prove
from trivium.policy.registry import (
    Lifecycle,
    Registry,
    RetiredPolicyError,
    ServedPolicy,
    UnknownPolicyError,
    load_directory,
    load_files,
    load_policy,
    policy_files,
    read_directory,
)


__all__ = [
    "UNKNOWN",
    "Answer",
    "Changes",
    "CompiledInput",
    "Completion",
    "Decision",
    "Difference",
    "Document",
    "Field",
    "Lifecycle",
    "OpenQuestion",
    "PathsAndRisks",
    "Policy",
    "PolicyError",
    "Problem",
    "Registry",
    "RetiredPolicyError",
    "ServedPolicy",
    "StrategyChange",
    "UnknownPolicyError",
    "Unknowns",
    "Vocabulary",
    "compile_policy",
    "diff",
    "digest",
    "load_directory",
    "load_files",
    "load_policy",
    "members",
    "nearest_changes",
    "parse",
    "paths_and_risks",
    "policy_files",
    "prove",
    "read_directory",
    "sufficient_reason",
    "unknowns",
]
