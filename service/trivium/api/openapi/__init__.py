"""The contract, as OpenAPI 3.1."""
