"""Batches: many profiles in one request, answered one after the other, whole or as a stream."""
