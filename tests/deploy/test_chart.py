"""The Helm chart, rendered over many values: valid for Kubernetes, secure, and consistent in itself."""

import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import toolbox
from trivium import __version__
from trivium.api.settings import Settings


pytestmark = pytest.mark.tool("helm")

CHART = toolbox.ROOT / "helm" / "trivium"
PROMETHEUS = toolbox.ROOT / "deploy" / "prometheus"
LONG = "a-release-with-a-very-long-name-of-fifty-characters"
OWN = {"own-1.0.0.yaml": "policy: own\nversion: 1.0.0\n", "own-1.0.0.yaml.sig": "c2ln\n"}
KEYS = "# The team's.\na2V5\n"

# Each is a way to install the chart; together they render every template and take every branch.
CASES: dict[str, list[str]] = {
    "as it is": [],
    "production": ["--values", str(CHART / "values-prod.yaml")],
    "one pod": ["--set", "replicaCount=1"],
    "one pod or more": ["--set", "autoscaling.enabled=true,autoscaling.minReplicas=1"],
    "few busy pods": ["--set", "autoscaling.enabled=true,autoscaling.targetCPU=0.8,resources.requests.cpu=50m"],
    "no budget": ["--set", "podDisruptionBudget.enabled=false"],
    "names": ["--set", "nameOverride=other,serviceAccount.create=false,serviceAccount.name=mine"],
    "renamed": [
        "--namespace", "production", "--set", "nameOverride=other,fullnameOverride=my-other",
        "--set", "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true",
    ],
    "long names": ["--set", f"fullnameOverride={'x' * 63},nameOverride={'y' * 63}"],
    "fenced": ["--set", "networkPolicy.enabled=true"],
    "image": ["--set", f"image.digest=sha256:{'0' * 64},imagePullSecrets[0].name=registry"],
    "settings": [
        "--set", "settings.defaultPolicy=1.0.0,settings.logLevel=debug,settings.logProfiles=true",
        "--set", "settings.maxBodyBytes=10485760,extraEnv[0].name=TZ,extraEnv[0].value=UTC",
        "--set", "shutdown.drainSeconds=30,shutdown.limitSeconds=60",
        "--set", "settings.maxBatches=2,settings.maxConnections=1000000,settings.idleSeconds=400",
        "--set", f"settings.policyPins=1.0.0={'0' * 64}\\,2.0.0={'1' * 64},settings.policyReloadSeconds=30",
    ],
    "own policies": ["--set-json", f"policies={json.dumps({'files': OWN, 'keys': KEYS})}"],
    "a config map": ["--set", "policies.configMap=team-policies"],
    "the cluster's user": ["--set", "runAsUser="],
    "placement": [
        "--set-json", 'podLabels={"team":"a"}', "--set-json", 'podAnnotations={"note":"b"}',
        "--set-json", 'nodeSelector={"disk":"ssd"}', "--set-json", 'tolerations=[{"operator":"Exists"}]',
        "--set-json", 'affinity={"nodeAffinity":{}}', "--set-json", "topologySpreadConstraints=[]",
        "--set", "priorityClassName=high,service.type=LoadBalancer",
    ],
    "everything on": [
        "--set", "autoscaling.enabled=true,networkPolicy.enabled=true",
        "--set-json", 'networkPolicy.metricsFrom=[{"podSelector":{"matchLabels":{"app":"prometheus"}}}]',
        "--set", "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.labels.release=prometheus",
        "--set", "metrics.prometheusRule.enabled=true,metrics.prometheusRule.labels.release=prometheus",
    ],
}  # fmt: skip

