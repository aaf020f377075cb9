"""The speed of Trivium beside that of its rivals, as ratios measured interleaved in one run: `make bench`."""

VERSION = "1.0.0"
"""The policy that is measured in process, where zen-engine has the same tables."""

NEWEST = "3.0.0"
"""The policy that is measured over HTTP: the newest, which also answers by default."""
