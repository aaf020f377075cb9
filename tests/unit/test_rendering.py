"""An answer is the same bytes from the cache as without it, in each view; nothing of a caller's acts as markup."""

import json
import re
import statistics
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import toolbox
import trivium
from trivium import Advisor, Profile, Recommendation, View, pages
from trivium.policy import Lifecycle, Registry, ServedPolicy, load_directory, load_policy
from trivium.profile import FIELDS, PAYBACK, VOCABULARY, make_profile
from trivium.recommendation import MOST, VIEWS, BriefRecommendation, encode
from trivium.rendering import Renderer
from unit.test_advisor import profiles


RENDERERS = {
    version: Renderer(Advisor(one))
    for version, one in Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version.items()
}
RENDERER = RENDERERS["3.0.0"]
FILE = trivium.POLICIES / "adaptation-1.0.0.yaml"
CASES = toolbox.ROOT / "tests" / "casebook" / "cases.jsonl"


# JSON


@pytest.mark.parametrize("version", RENDERERS)
@given(profiles, st.sampled_from(VIEWS))
@settings(max_examples=50)
def test_the_json_is_the_recommendation_encoded_from_the_cache_as_without(
    version: str, profile: Profile, view: View
) -> None:
    renderer = RENDERERS[version]
    (body, advice), made = renderer.json(profile, view), renderer.advisor.recommend(profile)
    assert body == encode(made.view(view))
    assert renderer.json(profile, view) == (body, advice)  # now surely from the cache
    assert advice.decision_id == made.decision_id
    assert (advice.outcome.strategy, advice.outcome.status) == (made.strategy, made.status)
    assert advice.outcome.codes == tuple(reason.code for reason in made.rationale)
    assert json.loads(body)["id"] == profile.id
    assert list(advice.given) == [f"/{name}" for name in FIELDS if getattr(profile, name) is not None]


def test_a_recommendation_can_be_read_back_from_its_json() -> None:
    profile = Profile(labeled_examples=700, id="%d %(id)s \0")
    made = RENDERER.advisor.recommend(profile)
    kinds: tuple[Any, ...] = (BriefRecommendation, Recommendation, Recommendation)
    for view, kind in zip(VIEWS, kinds, strict=True):
        assert msgspec.json.decode(RENDERER.json(profile, view)[0], type=kind) == made.view(view)


def test_decisions_alike_have_one_outcome() -> None:
    one, other, unlike = (
        RENDERER.json(Profile(requests_per_day=requests))[1].outcome for requests in (500_000, 600_000, 10)
    )
    assert one is other
    assert one is not unlike


@pytest.mark.parametrize("view", VIEWS)
def test_a_number_that_no_profile_may_state_is_refused_each_time(view: View) -> None:
    wrong = Profile(labeled_examples=-1)  # made by hand, so unchecked
    for _ in range(2):
        with pytest.raises(KeyError):
            RENDERER.json(wrong, view)


# Views


@cache
def casebook() -> list[Recommendation]:
    cases = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
    given_ = [{name: value for name, value in case["profile"].items() if name in FIELDS} for case in cases]
    return [trivium.recommend(profile) for profile in given_]


def test_views_are_as_short_as_they_should_be() -> None:
    sizes = {view: [len(made.to_json(view)) for made in casebook()] for view in VIEWS}
    assert max(sizes["brief"]) < 1024
    assert statistics.median(sizes["standard"]) < 4096


def test_the_brief_view_of_random_profiles_is_short() -> None:
    random = Random(1)  # noqa: S311 - a sample to repeat, not a secret
    values = {"flag": (False, True), "number": (0, 9, 60, 300, 3000, 70_000, 10**6)}
    fields = {name: field.choices or values[field.kind] for name, field in VOCABULARY.items() if name != PAYBACK}
    sizes = []
    for _ in range(3000):
        share = random.random()
        given_ = {name: random.choice(some) for name, some in fields.items() if random.random() < share}
        sizes.append(len(RENDERER.json(make_profile(given_), "brief")[0]))
    assert max(sizes) < 1024


