"""Decision tables compiled into lookups and diagrams, and the exact questions asked of them."""
