"""The policy language: what a document says, and how its YAML is read and checked."""
