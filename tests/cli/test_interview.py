"""`trivium interview`: it asks, explains, forgives, and ends with the recommendation for what was answered."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest

import trivium
from cli.conftest import COMMAND, INDEED, Invoke, environment, run


def asked(said: str) -> list[str]:
    """Return the inputs asked for, in order."""
    return re.findall(r"^\d+\. .*? \((\w+)\)$", said, flags=re.MULTILINE | re.DOTALL)


def answers(said: str) -> dict[str, object]:
    """Return the profile that an interview ends with."""
    profile: dict[str, object] = json.loads(said.splitlines()[-2])
    return profile


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0", "3.0.0"])
def test_it_asks_what_matters_most_until_the_answer_is_settled(invoke: Invoke, version: str) -> None:
    known = {"knowledge_need": "changing_facts", "prompt_maturity": "basic", "citations_required": False}
    known |= {"fine_tuning_available": True, "labeled_examples": 20, "has_evaluation_set": False}
    profile: dict[str, object] = {}
    lines = []
    while questions := trivium.recommend(profile, policy=version).questions:
        name = questions[0].input
        profile[name] = known[name]
        lines.append({True: "yes", False: "no"}.get(known[name], str(known[name])))  # type: ignore[call-overload]  # any key may be looked up
    done = invoke("interview", "--policy", version, stdin="\n".join([*lines, "never read"]))
    assert done.exit_code == 0
    assert asked(done.stderr) == list(profile)
    assert answers(done.stderr) == profile
    assert done.stdout.encode() == trivium.recommend(profile, policy=version).to_json("standard").encode() + b"\n"
    assert json.loads(done.stdout)["status"] == "settled"
    assert done.stderr.count("Still possible: ") == len(profile) - 1
    assert "Settled: Retrieval (RAG)\n" in done.stderr
    assert f"{len(profile)} of " in done.stderr


def test_the_end_of_the_input_and_quit_end_with_what_is_known(invoke: Invoke) -> None:
    ended, left = (
        invoke("interview", "--policy", "1", stdin=typed) for typed in ("stable_facts", "stable_facts\nQuit")
    )
    assert ended.exit_code == left.exit_code == 0
    assert ended.stdout == left.stdout
    made = json.loads(ended.stdout)
    assert (made["strategy"], made["status"]) == ("rag", "provisional")
    assert answers(left.stderr) == {"knowledge_need": "stable_facts"}
    assert "2 of 13 questions asked" in left.stderr


def test_why_it_is_asked_and_how_to_find_out_is_told_and_it_is_asked_again(invoke: Invoke) -> None:
    said = invoke("interview", "--policy", "1", stdin="?\nnone\n").stderr
    assert "It decides between: Prompt engineering, Retrieval (RAG), Fine-tuning, Retrieval and fine-tuning\n" in said
    assert "To find out: For twenty real requests, note which document" in said
    assert "Done when: The documents, and how often they change, are known.\n" in said
    assert answers(said) == {"knowledge_need": "none"}
    assert asked(said) == ["knowledge_need", "prompt_maturity"]


def test_a_bad_answer_is_refused_and_asked_again(invoke: Invoke) -> None:
    said = invoke("interview", "--policy", "1", stdin="changing_fats\n\xff\nchanging\n").stderr
    assert "[none, stable_facts, changing_facts] > changing_fats\n" in said
    assert "Not understood: unknown value; did you mean `changing_facts`?\n" in said
    assert answers(said) == {"knowledge_need": "changing_facts"}


def test_bytes_that_are_no_text_are_a_bad_answer() -> None:
    done = subprocess.run(
        [*COMMAND, "interview"], input=b"\xff\xfe\n", capture_output=True, env=environment(), check=False
    )
    assert done.returncode == 0
    assert b"Not understood" in done.stderr


def test_what_nobody_knows_stays_assumed_and_is_not_asked_again(invoke: Invoke) -> None:
    done = invoke("interview", stdin="\n" * 99)
    assert json.loads(done.stdout) == json.loads(invoke("recommend", "-", stdin="{}").stdout)
    inputs = asked(done.stderr)
    assert len({*inputs}) == len(inputs) == len(re.findall("^Assumed: ", done.stderr, re.MULTILINE))
    assert done.stderr.count("Not asked here, though it matters: What would training cost and save?") == 1


def test_it_begins_with_what_a_file_says(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "indeed.json"
    file.write_text(INDEED, encoding="utf-8")
    done = invoke("interview", "--policy", "1.0.0", "--profile", str(file))
    assert done.stdout == invoke("recommend", str(file), "--policy", "1.0.0").stdout
    assert not asked(done.stderr)
    assert answers(done.stderr) == json.loads(INDEED)
    file.write_text('{"id": "x", "knowledge_need": "changing"}', encoding="utf-8")
    refused = invoke("interview", "--profile", str(file))
    assert refused.exit_code == 2
    assert "knowledge_need: unknown value; did you mean `changing_facts`?" in refused.stderr


def test_an_answer_can_complete_the_costs(invoke: Invoke, tmp_path: Path) -> None:
    """With the volume known, the payback is computed, and its question is no more open."""
    costs = {"model": "gpt-4o", "tuned_model": "gpt-4o-mini", "variable_input_tokens": 500, "tuned_input_tokens": 200}
    costs |= {"output_tokens": 50, "examples_to_make": 0, "engineering": 100}
    known = json.loads(INDEED) | {"prompt_tokens": 2000, "has_evaluation_set": True, "fine_tuning_available": True}
    del known["requests_per_day"]
    file = tmp_path / "known.json"
    file.write_text(json.dumps(known | {"costs": costs}), encoding="utf-8")
    done = invoke(
        "interview", "--policy", "2", "--profile", str(file), stdin="\n".join(["no", "rarely", "100,000"] * 4)
    )
    assert answers(done.stderr)["requests_per_day"] == 100000
    assert json.loads(done.stdout)["status"] == "settled"
    assert json.loads(done.stdout)["economics"]["payback"] == "fast"


def test_an_unknown_policy_is_refused_before_anything_is_asked(invoke: Invoke) -> None:
    refused = invoke("interview", "--policy", "9")
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert not asked(refused.stderr)


def test_in_a_pipe_the_answer_alone_is_on_standard_output() -> None:
    done = run("interview", "--policy", "1", stdin="changing_facts\nnone\n")
    assert done.returncode == 0
    assert json.loads(done.stdout)["strategy"] == "rag"
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(("last", "status"), [("none\n", "settled"), ("\x04", "provisional")])
def test_on_a_terminal_it_is_a_conversation(last: str, status: str) -> None:
    code, said = on_terminal(["?\n", "changing_facts\n", last], "interview", "--policy", "1")
    assert code == 0
    assert asked(said) == ["knowledge_need", "prompt_maturity"]
    assert ("Settled: Retrieval (RAG)\n" in said) is (status == "settled")
    assert f"Retrieval (RAG) - {status} Use retrieval (RAG), because" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 100


def on_terminal(lines: list[str], *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal and type a line whenever it waits; return its exit code and what is shown."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="xterm-256color")
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
                if shown.endswith(b"] > "):
                    os.write(ours, lines.pop(0).encode())
        except OSError:  # how Linux says that nobody has the terminal open any more
            pass
    os.close(ours)
    return process.returncode, re.sub(r"\x1b\[[\d;]*m", "", shown.decode()).replace("\r\n", "\n")
