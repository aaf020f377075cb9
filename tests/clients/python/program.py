"""Calls a service through the client that openapi-python-client generated."""

import json
import sys

from generated import Client
from generated.api.advice import recommend
from generated.api.policies import list_policies
from generated.models import KnowledgeNeed, PolicyList, ProblemDocument, Profile, Recommendation


def main() -> None:
    """Recommend, list the policies, and be refused."""
    client = Client(base_url=sys.argv[1])
    profile = Profile(labeled_examples=3_000_000_000, knowledge_need=KnowledgeNeed.CHANGING_FACTS)
    advice = recommend.sync(client=client, body=profile)
    listed = list_policies.sync(client=client)
    failed = recommend.sync(client=client, body=Profile(requests_per_day=-1))
    assert isinstance(advice, Recommendation)
    assert isinstance(listed, PolicyList)
    assert isinstance(failed, ProblemDocument)
    pointers = [error.pointer for error in failed.errors or []]
    versions = [policy.version for policy in listed.policies]
    print(json.dumps({"strategy": advice.strategy, "versions": versions, "problem": failed.code, "pointers": pointers}))


main()