REFUSED = {
    "replicaCount=0": "replicaCount",
    "replicaCount=two": "replicaCount",
    "replicas=2": "replicas",
    "image.tga=1": "image",
    "image.repository=": "image/repository",
    "image.digest=md5:0": "image/digest",
    "image.pullPolicy=Sometimes": "image/pullPolicy",
    "fullnameOverride=Trivium": "fullnameOverride",
    "runAsUser=0": "runAsUser",
    "runAsUser=nobody": "runAsUser",
    "settings.logLevel=loud": "settings/logLevel",
    "settings.logProfiles=perhaps": "settings/logProfiles",
    "settings.maxBatch=0": "settings/maxBatch",
    "settings.unknown=1": "settings",
    "settings.policyPins=1.0.0": "settings/policyPins",
    "settings.policyReloadSeconds=-1": "settings/policyReloadSeconds",
    "policies.files.notes=1": "policies/files",
    "policies.configMap=Team": "policies/configMap",
    "service.port=70000": "service/port",
    "service.type=ExternalName": "service/type",
    "resources.limits.gpu=1": "resources/limits",
    "resources.limits.memory=lots": "resources/limits/memory",
    "autoscaling.minReplicas=0": "autoscaling/minReplicas",
    "autoscaling.targetCPU=70%": "autoscaling/targetCPU",
    "autoscaling.targetCPU=": "autoscaling/targetCPU",
    "podDisruptionBudget.maxUnavailable=0": "podDisruptionBudget/maxUnavailable",
    "settings.maxBatches=0": "settings/maxBatches",
    "settings.maxConnections=1000001": "settings/maxConnections",
    "settings.idleSeconds=0.5": "settings/idleSeconds",
    "settings.managementPort=9000": "settings",
    "shutdown.drainSeconds=0": "shutdown/drainSeconds",
    "shutdown.drainSeconds=2.5": "shutdown/drainSeconds",
    "shutdown.limitSeconds=3601": "shutdown/limitSeconds",
    "shutdown.preStopSleepSeconds=5": "shutdown",
    "networkPolicy.metricsFrom=monitoring": "networkPolicy/metricsFrom",
    "metrics.serviceMonitor.interval=soon": "metrics/serviceMonitor/interval",
    "topologySpreadConstraints[0].maxSkew=1": "topologySpreadConstraints/0",
    "securityContext.privileged=true": "securityContext",
}


@cache
def render(case: str, release: str = "trivium") -> list[dict[str, Any]]:
    """Return the objects that the chart makes."""
    text = toolbox.run("helm", "template", release, CHART, *CASES[case]).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(case: str, kind: str) -> list[dict[str, Any]]:
    return [document for document in render(case) if document["kind"] == kind]


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"]}


def pod_specs(case: str) -> list[dict[str, Any]]:
    (deployment,) = of_kind(case, "Deployment")
    return [deployment["spec"]["template"]["spec"], *(pod["spec"] for pod in of_kind(case, "Pod"))]


def weaknesses(pod: dict[str, Any], user: int | None = 65532) -> list[str]:
    """Return what the restricted Pod Security Standard, or this project beyond it, forbids in *pod*.

    Args:
        pod: the specification of a pod.
        user: whom it must run as; None where the cluster chooses.
    """
    of_pod = pod.get("securityContext", {})
    containers = pod.get("initContainers", []) + pod["containers"]
    found = [
        (pod.get("hostNetwork") or pod.get("hostPID") or pod.get("hostIPC"), "shares a namespace of the host"),
        (
            any(set(volume) - {"name", "emptyDir", "configMap"} for volume in pod.get("volumes", [])),
            "mounts more than scratch space and policies",
        ),
        (pod.get("automountServiceAccountToken") is not False, "holds a token"),
        ("sysctls" in of_pod, "sets kernel parameters"),
        ("windowsOptions" in of_pod, "sets Windows options"),
    ]
    for container in containers:
        own = of_pod | container.get("securityContext", {})
        found += [
            (own.get("privileged"), "is privileged"),
            (own.get("allowPrivilegeEscalation") is not False, "may gain privileges"),
            (own.get("runAsNonRoot") is not True, "may be root"),
            (own.get("runAsUser") != user, "is not the user that was asked for"),
            (own.get("capabilities") != {"drop": ["ALL"]}, "keeps capabilities"),
            (own.get("seccompProfile") != {"type": "RuntimeDefault"}, "may make any system call"),
            (own.get("procMount", "Default") != "Default", "sees all of /proc"),
            (own.get("readOnlyRootFilesystem") is not True, "can change its own files"),
            (any("hostPort" in port for port in container.get("ports", [])), "takes a port of the host"),
            ("memory" not in container.get("resources", {}).get("limits", {}), "may use all memory"),
        ]
    return [what for wrong, what in found if wrong]


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_no_lint(case: str) -> None:
    toolbox.run("helm", "lint", "--strict", CHART, *CASES[case])


