"""The REST API: routes over the advisor, and what surrounds them."""
