"""What is proved of a policy before it is served, and between two versions."""