@pytest.mark.tool("kubernetes-validate")
@pytest.mark.parametrize("minor", ["1.27", "1.33", "1.37"])
def test_kubernetes_takes_every_object(minor: str) -> None:
    # The operator's own kinds are not among the schemas of Kubernetes.
    documents = [document for case in CASES for document in render(case)]
    own = [document for document in documents if not document["apiVersion"].startswith("monitoring.")]
    # Most ways to install the chart share most objects; each needs to be judged once.
    objects = {json.dumps(document, sort_keys=True) for document in own}
    toolbox.run("kubernetes-validate", "-k", minor, "--strict", "-", stdin="\n---\n".join(objects))


@pytest.mark.parametrize("case", CASES)
def test_pods_meet_the_restricted_standard(case: str) -> None:
    for pod in pod_specs(case):
        assert weaknesses(pod, None if case == "the cluster's user" else 65532) == []


@pytest.mark.parametrize(("case", "identity"), [
    ("as it is", {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}), ("the cluster's user", {}),
])  # fmt: skip
def test_the_cluster_may_choose_the_user(case: str, identity: dict[str, int]) -> None:
    for pod in pod_specs(case):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}} | identity
        assert all("runAsUser" not in container["securityContext"] for container in pod["containers"])


def test_an_umbrella_chart_leaves_the_user_to_the_cluster(umbrella: Path) -> None:
    (umbrella / "values.yaml").write_text(yaml.safe_dump({"trivium": {"runAsUser": ""}}))
    text = toolbox.run("helm", "template", "all", umbrella).stdout

    assert "runAsNonRoot: true" in text
    assert not re.search("runAsUser|runAsGroup|fsGroup", text)


