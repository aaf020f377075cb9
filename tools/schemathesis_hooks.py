"""What schemathesis does not know by itself: NDJSON is sent as the text that it is, and an Arrow stream as bytes."""

import schemathesis


schemathesis.serializer.alias("application/x-ndjson", "text/plain")
schemathesis.serializer.alias("application/vnd.apache.arrow.stream", "application/octet-stream")