@given(profiles)
@settings(max_examples=50)
def test_the_standard_view_is_the_full_one_cut(profile: Profile) -> None:
    full = RENDERER.advisor.recommend(profile)
    made = full.standard()
    assert made.labels is None
    assert made.policy == full.policy
    for name in ("steps", "questions", "recheck_when"):
        assert getattr(made, name) == getattr(full, name)[: MOST[name]]
    for name in ("paths", "risks"):
        assert len(getattr(made, name)) <= MOST["flips"]
        assert all(flip in getattr(full, name) for flip in getattr(made, name))
    assert [reason.code for reason in made.rationale] == [
        reason.code for reason in full.rationale if reason.code in {one.code for one in made.rationale}
    ]
    for name in made.more.__struct_fields__:
        assert getattr(made.more, name) == len(getattr(full, name)) - len(getattr(made, name))
    kept = ("strategy", "status", "summary", "because", "margin", "reachable", "economics", "warnings")
    assert all(getattr(made, name) == getattr(full, name) for name in kept)


@given(profiles)
@settings(max_examples=50)
def test_the_standard_view_adds_no_flip_that_only_adds_to_another_one(profile: Profile) -> None:
    made = RENDERER.advisor.recommend(profile).standard()
    for flips in (made.paths, made.risks):
        changes = [frozenset(change.input for change in flip.changes) for flip in flips]
        assert not any(one < other for one in changes for other in changes)


def test_plain_objects_are_those_of_the_json() -> None:
    made = trivium.recommend({"knowledge_need": "changing_facts", "labeled_examples": 20})
    for view in VIEWS:
        assert made.to_dict(view) == json.loads(made.to_json(view)) == json.loads(encode(made.view(view)))
    assert made.to_dict()["more"] == dict.fromkeys(made.more.__struct_fields__, 0)


# Pages

ODD = "<b>&*_`[x](javascript:alert(1))|# ~$ www.example.org"


def odd_policy() -> Advisor:
    """Return an advisor by a policy whose texts and labels try to act as markup."""
    text = FILE.read_text("utf-8")
    quoted = json.dumps(ODD)
    text = text.replace("rag: Retrieval (RAG)", f"rag: {quoted}")
    text = text.replace("question: How many requests a day will this use case serve?", f"question: {quoted}")
    text = text.replace("changing_facts: answers need facts that change", f"changing_facts: {quoted}")
    return Advisor(ServedPolicy(load_policy(text, "odd.yaml", VOCABULARY), Lifecycle()))


PROFILE = Profile(
    knowledge_need="changing_facts", id=ODD + "\x1b[31m\u202e\0"
)  # a policy may not have such characters, an id may


class Tags(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.said += f"{data} "


OURS = {"article", "code", "h2", "h3", "p", "ul", "ol", "li", "strong", "em", "small", "pre"}
SEEN = "<b>&*_`[x](javascript:alert(1))|# ~$"


def test_nothing_acts_as_markup_in_html() -> None:
    page = Tags(Renderer(odd_policy()).html(PROFILE)[0].decode())
    assert page.tags <= OURS
    assert page.attributes == {"class"}
    assert page.said.count(SEEN) >= 4  # strategy, phrase, question and id
    assert "\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}" in page.said


def test_nothing_acts_as_markup_in_markdown() -> None:
    page = Renderer(odd_policy()).markdown(PROFILE)[0].decode()
    assert "\x1b" not in page
    assert "\0" not in page
    html = Tags(MarkdownIt("gfm-like", {"linkify": False}).render(page))
    assert html.tags <= OURS | {"sub"}
    assert html.attributes == set()
    assert html.said.count(SEEN) >= 4


@given(profiles)
@settings(max_examples=50)
def test_both_pages_say_the_same(profile: Profile) -> None:
    made = RENDERER.advisor.recommend(profile)

    def words(page: str) -> list[str]:
        return re.findall(r"\w+", Tags(page).said)

    assert words(MarkdownIt().render(made.to_markdown())) == words(made.to_html())
    assert made.summary.split()[0] in made.to_markdown()
    assert made._repr_html_() == made.to_html()
    assert made._repr_markdown_() == made.to_markdown()


def test_a_page_needs_the_names_that_the_standard_view_leaves_out() -> None:
    with pytest.raises(ValueError, match="full view"):
        pages.markdown(trivium.recommend({}).standard())


def test_the_command_on_a_page_gives_the_same_answer(tmp_path: Path) -> None:
    profile = Profile(knowledge_need="changing_facts", id="it's")
    page, advice = RENDERER.markdown(profile)
    command = page.decode().rstrip().split("\n\n")[-1].strip().replace("trivium", f"{sys.executable} -m trivium.cli", 1)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout)["decision_id"] == advice.decision_id


def test_descriptions_do_not_need_docstrings() -> None:
    code = "from trivium.profile import FIELD_TEXTS; print(all(FIELD_TEXTS.values()), len(FIELD_TEXTS))"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"True {len(FIELDS) + 1}\n"
