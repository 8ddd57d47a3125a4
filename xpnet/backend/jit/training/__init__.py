"""A training step of a small network as two compiled calls, one forward and one back."""
