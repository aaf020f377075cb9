"""Every claim of the domain can be seen in a recommendation, and goes away with its cause.

The framework's claims, A1 to F6, show in every policy that ships; what published evidence adds shows from 2.0.0 on
(L1 to L16) and from 3.0.0 on (K1 to K12).
"""

from functools import cache
from typing import Any, NamedTuple

import pytest

import trivium
from costs import COSTS
from trivium.policy.language.document import Document, Promise
from trivium.policy.language.parser import parse
from trivium.policy.language.texts import compile_text, fill


FRAMEWORK, REFINED, NEWEST = "1.0.0", "2.0.0", "3.0.0"

TUNES = ["fine_tuning", "rag_and_fine_tuning"]
NEVER_TUNES = ["prompt_engineering", "rag"]
RETRIEVES = ["rag", "rag_and_fine_tuning"]

Profile = dict[str, Any]


class Claim(NamedTuple):
    """Codes, steps and re-check events that show a claim for a profile, its strategy, and a change that ends them."""

    shown: set[str]
    profile: Profile
    strategy: str
    unless: Profile


READY: Profile = {"labeled_examples": 500}
BUSY: Profile = {"requests_per_day": 50000}
FORMAT: Profile = {"output_strictness": "format", "base_model_underperforms": True}

CLAIMS = {
    "A1": Claim(
        {"TUNING_SPECIALIZES", "train", "check-general-skill"},
        BUSY | READY,
        "fine_tuning",
        {"requests_per_day": 50},
    ),
    "A2": Claim({"KEEP_PROMPTING", "keep-prompt-best"}, {}, "prompt_engineering", BUSY | READY),
    "B1": Claim(
        {"PROMPTING_NOT_EXHAUSTED", "improve-prompt"},
        {"prompt_maturity": "basic"},
        "prompt_engineering",
        {"prompt_maturity": "exhausted"},
    ),
    "B2": Claim({"TUNING_COSTS"}, {"requests_per_day": 50}, "prompt_engineering", BUSY),
    "B3": Claim(
        {"PROMPT_REACHES"},
        READY | {"output_strictness": "format", "prompt_tokens": 3000},
        "prompt_engineering",
        {"base_model_underperforms": True},
    ),
    "B4": Claim(
        {"FRAGILE_PROMPT"},
        READY | {"output_strictness": "format", "prompt_tokens": 9000},
        "fine_tuning",
        {"prompt_tokens": 900},
    ),
    "B5": Claim(
        {"SPECIALIZED_DOMAIN"},
        READY | {"domain_specialization": "specialized"},
        "fine_tuning",
        {"domain_specialization": "general"},
    ),
    "B6": Claim(
        {"LATENCY_OF_LONG_PROMPT", "shorten-prompt"},
        READY | {"latency_need": "tight", "prompt_tokens": 3000},
        "fine_tuning",
        {"latency_need": "relaxed"},
    ),
    "C1": Claim(
        {"LEARNABLE_FORM"},
        READY | {"output_strictness": "style", "base_model_underperforms": True},
        "fine_tuning",
        {"output_strictness": "free"},
    ),
    "C2": Claim(
        {"FACTS_ARE_NO_REASON_TO_TUNE"},
        BUSY | READY | {"primary_goal": "facts"},
        "prompt_engineering",
        {"primary_goal": "cost"},
    ),
    "C3": Claim(
        {"KNOWLEDGE_IN_DOCUMENTS", "build-retrieval"},
        {"knowledge_need": "stable_facts"},
        "rag",
        {"knowledge_need": "none"},
    ),
    "C4": Claim(
        {"TUNING_IS_NO_CURE"},
        BUSY | READY | {"primary_goal": "fewer_hallucinations"},
        "prompt_engineering",
        {"primary_goal": "cost"},
    ),
    "D1": Claim({"EXAMPLES_TO_COLLECT", "collect-examples"}, BUSY, "prompt_engineering", READY),
    "D2": Claim(
        {"EXAMPLES_TO_REVIEW", "review-examples"},
        BUSY | {"labeled_examples": 5000, "example_quality": "unreviewed"},
        "prompt_engineering",
        READY | {"example_quality": "expert_reviewed"},
    ),
    "D3": Claim({"DATA_FIRST", "collect-examples"}, BUSY, "prompt_engineering", READY),
    "D4": Claim(
        {"NO_DATA_NO_TUNING", "stay-with-prompting"},
        BUSY | READY | {"example_quality": "mixed", "can_label_more": False},
        "prompt_engineering",
        {"can_label_more": True},
    ),
    "E1": Claim({"HIGH_VOLUME", "shorten-prompt"}, BUSY | READY, "fine_tuning", {"requests_per_day": 50}),
    "E2": Claim(
        {"OWN_LANGUAGE"},
        READY | {"domain_specialization": "highly_specialized"},
        "fine_tuning",
        {"domain_specialization": "general"},
    ),
    "E3": Claim(
        {"ONE_OFF_WORK"},
        BUSY | READY | {"task_consistency": "one_off"},
        "prompt_engineering",
        {"task_consistency": "consistent"},
    ),
    "F1": Claim(
        {"PROMPT_FIRST", "improve-prompt", "revisit-tuning"},
        BUSY | READY | {"prompt_maturity": "structured"},
        "prompt_engineering",
        {"prompt_maturity": "exhausted"},
    ),
    "F2": Claim(
        {"KNOWLEDGE_CHANGES", "build-retrieval"},
        {"knowledge_need": "changing_facts"},
        "rag",
        {"knowledge_need": "none"},
    ),
    "F3": Claim({"EXAMPLES_READY"}, BUSY | READY, "fine_tuning", {"labeled_examples": 499}),
    "F4": Claim(
        {"NOTHING_TO_AMORTIZE"},
        BUSY | READY | {"task_consistency": "varied"},
        "prompt_engineering",
        {"task_consistency": "consistent"},
    ),
    "F5": Claim(
        {"NO_GAP_MEASURED"},
        READY | {"domain_specialization": "highly_specialized", "base_model_underperforms": False},
        "prompt_engineering",
        {"base_model_underperforms": True},
    ),
    "F6": Claim({"KEEP_PROMPTING", "NO_REASON_TO_TUNE", "stay-with-prompting"}, READY, "prompt_engineering", BUSY),
}
"""One row per claim of the framework, as 1.0.0 shows it; the numbers are those of the framework."""

