"""What schemathesis does not know by itself: what bodies of NDJSON, CSV and Arrow are, which no JSON Schema can say."""

import csv
import io
from typing import Any

import pyarrow as pa
import schemathesis
from hypothesis import strategies as st


LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=5)
IDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1, max_size=5)


def _ndjson(lines: list[str]) -> bytes:
    """Return lines, wrong ones too, of which at least one is not empty."""
    return "\n".join([*lines, "{}"]).encode()


def _csv(ids: list[str]) -> bytes:
    """Return a table with columns that are fields of a profile, and another."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(
        [["id", "primary_goal", "owner"], *([one, "cost", one] for one in ids)]
    )
    return text.getvalue().encode()


def _arrow(ids: list[str]) -> bytes:
    """Return an Arrow stream with columns that are fields of a profile, and another."""
    batch = pa.RecordBatch.from_pydict({"id": ids, "primary_goal": ["cost"] * len(ids), "owner": ids})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


BODIES = {
    "application/x-ndjson": LINES.map(_ndjson),
    "text/csv": IDS.map(_csv),
    "application/vnd.apache.arrow.stream": IDS.map(_arrow),
}

for media_type, bodies in BODIES.items():
    schemathesis.openapi.media_type(media_type, bodies)


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, contract: dict[str, Any]) -> None:
    """Leave out examples of texts, which it cannot send beside bodies that are bytes; `test_contract.py` sends them."""
    for operations in contract["paths"].values():
        for operation in operations.values():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                if media_type in BODIES:
                    content.pop("examples", None)
