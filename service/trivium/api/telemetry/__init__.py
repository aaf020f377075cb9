"""Log, metrics and trace of every request."""