IN_FULL = {
    "B2": Claim({"TUNING_SPECIALIZES"}, BUSY | READY, "fine_tuning", {"requests_per_day": 50}),
    "C2": Claim(
        {"count-made-up-answers"},
        READY | {"output_strictness": "style", "base_model_underperforms": True, "primary_goal": "facts"},
        "fine_tuning",
        {"primary_goal": "style"},
    ),
    "C4": Claim(
        {"count-made-up-answers"},
        READY
        | {"output_strictness": "style", "base_model_underperforms": True, "primary_goal": "fewer_hallucinations"},
        "fine_tuning",
        {"primary_goal": "style"},
    ),
    "D2": Claim({"check-diversity"}, BUSY | READY, "fine_tuning", {"requests_per_day": 50}),
}
"""What else 1.0.0 and 3.0.0 say where training is adopted."""

ASKED = {
    FRAMEWORK: {"F1": "ask-again", "F3": "ask-again"},
    NEWEST: {"F1": "ask-about-the-prompt", "F3": "check-diversity"},
}
"""The step that asks, before any training, what F1 and F3 ask."""

REFINEMENTS: dict[str, dict[str, tuple[str, Claim]]] = {}
REFINEMENTS[REFINED] = {
    "A1": (
        "L14",  # a check of general skill becomes one of safety and regressions
        Claim(
            {"TUNING_SPECIALIZES", "train-supervised", "check-safety"},
            BUSY | READY,
            "fine_tuning",
            {"requests_per_day": 50},
        ),
    ),
    "F1": (
        "L2",  # a structured prompt is the baseline to decide on, so only less than that holds training up
        Claim(
            {"PROMPT_FIRST", "improve-prompt", "revisit-tuning"},
            BUSY | READY | {"prompt_maturity": "basic"},
            "prompt_engineering",
            {"prompt_maturity": "structured"},
        ),
    ),
}
REFINEMENTS[NEWEST] = REFINEMENTS[REFINED] | {
    "B5": (
        "K3",  # a special domain is no reason before a gap is measured, unless there are plenty of examples
        Claim(
            {"SPECIALIZED_DOMAIN"},
            READY | {"domain_specialization": "specialized", "base_model_underperforms": True},
            "fine_tuning",
            {"domain_specialization": "general"},
        ),
    ),
    "E2": (
        "K3",
        Claim(
            {"OWN_LANGUAGE"},
            READY | {"domain_specialization": "highly_specialized", "base_model_underperforms": True},
            "fine_tuning",
            {"domain_specialization": "general"},
        ),
    ),
}
"""Per version, the framework's claims that it shows otherwise than 1.0.0: by which evidence, and how."""