WEAKER: dict[str, dict[str, Any]] = {
    "shares a namespace of the host": {"hostNetwork": True},
    "mounts more than scratch space and policies": {"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]},
    "holds a token": {"automountServiceAccountToken": None},
    "may be root": {"securityContext": {}},
    "keeps capabilities": {"containers": [{"name": "bare"}]},
}


@pytest.mark.parametrize("weakness", WEAKER)
def test_the_check_of_the_standard_sees(weakness: str) -> None:
    assert weakness in weaknesses(pod_specs("as it is")[0] | WEAKER[weakness])


@pytest.mark.parametrize(("case", "expected"), [
    ("as it is", 1), ("production", 1), ("one pod", 0), ("one pod or more", 0), ("no budget", 0), ("everything on", 1),
])  # fmt: skip
def test_a_disruption_budget_exists_only_where_several_pods_run(case: str, expected: int) -> None:
    assert len(of_kind(case, "PodDisruptionBudget")) == expected


@pytest.mark.parametrize("case", CASES)
def test_either_the_autoscaler_or_the_deployment_sets_the_number_of_pods(case: str) -> None:
    (deployment,) = of_kind(case, "Deployment")

    assert bool(of_kind(case, "HorizontalPodAutoscaler")) is ("replicas" not in deployment["spec"])


def cores(quantity: str) -> float:
    """Return a quantity of CPU as a number."""
    return float(quantity.removesuffix("m")) / (1000 if quantity.endswith("m") else 1)


@pytest.mark.parametrize(("case", "expected"), [("production", 0.6), ("everything on", 0.6), ("few busy pods", 0.8)])
def test_the_autoscaler_waits_until_pods_use_most_of_the_core_that_each_can_use(case: str, expected: float) -> None:
    (autoscaler,) = of_kind(case, "HorizontalPodAutoscaler")
    (metric,) = autoscaler["spec"]["metrics"]

    # Not a share of what the pods request: that is far less than they can use.
    assert metric["resource"]["target"]["type"] == "AverageValue"
    assert cores(metric["resource"]["target"]["averageValue"]) == expected


@pytest.mark.parametrize("case", CASES)
def test_what_selects_pods_selects_those_of_the_deployment_alone(case: str) -> None:
    (deployment,) = of_kind(case, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selector = deployment["spec"]["selector"]["matchLabels"]
    selectors = [selector, *(service["spec"]["selector"] for service in of_kind(case, "Service"))]
    selectors += [budget["spec"]["selector"]["matchLabels"] for budget in of_kind(case, "PodDisruptionBudget")]
    selectors += [policy["spec"]["podSelector"]["matchLabels"] for policy in of_kind(case, "NetworkPolicy")]
    spread = deployment["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
    selectors += [constraint["labelSelector"]["matchLabels"] for constraint in spread]

    # A version in the selector would forbid every upgrade.
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    assert all(each == selector for each in selectors)
    assert selector.items() <= labels.items()
    for pod in of_kind(case, "Pod"):
        assert not selector.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("case", CASES)
def test_the_service_account_is_the_one_that_is_made(case: str) -> None:
    made = [account["metadata"]["name"] for account in of_kind(case, "ServiceAccount")] or ["mine"]

    assert {pod["serviceAccountName"] for pod in pod_specs(case)} == set(made)


@pytest.mark.parametrize("case", CASES)
def test_a_rollout_loses_no_request(case: str) -> None:
    (deployment,) = of_kind(case, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drain = int(environment(container)["TRIVIUM_DRAIN_SECONDS"])
    limit = int(environment(container)["TRIVIUM_SHUTDOWN_SECONDS"])

    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert (drain, limit) == ((30, 60) if case == "settings" else (10, 20))
    assert pod["terminationGracePeriodSeconds"] == drain + limit + 5
    # The service itself goes on until it is out of rotation.
    assert "lifecycle" not in container


@pytest.mark.parametrize("case", CASES)
def test_probes_ask_the_port_that_callers_cannot_hold(case: str) -> None:
    (container,) = pod_specs(case)[0]["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}

    assert container["ports"] == [
        {"name": "http", "containerPort": 8000}, {"name": "management", "containerPort": 9000},
    ]  # fmt: skip
    assert environment(container)["PORT"] == "8000"
    assert environment(container)["TRIVIUM_MANAGEMENT_PORT"] == "9000"
    assert probes == {
        "startup": {"path": "/livez", "port": "management"},
        "liveness": {"path": "/livez", "port": "management"},
        "readiness": {"path": "/readyz", "port": "management"},
    }


@pytest.mark.parametrize("case", CASES)
def test_only_prometheus_is_led_to_the_management_port(case: str) -> None:
    monitors = of_kind(case, "ServiceMonitor")
    services = of_kind(case, "Service")
    open_to_callers = [one for one in services if one["spec"].get("clusterIP") != "None"]

    (service,) = open_to_callers
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    assert len(services) == 1 + len(monitors)
    for monitor in monitors:
        selector = monitor["spec"]["selector"]["matchLabels"]
        (chosen,) = [one for one in services if selector.items() <= one["metadata"]["labels"].items()]
        (port,) = chosen["spec"]["ports"]
        (endpoint,) = monitor["spec"]["endpoints"]
        assert chosen is not service
        assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
        assert port["targetPort"] == "management"


@pytest.mark.parametrize("release", ["trivium", "my-trivium", "other", LONG])
@pytest.mark.parametrize("case", ["names", "renamed", "long names", "own policies", "everything on"])
def test_names_fit(case: str, release: str) -> None:
    for document in render(case, release):
        metadata = document["metadata"]
        for name in (metadata["name"], *metadata["labels"].values()):
            assert len(name) <= 63
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", metadata["name"])
    names = [(document["kind"], document["metadata"]["name"]) for document in render(case, release)]
    assert len(names) == len(set(names))


def test_settings_arrive_as_they_are_written() -> None:
    (container,) = pod_specs("settings")[0]["containers"]

    assert environment(container) == {
        "HOST": "0.0.0.0",  # noqa: S104 - inside a pod
        "PORT": "8000",
        "TRIVIUM_MANAGEMENT_PORT": "9000",
        "TRIVIUM_DRAIN_SECONDS": "30",
        "TRIVIUM_SHUTDOWN_SECONDS": "60",
        "TRIVIUM_DEFAULT_POLICY": "1.0.0",
        "TRIVIUM_LOG_LEVEL": "debug",
        "TRIVIUM_LOG_PROFILES": "true",
        "TRIVIUM_MAX_BODY_BYTES": "10485760",
        "TRIVIUM_BODY_SECONDS": "30",
        "TRIVIUM_MAX_BATCH": "1000",
        "TRIVIUM_MAX_BATCHES": "2",
        "TRIVIUM_MAX_STREAMS": "4",
        "TRIVIUM_MAX_STREAM_BYTES": "17179869184",
        "TRIVIUM_STREAM_IDLE_SECONDS": "30",
        "TRIVIUM_MAX_CONNECTIONS": "1000000",
        "TRIVIUM_IDLE_SECONDS": "400",
        "TRIVIUM_POLICY_PINS": f"1.0.0={'0' * 64},2.0.0={'1' * 64}",
        "TRIVIUM_POLICY_RELOAD_SECONDS": "30",
        "TZ": "UTC",
    }


def test_the_settings_and_their_limits_are_those_of_the_service() -> None:
    settings = yaml.safe_load((CHART / "values.yaml").read_text())["settings"]
    parts = json.loads((CHART / "values.schema.json").read_text())["properties"]
    schema, shutdown = parts["settings"]["properties"], parts["shutdown"]["properties"]
    own = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    for fixed in ("policy_dir", "policy_keys", "management_port"):  # follow from mounts and ports of the pod
        del own[fixed]
    for name, value in {"drain_seconds": "drainSeconds", "shutdown_seconds": "limitSeconds"}.items():
        limits = own.pop(name)
        assert limits["minimum"] <= shutdown[value]["minimum"]
        assert shutdown[value]["maximum"] <= limits["maximum"]
    names = {name: re.sub(r"_(.)", lambda match: match[1].upper(), name) for name in own}

    assert settings == {names[name]: getattr(Settings(), name) for name in own}
    for name, part in own.items():
        for limit in {"minimum", "maximum", "maxLength"} & set(part):
            assert schema[names[name]][limit] == part[limit]
        assert set(schema[names[name]].get("enum", [])) == set(part.get("enum", []))


@pytest.mark.parametrize(("case", "name", "keys"), [
    ("own policies", "trivium-policies", "trivium-policy-keys"), ("a config map", "team-policies", None),
])  # fmt: skip
def test_own_policies_are_mounted_where_the_service_looks(case: str, name: str, keys: str | None) -> None:
    (container,) = pod_specs(case)[0]["containers"]
    variables = environment(container)
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    sources = {volume["name"]: volume.get("configMap") for volume in pod_specs(case)[0]["volumes"]}

    assert variables["TRIVIUM_POLICY_DIR"] == mounts["policies"]["mountPath"]
    assert sources.get("policies") == {"name": name}
    assert sources.get("policy-keys") == (keys and {"name": keys})
    if keys:
        assert variables["TRIVIUM_POLICY_KEYS"] == mounts["policy-keys"]["mountPath"] + "/keys"
    else:
        assert "TRIVIUM_POLICY_KEYS" not in variables
    # A mount by subPath would never change in a running pod.
    assert all("subPath" not in mount for mount in mounts.values())
    assert all(mount["readOnly"] for mount in mounts.values() if mount["name"] != "tmp")


def test_the_config_maps_hold_what_the_values_say() -> None:
    made = {one["metadata"]["name"]: one["data"] for one in of_kind("own policies", "ConfigMap")}

    assert made == {"trivium-policies": OWN, "trivium-policy-keys": {"keys": KEYS}}
    assert of_kind("a config map", "ConfigMap") == of_kind("as it is", "ConfigMap") == []


@pytest.mark.parametrize(("values", "says"), [
    ('{"files": {"a.yaml": ""}, "configMap": "b"}', "policies.files and policies.configMap exclude each other"),
    ('{"keys": "a"}', "policies.keys needs own policies"),
])  # fmt: skip
def test_policies_that_contradict_each_other_are_refused(values: str, says: str) -> None:
    done = toolbox.run("helm", "template", "trivium", CHART, "--set-json", f"policies={values}", check=False)

    assert says in done.stderr


@pytest.fixture
def umbrella(tmp_path: Path) -> Path:
    """Make a chart that has this one as a dependency with a condition."""
    chart = {
        "apiVersion": "v2",
        "name": "umbrella",
        "version": "1.0.0",
        "dependencies": [
            {"name": "trivium", "version": ">0.0.0", "condition": "trivium.enabled", "tags": ["advice"]},
        ],
    }
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart))
    shutil.copytree(CHART, tmp_path / "charts" / "trivium")
    return tmp_path


@pytest.mark.parametrize("enabled", [True, False])
def test_an_umbrella_chart_switches_it_on_and_off(umbrella: Path, enabled: bool) -> None:
    values = {"global": {"region": "eu"}, "trivium": {"enabled": enabled, "replicaCount": 3}}
    (umbrella / "values.yaml").write_text(yaml.safe_dump(values))
    objects = list(filter(None, yaml.safe_load_all(toolbox.run("helm", "template", "all", umbrella).stdout)))

    assert [one["spec"]["replicas"] for one in objects if one["kind"] == "Deployment"] == [3] * enabled


def test_a_digest_wins_over_a_tag() -> None:
    assert {pod["containers"][0]["image"] for pod in pod_specs("image")} == {f"trivium@sha256:{'0' * 64}"}
    assert {pod["containers"][0]["image"] for pod in pod_specs("as it is")} == {f"trivium:{__version__}"}


def namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def allowed(policy: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return who may reach each port; a rule without sources lets everybody in."""
    for rule in policy["spec"]["ingress"]:
        assert rule["from"]
    return {port["port"]: rule["from"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}


def test_the_network_policy_lets_nothing_out_and_only_the_named_in() -> None:
    (policy,) = of_kind("production", "NetworkPolicy")

    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["egress"] == []
    assert allowed(policy) == {
        "http": [{"podSelector": {}}, namespace("ingress-nginx")],
        "management": [namespace("monitoring")],
    }


def test_without_a_named_source_nobody_reads_the_metrics() -> None:
    (policy,) = of_kind("fenced", "NetworkPolicy")

    assert allowed(policy) == {"http": [{"podSelector": {}}]}


def test_a_monitor_that_the_network_policy_would_keep_out_is_refused() -> None:
    values = "networkPolicy.enabled=true,metrics.serviceMonitor.enabled=true"
    done = toolbox.run("helm", "template", "trivium", CHART, "--set", values, check=False)

    assert "metrics.serviceMonitor needs networkPolicy.metricsFrom" in done.stderr


def test_a_source_that_would_be_everybody_is_refused() -> None:
    values = 'networkPolicy={"enabled":true,"metricsFrom":[{}]}'
    done = toolbox.run("helm", "template", "trivium", CHART, "--set-json", values, check=False)

    assert "/networkPolicy/metricsFrom/0" in done.stderr


def test_the_chart_carries_the_alerts_of_the_deployment_folder() -> None:
    # To copy: cp deploy/prometheus/alerts.yml helm/trivium/files/alerts.yml
    assert (CHART / "files" / "alerts.yml").read_text() == (PROMETHEUS / "alerts.yml").read_text()


def test_the_chart_is_whole_without_the_folders_around_it(tmp_path: Path) -> None:
    assert [path for path in CHART.rglob("*") if path.is_symlink()] == []
    toolbox.run("helm", "package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    packed = toolbox.run("helm", "template", "trivium", package, *CASES["everything on"]).stdout

    assert list(filter(None, yaml.safe_load_all(packed))) == render("everything on")


def test_a_chart_that_has_lost_its_alerts_says_so(tmp_path: Path) -> None:
    copy = shutil.copytree(CHART, tmp_path / "trivium")
    (copy / "files" / "alerts.yml").unlink()
    done = toolbox.run("helm", "template", "trivium", copy, *CASES["everything on"], check=False)

    assert "the chart has lost its files/alerts.yml" in done.stderr


@pytest.mark.tool("promtool")
@pytest.mark.parametrize("tests", ["instances.yml", "objectives.yml"])
def test_the_alerts_of_a_renamed_release_fire_as_those_of_the_folder_do(tests: str, tmp_path: Path) -> None:
    (rule,) = of_kind("renamed", "PrometheusRule")
    (monitor,) = of_kind("renamed", "ServiceMonitor")
    (relabeling,) = monitor["spec"]["endpoints"][0]["relabelings"]
    job = relabeling["replacement"]
    # The operator gives each series the namespace that it was found in.
    text = (PROMETHEUS / "tests" / tests).read_text().replace("../alerts.yml", "alerts.yml")
    text = text.replace('job="trivium"', f'namespace="production", job="{job}"')
    text = text.replace("job: trivium", f"namespace: production, job: {job}")

    assert relabeling["targetLabel"] == "job"
    assert job != "trivium"
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rule["spec"]))
    (tmp_path / tests).write_text(text)
    toolbox.run("promtool", "test", "rules", tmp_path / tests)


@pytest.mark.tool("promtool")
def test_the_alerts_of_a_release_look_at_no_other(tmp_path: Path) -> None:
    (rule,) = of_kind("renamed", "PrometheusRule")
    failing = 'method="POST", route="/recommend", status="500"'
    series = {
        # Healthy, but not production.
        'up{namespace="staging", job="my-other", instance="a"}': "1x60",
        # In production, failing, but another release.
        'up{namespace="production", job="your-other", instance="b"}': "1x60",
        f'http_requests_total{{namespace="production", job="your-other", instance="b", {failing}}}': "0+100x60",
    }
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rule["spec"]))
    (tmp_path / "test.yml").write_text(yaml.safe_dump({
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": ["trivium-objectives", "trivium-alerts"],
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{
                "expr": "count by (namespace, job, alertname) (ALERTS)",
                "eval_time": "30m",
                "exp_samples": [
                    {"labels": '{namespace="production", job="my-other", alertname="TriviumAbsent"}', "value": 1}
                ],
            }],
        }],
    }))  # fmt: skip
    toolbox.run("promtool", "test", "rules", tmp_path / "test.yml")


def test_the_notes_and_the_test_ask_as_a_caller_would() -> None:
    notes = toolbox.run("helm", "install", "my", CHART, "--dry-run=client", "--namespace", "space").stdout
    (pod,) = of_kind("as it is", "Pod")

    profile = re.search(r"--json '([^']+)' http://127.0.0.1:8000/recommend", notes)
    assert profile
    assert json.loads(profile[1])
    assert "--namespace space port-forward service/my-trivium 8000:80" in notes
    (script,) = pod["spec"]["containers"][0]["args"]
    compile(script, "recommend.yaml", "exec")
    assert "http://trivium:80/recommend" in script


@pytest.mark.parametrize("value", REFUSED)
def test_the_schema_refuses_what_cannot_work(value: str) -> None:
    done = toolbox.run("helm", "template", "trivium", CHART, "--set", value, check=False)

    assert done.returncode
    assert f"/{REFUSED[value]}'" in done.stderr or f"'{REFUSED[value]}'" in done.stderr


def test_a_smallest_number_above_the_largest_is_refused() -> None:
    values = "autoscaling.enabled=true,autoscaling.minReplicas=9"
    done = toolbox.run("helm", "template", "trivium", CHART, "--set", values, check=False)

    assert "autoscaling.minReplicas is above autoscaling.maxReplicas" in done.stderr


def test_the_schema_is_closed_and_covers_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def walk(values: dict[str, Any], part: dict[str, Any], path: str) -> None:
        assert part["additionalProperties"] is False, path
        # The last two are what an umbrella chart gives to its dependencies.
        assert set(part["properties"]) == set(values) | ({"global", "enabled"} if not path else set()), path
        for name, value in values.items():
            below = part["properties"][name]
            if "properties" in below:
                walk(value, below, f"{path}/{name}")

    walk(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")


def test_every_value_is_used() -> None:
    templates = "".join(path.read_text() for path in sorted((CHART / "templates").rglob("*.*")))

    def leaves(values: dict[str, Any]) -> set[str]:
        deeper = {name: value for name, value in values.items() if isinstance(value, dict) and value}
        return (set(values) - set(deeper)).union(*map(leaves, deeper.values()))

    passed_on = {"requests", "limits", "cpu", "memory"}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert {name for name in leaves(values) - passed_on if not re.search(rf"\.{name}\b", templates)} == set()


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == __version__
