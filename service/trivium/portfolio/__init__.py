"""Portfolios: many use cases at once, as columns (with the extra `arrow`), and row by row from files and streams."""