EVIDENCE: dict[str, dict[str, Claim]] = {}
EVIDENCE[REFINED] = {
    "L1 knowledge before behavior": Claim(
        {"DIAGNOSE_KNOWLEDGE_FIRST", "sort-failures"},
        READY | {"base_model_underperforms": True, "knowledge_need": "stable_facts"},
        "rag",
        {"knowledge_need": "none"},
    ),
    "L1 behavior": Claim(
        {"SHORTFALL_IS_BEHAVIOR"},
        READY | {"base_model_underperforms": True},
        "fine_tuning",
        {"knowledge_need": "stable_facts"},
    ),
    "L2": Claim(
        {"EVALUATION_FIRST", "build-evaluation-set"},
        BUSY | READY | {"has_evaluation_set": False},
        "prompt_engineering",
        {"has_evaluation_set": True},
    ),
    "L3 under 10": Claim(
        {"TOO_FEW_EXAMPLES"},
        FORMAT | {"labeled_examples": 9, "can_label_more": False},
        "prompt_engineering",
        {"labeled_examples": 50},
    ),
    "L3 from 10": Claim(
        {"EXAMPLES_FOR_PROMPT", "examples-into-prompt"},
        FORMAT | {"labeled_examples": 10},
        "prompt_engineering",
        {"labeled_examples": 9},
    ),
    "L3 to 49": Claim(
        {"EXAMPLES_FOR_PROMPT", "examples-into-prompt"},
        FORMAT | {"labeled_examples": 49},
        "prompt_engineering",
        {"labeled_examples": 50},
    ),
    "L3 from 50": Claim(
        {"PILOT_ONLY", "train-pilot"}, FORMAT | {"labeled_examples": 50}, "fine_tuning", {"labeled_examples": 200}
    ),
    "L3 from 50, measured": Claim(
        {"PILOT_ONLY", "train-pilot"},
        FORMAT | {"labeled_examples": 199},
        "fine_tuning",
        {"base_model_underperforms": None, "domain_specialization": "specialized"},
    ),
    "L3 from 200": Claim(
        {"ENOUGH_FOR_FORMAT"},
        BUSY | {"labeled_examples": 200, "output_strictness": "format"},
        "fine_tuning",
        {"output_strictness": "free"},
    ),
    "L3 from 500": Claim(
        {"EXAMPLES_READY", "MORE_WANTED_FOR_GENERATION"}, BUSY | READY, "fine_tuning", {"labeled_examples": 499}
    ),
    "L3 from 1000": Claim(
        {"MORE_WANTED_FOR_GENERATION"}, BUSY | {"labeled_examples": 999}, "fine_tuning", {"labeled_examples": 1000}
    ),
    "L4 unmeasured": Claim(
        {"GAP_UNMEASURED", "measure-gap"},
        READY | {"domain_specialization": "specialized"},
        "fine_tuning",
        {"base_model_underperforms": True},
    ),
    "L4 measured": Claim(
        {"NO_GAP_MEASURED"},
        READY | {"domain_specialization": "highly_specialized", "base_model_underperforms": False},
        "prompt_engineering",
        {"base_model_underperforms": None},
    ),
    "L5": Claim(
        {"CODES_ARE_LEARNED"},
        READY | FORMAT | {"domain_specialization": "highly_specialized", "knowledge_need": "stable_facts"},
        "fine_tuning",
        {"knowledge_need": "changing_facts"},
    ),
    "L6 new facts": Claim(
        {"FACTS_NOT_TUNED_IN"}, {"knowledge_need": "stable_facts"}, "rag", {"knowledge_need": "none"}
    ),
    "L6 never to zero": Claim(
        {"TUNING_IS_NO_CURE", "check-against-documents"},
        BUSY | READY | {"primary_goal": "fewer_hallucinations", "knowledge_need": "changing_facts"},
        "rag",
        {"primary_goal": "cost"},
    ),
    "L6 on retrieved context": Claim(
        {"train-on-retrieved-context"},
        BUSY | READY | {"knowledge_need": "changing_facts"},
        "rag_and_fine_tuning",
        {"requests_per_day": 50},
    ),
    "L7": Claim(
        {"KNOWLEDGE_FITS_PROMPT", "knowledge-into-prompt", "knowledge-grows"},
        {"knowledge_need": "stable_facts", "knowledge_tokens": 200_000},
        "prompt_engineering",
        {"knowledge_tokens": 200_001},
    ),
    "L8 citations": Claim(
        {"CITATIONS_NEED_RETRIEVAL", "name-sources"},
        {"citations_required": True},
        "rag",
        {"citations_required": False},
    ),
    "L8 rights": Claim(
        {"RIGHTS_NEED_RETRIEVAL", "enforce-rights"},
        {"restricted_knowledge": True, "knowledge_need": "stable_facts", "knowledge_tokens": 1000},
        "rag",
        {"restricted_knowledge": False},
    ),
    "L9 a rule of thumb": Claim(
        {"HIGH_VOLUME", "compute-payback"},
        READY | {"requests_per_day": 20_000, "prompt_tokens": 2000},
        "fine_tuning",
        {"requests_per_day": 100},
    ),
    "L9 pays": Claim(
        {"PAYS_BACK", "prices-change"},
        READY | {"requests_per_day": 20_000, "prompt_tokens": 2000, "costs": COSTS},
        "fine_tuning",
        {"costs": None},
    ),
    "L9 pays too late": Claim(
        {"DOES_NOT_PAY_BACK", "prices-change"},
        READY | {"requests_per_day": 20_000, "prompt_tokens": 2000, "costs": COSTS | {"engineering": 60_000}},
        "prompt_engineering",
        {"costs": None},
    ),
    "L10": Claim(
        {"STYLE_IS_RISKY"},
        BUSY | READY | {"output_strictness": "style", "example_quality": "mixed"},
        "prompt_engineering",
        {"output_strictness": "format"},
    ),
    "L11": Claim(
        {"PROMPTING_NOT_EXHAUSTED", "run-optimizer"},
        BUSY | READY | {"prompt_maturity": "basic"},
        "prompt_engineering",
        {"prompt_maturity": "exhausted"},
    ),
    "L12 a provider's choice": Claim(
        {"TUNING_UNAVAILABLE", "tuning-offered"},
        BUSY | READY | {"fine_tuning_available": False},
        "prompt_engineering",
        {"fine_tuning_available": True},
    ),
    "L12 as long as its base": Claim(
        {"plan-for-withdrawal", "base-model-withdrawn"}, BUSY | READY, "fine_tuning", {"fine_tuning_available": False}
    ),
    "L12 weekly": Claim(
        {"REQUIREMENTS_OUTRUN_TRAINING", "requirements-settle"},
        BUSY | READY | {"requirements_change": "weekly"},
        "prompt_engineering",
        {"requirements_change": "monthly"},
    ),
    "L13 latency": Claim(
        {"LATENCY_DRIVES"},
        READY | {"latency_need": "tight", "primary_goal": "latency", "requests_per_day": 1000},
        "fine_tuning",
        {"requests_per_day": 999},
    ),
    "L13 quality": Claim(
        {"GAP_MEASURED"},
        READY | {"base_model_underperforms": True, "requests_per_day": 1},
        "fine_tuning",
        {"base_model_underperforms": False},
    ),
    "L14": Claim({"check-safety"}, BUSY | READY, "fine_tuning", {"requests_per_day": 50}),
    "L15": Claim(
        {"stay-with-prompting", "gap-measured", "examples-reach-500", "volume-reaches-10000"},
        {},
        "prompt_engineering",
        BUSY | READY | {"base_model_underperforms": False},
    ),
    "L16": Claim(
        {"BOTH_ADD_UP", "train-on-retrieved-context"},
        BUSY | READY | {"knowledge_need": "changing_facts"},
        "rag_and_fine_tuning",
        {"knowledge_need": "none"},
    ),
}
EVIDENCE[NEWEST] = EVIDENCE[REFINED] | {
    "L1 knowledge before behavior": Claim(
        {"DIAGNOSE_KNOWLEDGE_FIRST", "measure-with-knowledge"},
        READY | {"base_model_underperforms": True, "knowledge_need": "stable_facts"},
        "rag",
        {"knowledge_need": "none"},
    ),
    "L1 sorted": Claim(
        {"sort-failures"},
        READY | {"base_model_underperforms": True},
        "fine_tuning",
        {"failure_kind": "judgement"},
    ),
    "L4 unmeasured": Claim(
        {"GAP_UNMEASURED", "measure-gap"},
        {"domain_specialization": "specialized", "labeled_examples": 1000},
        "fine_tuning",
        {"base_model_underperforms": True},
    ),
    "L5": Claim(
        {"CODES_ARE_LEARNED"},
        READY | FORMAT | {"knowledge_need": "stable_facts", "shortfall_with_knowledge": True},
        "fine_tuning",
        {"knowledge_need": "changing_facts"},
    ),
    "K1": Claim(
        {"KNOWN_ALREADY"},
        {"knowledge_need": "stable_facts", "knowledge_public": True, "base_model_underperforms": False},
        "prompt_engineering",
        {"knowledge_public": False},
    ),
    "K2 suspected": Claim(
        {"DIAGNOSE_KNOWLEDGE_FIRST", "KNOWLEDGE_FIRST", "measure-with-knowledge"},
        READY | {"base_model_underperforms": True, "knowledge_need": "changing_facts"},
        "rag",
        {"shortfall_with_knowledge": True},
    ),
    "K2 unmeasured": Claim(
        {"MEASURE_WITH_KNOWLEDGE", "measure-with-knowledge"},
        READY | {"domain_specialization": "specialized", "knowledge_need": "changing_facts"},
        "rag",
        {"domain_specialization": "general"},
    ),
    "K2 facts before behavior": Claim(
        {"FACTS_REACH", "gap-measured-with-knowledge"},
        READY | {"knowledge_need": "changing_facts"},
        "rag",
        {"knowledge_need": "none"},
    ),
    "K2 closed by the facts": Claim(
        {"KNOWLEDGE_CLOSES_GAP"},
        READY | {"shortfall_with_knowledge": False, "knowledge_need": "changing_facts"},
        "rag",
        {"shortfall_with_knowledge": True},
    ),
    "K2 despite the facts": Claim(
        {"GAP_WITH_KNOWLEDGE"},
        READY | {"shortfall_with_knowledge": True, "knowledge_need": "changing_facts"},
        "rag_and_fine_tuning",
        {"shortfall_with_knowledge": None},
    ),
    "K3": Claim(
        {"MEASURE_FIRST"},
        {"domain_specialization": "specialized", "labeled_examples": 999},
        "prompt_engineering",
        {"labeled_examples": 1000},
    ),
    "K4": Claim(
        {"DRAFT_IS_NO_VETO"},
        READY | {"base_model_underperforms": True, "prompt_maturity": "basic"},
        "fine_tuning",
        {"example_quality": "mixed"},
    ),
    "K5": Claim(
        {"CONSTRAIN_DECODING", "enforce-format"},
        READY | {"base_model_underperforms": True, "failure_kind": "format_syntax"},
        "prompt_engineering",
        {"failure_kind": "style"},
    ),
    "K6": Claim(
        {"EXAMPLES_VERIFIED"},
        BUSY | {"labeled_examples": 1000, "example_quality": "machine_verified"},
        "fine_tuning",
        {"example_quality": "mixed"},
    ),
    "K6 filtered": Claim(
        {"GRADER_FILTERS_EXAMPLES", "filter-examples"},
        BUSY | READY | {"example_quality": "unreviewed", "answers_checkable": True},
        "fine_tuning",
        {"answers_checkable": False},
    ),
    "K7": Claim(
        {"GRADER_REPLACES_LABELS", "train-on-grades"},
        {"base_model_underperforms": True, "answers_checkable": True, "can_label_more": False},
        "fine_tuning",
        {"answers_checkable": None},
    ),
    "K8": Claim({"confirm-availability"}, BUSY | READY, "fine_tuning", {"fine_tuning_available": False}),
    "K8 withdrawn": Claim(
        {"TUNING_UNAVAILABLE", "look-for-open-weights"},
        BUSY | READY | {"fine_tuning_available": False},
        "prompt_engineering",
        {"fine_tuning_available": True},
    ),
    "K9": Claim(
        {"SMALL_MODEL_WANTS_MORE", "examples-reach-5000"},
        {"base_model_underperforms": True, "model_size": "small", "labeled_examples": 4999},
        "prompt_engineering",
        {"labeled_examples": 5000},
    ),
    "K10": Claim(
        {"OWN_SMALL_MODEL", "open-model-baseline", "choose-open-weights"},
        {"must_self_host": True, "model_size": "small", "labeled_examples": 5000},
        "fine_tuning",
        {"must_self_host": False},
    ),
    "K11": Claim(
        {"run-optimizer", "set-examples-aside"},
        READY | {"base_model_underperforms": True, "prompt_maturity": "structured"},
        "fine_tuning",
        {"base_model_underperforms": False},
    ),
    "K12": Claim({"build-retrieval"}, {"knowledge_need": "changing_facts"}, "rag", {"knowledge_need": "none"}),
}
"""Per version, the rows of each claim of published evidence."""

