"""The examples for clusters and platforms: valid, secure, and their commands do what they say."""

import ast
import csv
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import toolbox
from cli.conftest import COMMAND, environment
from engines import cluster
from toolbox import ROOT
from trivium import __version__
from trivium.cli import main
from trivium.cli.score import score


EXAMPLES = ROOT / "deploy" / "portfolios"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8")))


RAY_JOB = documents("ray-job.yaml")[0]
SPARK_JOB = documents("spark-job.yaml")


def ray_pods() -> list[dict[str, Any]]:
    cluster_spec = RAY_JOB["spec"]["rayClusterSpec"]
    return [group["template"]["spec"] for group in (cluster_spec["headGroupSpec"], *cluster_spec["workerGroupSpecs"])]


def options(arguments: list[str]) -> dict[str, Any]:
    """Return what a command line of `trivium score` says."""
    name, *rest = arguments
    assert name == score.name
    return score.make_context("score", rest, parent=main.make_context("trivium", ["score"])).params


@pytest.mark.tool("kubernetes-validate")
def test_kubernetes_takes_the_objects() -> None:
    # Of the operator's own kind, Kubernetes knows the pods.
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec} for spec in ray_pods()]
    objects = "\n---\n".join(map(json.dumps, [*pods, *SPARK_JOB]))
    toolbox.run("kubernetes-validate", "-k", "1.37", "--strict", "-", stdin=objects)


def test_the_ray_job_has_the_parts_that_its_operator_asks_for() -> None:
    assert (RAY_JOB["apiVersion"], RAY_JOB["kind"]) == ("ray.io/v1", "RayJob")
    cluster_spec = RAY_JOB["spec"]["rayClusterSpec"]
    assert set(cluster_spec) == {"rayVersion", "enableInTreeAutoscaling", "headGroupSpec", "workerGroupSpecs"}
    assert f"ray=={cluster_spec['rayVersion']} " in (ROOT / "requirements" / "engines.txt").read_text(encoding="utf-8")
    (workers,) = cluster_spec["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    arguments = shlex.split(RAY_JOB["spec"]["entrypoint"])
    assert arguments[0] == "trivium"
    assert options(arguments[1:])["engine"] == "ray"


def test_the_spark_job_runs_the_command_with_the_rights_that_it_has() -> None:
    account, role, binding, job = SPARK_JOB
    pod = job["spec"]["template"]["spec"]
    names = {account["metadata"]["name"], role["metadata"]["name"], binding["roleRef"]["name"]}
    assert names == {pod["serviceAccountName"]} == {binding["subjects"][0]["name"]}
    (container,) = pod["containers"]
    at = next(at for at, argument in enumerate(container["args"]) if argument.endswith(".py"))
    said = options(container["args"][at + 1 :])
    assert (said["engine"], said["output"], said["inputs"]) == ("spark", "/data/scored", ("/data/portfolio",))
    settings = dict(
        one.removeprefix("--conf=").split("=", 1) for one in container["args"][:at] if one.startswith("--conf=")
    )
    assert settings["spark.kubernetes.container.image"] == container["image"]
    variables = {one["name"] for one in container["env"]}
    assert {value[2:-1] for value in settings.values() if value.startswith("$(")} == variables


@pytest.mark.parametrize("pod", [*ray_pods(), SPARK_JOB[-1]["spec"]["template"]["spec"]])
def test_pods_run_as_nobody_and_find_the_data(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert "memory" in container["resources"]["limits"]
        assert container["image"].endswith(f":{__version__}")
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/data"]


# Airflow


def airflow_arguments() -> list[str]:
    """Return the command of the DAG's pod."""
    module = ast.parse((EXAMPLES / "airflow_dag.py").read_text(encoding="utf-8"))
    (operator,) = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "KubernetesPodOperator"
    ]
    said = {one.arg: one.value for one in operator.keywords}
    assert ast.literal_eval(said["image"]).endswith(f":{__version__}")
    arguments: list[str] = ast.literal_eval(said["arguments"])
    return arguments


@pytest.mark.parametrize(("examples", "code"), [("500", 0), ("-1", 1)])
def test_the_dag_scores_the_portfolio_of_a_day(tmp_path: Path, examples: str, code: int) -> None:
    for name in ("projects", "scored"):
        (tmp_path / name).mkdir()
    with (tmp_path / "projects" / "2026-11-29.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "labeled_examples", "knowledge_need"], ["a", examples, "changing_facts"]])
    arguments = [one.replace("{{ ds }}", "2026-11-29").replace("/data/", f"{tmp_path}/") for one in airflow_arguments()]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == code, done.stderr
    assert msgspec.json.decode(done.stdout)["projects"] == 1 - code
    with (tmp_path / "scored" / "2026-11-29.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["strategy"] == ("" if code else "rag")
    assert "<html" in (tmp_path / "scored" / "2026-11-29.html").read_text(encoding="utf-8")
    assert (tmp_path / "scored" / "2026-11-29.rejects.csv").exists() == bool(code)


# MLflow


@pytest.mark.e2e
@pytest.mark.tool("engines")
def test_the_model_of_mlflow_is_saved_and_answers(tmp_path: Path) -> None:
    there = cluster.environment(tmp_path)
    policy = ROOT / "service" / "trivium" / "policies" / "adaptation-1.0.0.yaml"
    cluster.run("python", EXAMPLES / "mlflow_model.py", tmp_path / "model", policy, env=there)
    program = f"""
import json, mlflow, pandas, trivium
projects = pandas.DataFrame({{"knowledge_need": ["changing_facts", None], "labeled_examples": [40, -1]}})
model = mlflow.pyfunc.load_model({str(tmp_path / "model")!r})
chosen = model.predict(projects, params={{"columns": "strategy,error,policy_version"}})
pandas.testing.assert_frame_equal(
    chosen, trivium.score(projects, policy="1.0.0", columns=["strategy", "error", "policy_version"]).read_pandas()
)
pandas.testing.assert_frame_equal(
    model.predict(projects), trivium.score(projects, policy="1.0.0").read_pandas()
)
print(json.dumps(chosen["strategy"].astype(object).where(chosen["strategy"].notna(), None).tolist()))
"""
    said = cluster.run("python", "-c", program, env=there).stdout.splitlines()
    assert json.loads(said[-1]) == ["rag", None]
