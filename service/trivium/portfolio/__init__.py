"""Whole portfolios of profiles at once, as columns. It needs the extra `arrow`: NumPy and PyArrow."""