SOURCES: dict[str, dict[str, set[str]]] = {}
SOURCES[REFINED] = {
    "L1": {"openai-accuracy", "meta-adaptation"},
    "L2": {"openai-optimization", "azure-considerations", "husain"},
    "L3": {"openai-sft", "bucher-martini", "lawma", "dunn", "lima", "google-tuning"},
    "L4": {"medprompt", "jeong"},
    "L5": {"medical-coding"},
    "L6": {"gekhman", "magesh", "raft"},
    "L7": {"li", "anthropic-retrieval"},
    "L8": {"aws-guidance"},
    "L9": {"economics"},
    "L10": {"casebook"},
    "L11": {"gepa"},
    "L12": {"deprecations"},
    "L13": {"checkr"},
    "L14": {"qi"},
    "L15": {"honeycomb"},
    "L16": {"balaguer", "raft", "lakatos", "soudani"},
}
SOURCES[NEWEST] = SOURCES[REFINED] | {
    "L4": {"medprompt", "jeong", "sushil"},
    "K1": {"medprompt", "jeong"},
    "K2": {"giuffre", "kresevic", "zhang", "salemi", "industrial-qa"},
    "K3": {"sushil", "wornow", "travelers"},
    "K4": {"bucher-martini"},
    "K5": {"structured-outputs", "xgrammar"},
    "K6": {"tinyagent", "gorilla"},
    "K7": {"openai-rft", "jane-street", "deepseek-r1"},
    "K8": {"deprecations"},
    "K9": {"vieira"},
    "K10": {"tinyagent", "airtrain"},
    "K11": {"husain"},
    "K12": {"agentic-search"},
}
"""Per version, what each claim of published evidence rests on; its rows cite all of it."""

