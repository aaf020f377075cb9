"""A DAG of Airflow that scores the portfolio of each day with the image of the service, in a pod of its own.

The image reads CSV and NDJSON as it is. The task fails if a row is rejected; the rows that are wrong are then in
`/data/scored/<day>.rejects.csv`, and what they say is in the log of the task.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from kubernetes.client import models as k8s


with DAG(
    dag_id="trivium_portfolio",
    schedule="@daily",
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    tags=["trivium"],
):
    KubernetesPodOperator(
        task_id="score",
        name="trivium-score",
        namespace="data",
        image="registry.example.com/trivium:0.1.0",
        # A stopped attempt is taken up by the next one; an earlier output is replaced only by a whole one.
        arguments=[
            "score",
            "/data/projects/{{ ds }}.csv",
            "--output=/data/scored/{{ ds }}.csv",
            "--report=/data/scored/{{ ds }}.html",
            "--policy=3.0.0",
            "--fail-on=rejected",
            "--resume",
            "--json",
        ],
        retries=2,
        retry_delay=timedelta(minutes=5),
        on_finish_action="delete_succeeded_pod",
        automount_service_account_token=False,
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "500m", "memory": "256Mi"}, limits={"memory": "512Mi"}
        ),
        container_security_context={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        security_context={"runAsNonRoot": True, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        volumes=[
            k8s.V1Volume(
                name="data",
                persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name="portfolios"),
            )
        ],
        volume_mounts=[k8s.V1VolumeMount(name="data", mount_path="/data")],
    )
