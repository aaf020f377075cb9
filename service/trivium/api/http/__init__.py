"""What HTTP itself asks of every route: media types, parameters, conditional requests, problems."""