EVENTS = {REFINED: {"new-base-model", "evaluation-moves"}, NEWEST: {"new-base-model", "scores-move"}}
"""What always re-opens an answer."""

PROMISES: dict[str, dict[str, list[Profile]]] = {
    FRAMEWORK: {
        "1": [{"if_": {"knowledge_need": "changing_facts"}, "then_strategy": RETRIEVES}],
        "2": [{"if_": {"example_quality": "unreviewed", "can_label_more": "no"}, "then_strategy": NEVER_TUNES}],
        "3": [
            {"if_": {"labeled_examples": "few"}, "then_strategy": NEVER_TUNES},
            {"if_": {"prompt_maturity": ["none", "basic", "structured"]}, "then_strategy": NEVER_TUNES},
        ],
        "4": [
            {"if_": {"task_consistency": "one_off"}, "then_strategy": NEVER_TUNES},
            {"if_": {"task_consistency": "varied", "domain_specialization": "general"}, "then_strategy": NEVER_TUNES},
        ],
        "5": [
            {"raising": "labeled_examples", "never_leaves": TUNES},
            {"raising": "example_quality", "never_leaves": TUNES},
            {"if_": {"task_consistency": "consistent"}, "raising": "requests_per_day", "never_leaves": TUNES},
        ],
        "6": [{"setting": {"primary_goal": ["facts", "fewer_hallucinations"]}, "never_enters": TUNES}],
        "7": [{"raising": "knowledge_need", "never_leaves": RETRIEVES}],
        "9": [{"reachable_given": ["requests_per_day", "domain_specialization", "labeled_examples", "knowledge_need"]}],
    },
}
PROMISES[REFINED] = PROMISES[FRAMEWORK] | {
    "3": [
        {"if_": {"labeled_examples": ["none", "few"]}, "then_strategy": NEVER_TUNES},
        {"if_": {"has_evaluation_set": "no"}, "then_strategy": NEVER_TUNES},
        {"if_": {"fine_tuning_available": "no"}, "then_strategy": NEVER_TUNES},
    ],
    "5, payback": [{"setting": {"payback_months": ["slow", "never"]}, "never_enters": TUNES}],
    "L8": [{"if_": {"citations_required": "yes"}, "then_strategy": RETRIEVES}],
}
PROMISES[NEWEST] = PROMISES[REFINED] | {
    "2": [
        {
            "if_": {"example_quality": "unreviewed", "can_label_more": "no", "answers_checkable": "no"},
            "then_strategy": NEVER_TUNES,
        }
    ],
    "3": [
        {"if_": {"labeled_examples": ["none", "few"], "answers_checkable": "no"}, "then_strategy": NEVER_TUNES},
        {"if_": {"has_evaluation_set": "no"}, "then_strategy": NEVER_TUNES},
        {"if_": {"fine_tuning_available": "no"}, "then_strategy": NEVER_TUNES},
    ],
    "5, payback": [{"raising": "payback_months", "never_leaves": TUNES}],
    "L8": [
        {
            "if_": {"citations_required": "yes", "knowledge_need": ["unmeasured", "stable_facts", "changing_facts"]},
            "then_strategy": RETRIEVES,
        }
    ],
    "K5": [{"setting": {"failure_kind": "format_syntax"}, "never_enters": TUNES}],
    "K7": [{"raising": "answers_checkable", "never_leaves": TUNES}],
}
"""What each version promises, by number; that everything is reached (8) is no promise but the load gate itself."""


