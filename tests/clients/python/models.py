"""Reads what a service answers with the models that datamodel-code-generator generated."""

import json
import sys

import httpx
from generated import KnowledgeNeed, PolicyList, ProblemDocument, Profile, Recommendation


def main() -> None:
    """Recommend, list the policies, and be refused."""
    with httpx.Client(base_url=sys.argv[1]) as client:
        profile = Profile(labeled_examples=3_000_000_000, knowledge_need=KnowledgeNeed.CHANGING_FACTS)
        advice = client.post("/recommend", json=profile.model_dump(mode="json"))
        strategy = Recommendation.model_validate_json(advice.content).strategy
        listed = PolicyList.model_validate_json(client.get("/policies").content)
        failed = ProblemDocument.model_validate_json(client.post("/recommend", json={"requests_per_day": -1}).content)
    pointers = [error.pointer for error in failed.errors or []]
    versions = [policy.version for policy in listed.policies]
    print(json.dumps({"strategy": strategy, "versions": versions, "problem": failed.code, "pointers": pointers}))


main()
