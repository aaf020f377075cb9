"""The speed of Trivium beside that of its rivals, as ratios measured interleaved in one run: `make bench`."""

VERSION = "2.0.0"
"""The policy that everything is measured with: the newest, which also answers by default."""