@cache
def document(version: str) -> Document:
    return parse((trivium.POLICIES / f"adaptation-{version}.yaml").read_text(encoding="utf-8")).document


def seen(version: str, profile: Profile) -> set[str]:
    """Return the codes, and the ids of the steps and events, in the recommendation for a profile."""
    made = trivium.recommend(profile, policy=version)
    steps = {(plain(version, step.action), plain(version, step.done_when)): step.id for step in document(version).steps}
    events = {plain(version, recheck.event): recheck.id for recheck in document(version).recheck}
    told = {steps[step.action, step.done_when] for step in made.steps if step.lever is not None}
    return told | {events[event] for event in made.recheck_when} | {reason.code for reason in made.rationale}


def plain(version: str, written: str) -> str:
    """Return a text that is the same for every profile, its placeholders filled."""
    return fill(compile_text(written, document(version).inputs), lambda slot: f"<{slot.name}>")


def sources(version: str) -> dict[str, list[str]]:
    return {name: code.source for name, code in document(version).codes.items()} | {
        step.id: step.source for step in document(version).steps
    }


def told(version: str, claim: Claim) -> tuple[str, set[str], set[str]]:
    """Return the strategy, what of a claim does not show, and what of it outlives its cause."""
    strategy = trivium.recommend(claim.profile, policy=version).strategy
    missing = claim.shown - seen(version, claim.profile)
    return strategy, missing, claim.shown & seen(version, claim.profile | claim.unless)


