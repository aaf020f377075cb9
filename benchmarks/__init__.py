"""The speed of Trivium beside that of its rivals, as ratios measured interleaved in one run: `make bench`."""

VERSION = "1.0.0"
"""The policy that everything is measured with."""
