"""Policies as models and pictures for other tools."""