@pytest.mark.parametrize("version", [FRAMEWORK, REFINED, NEWEST])
@pytest.mark.parametrize("name", CLAIMS)
def test_claim(name: str, version: str) -> None:
    _, claim = REFINEMENTS.get(version, {}).get(name, ("", CLAIMS[name]))
    assert told(version, claim) == (claim.strategy, set(), set())
    assert [shown for shown in claim.shown if name not in sources(version)[shown]] == []


@pytest.mark.parametrize("version", [FRAMEWORK, NEWEST])
@pytest.mark.parametrize("name", IN_FULL)
def test_claim_is_said_in_full(name: str, version: str) -> None:
    claim = IN_FULL[name]
    assert told(version, claim) == (claim.strategy, set(), set())
    assert [shown for shown in claim.shown if name not in sources(version)[shown]] == []


@pytest.mark.parametrize(("version", "name"), [(version, name) for version in ASKED for name in ASKED[version]])
def test_what_is_presumed_is_asked_before_training(version: str, name: str) -> None:
    step = ASKED[version][name]
    assert step in seen(version, BUSY | READY)
    assert name in sources(version)[step]


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version in REFINEMENTS for name in REFINEMENTS[version]]
)
def test_a_refined_claim_no_longer_shows_as_it_did(version: str, name: str) -> None:
    evidence, _ = REFINEMENTS[version][name]
    assert evidence in SOURCES[version]
    assert told(version, CLAIMS[name]) != (CLAIMS[name].strategy, set(), set())


@pytest.mark.parametrize(("version", "name"), [(version, name) for version in EVIDENCE for name in EVIDENCE[version]])
def test_evidence(version: str, name: str) -> None:
    claim = EVIDENCE[version][name]
    assert told(version, claim) == (claim.strategy, set(), set())


@pytest.mark.parametrize(
    ("version", "number"), [(version, number) for version in SOURCES for number in SOURCES[version]]
)
def test_evidence_is_cited(version: str, number: str) -> None:
    rows = [claim for name, claim in EVIDENCE[version].items() if name.split()[0] == number]
    cited = {source for claim in rows for shown in claim.shown for source in sources(version).get(shown, [])}
    assert sorted(SOURCES[version][number] - cited) == []


def test_there_are_rows_for_every_claim() -> None:
    assert list(SOURCES[REFINED]) == [f"L{number}" for number in range(1, 17)]
    assert list(SOURCES[NEWEST]) == [*SOURCES[REFINED], *(f"K{number}" for number in range(1, 13))]
    for version, rows in EVIDENCE.items():
        assert {name.split()[0] for name in rows} == set(SOURCES[version])


@pytest.mark.parametrize("version", [FRAMEWORK, REFINED, NEWEST])
def test_each_source_is_cited_and_the_claims_are_among_them(version: str) -> None:
    cited = {source for listed in sources(version).values() for source in listed}
    assert set(document(version).sources) == cited
    assert set(CLAIMS) | set().union(*SOURCES.get(version, {}).values()) <= cited


@pytest.mark.parametrize("version", SOURCES)
def test_each_new_code_cites_a_publication(version: str) -> None:
    added = document(version).codes.keys() - document(FRAMEWORK).codes.keys()
    assert len(added) > 20
    assert [code for code in sorted(added) if set(document(version).codes[code].source) <= set(CLAIMS)] == []


@pytest.mark.parametrize("gap", [None, True])
@pytest.mark.parametrize("facts", ["none", "changing_facts"])
@pytest.mark.parametrize("version", [REFINED, NEWEST])
def test_two_axes(version: str, facts: str, gap: bool | None) -> None:
    """A gap in knowledge leads to retrieval, a gap in behavior to training, both to both (L1)."""
    profile = READY | {"knowledge_need": facts, "output_strictness": "format", "base_model_underperforms": gap}
    profile |= {"domain_specialization": "specialized"} if gap else {}
    profile |= {"shortfall_with_knowledge": gap}  # 2.0.0 does not read it
    roads = {
        ("none", None): "prompt_engineering",
        ("changing_facts", None): "rag",
        ("none", True): "fine_tuning",
        ("changing_facts", True): "rag_and_fine_tuning",
    }
    assert trivium.recommend(profile, policy=version).strategy == roads[facts, gap]


@pytest.mark.parametrize(
    "profile", [{}, BUSY | READY, {"knowledge_need": "changing_facts"}, {"labeled_examples": 9999}]
)
@pytest.mark.parametrize("version", EVENTS)
def test_every_answer_names_what_always_reopens_it(version: str, profile: Profile) -> None:
    assert seen(version, profile) >= EVENTS[version]


@pytest.mark.parametrize("version", [FRAMEWORK, NEWEST])
def test_claims_are_said_with_both_halves(version: str) -> None:
    """A1: the model specializes and keeps its general skill; A2: cost, reversibility and fit; E3: exploration."""
    tuned, prompted = (trivium.recommend(profile, policy=version) for profile in (BUSY | READY, {}))
    said = {reason.code: reason.message for made in (tuned, prompted) for reason in made.rationale}
    assert all(part in said["TUNING_SPECIALIZES"] for part in ("weights", "specializes", "general skill", "compute"))
    assert all(
        part in said["KEEP_PROMPTING"] for part in ("told", "training changes", "costs little", "undone", "fits")
    )
    assert "exploration" in document(version).inputs["task_consistency"].phrases["one_off"]


def test_rationale_shows_the_claims_it_rests_on() -> None:
    made = trivium.recommend(BUSY | READY, policy=FRAMEWORK)
    shown = {reason.code: reason.sources for reason in made.rationale}
    assert shown["HIGH_VOLUME"] == ["E1", "F4"]


@pytest.mark.parametrize(
    ("version", "number"), [(version, number) for version in PROMISES for number in PROMISES[version]]
)
def test_promise_is_made(version: str, number: str) -> None:
    made = [
        {name: part for name, part in fields(promise).items() if part is not None}
        for promise in document(version).promises
    ]
    assert [promise for promise in PROMISES[version][number] if promise not in made] == []


@pytest.mark.parametrize("version", PROMISES)
def test_no_other_promise_is_made(version: str) -> None:
    assert len(document(version).promises) == sum(map(len, PROMISES[version].values()))


def fields(promise: Promise) -> Profile:
    return {name: getattr(promise, name) for name in promise.__struct_fields__ if name != "id"}
