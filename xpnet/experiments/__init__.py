"""What trains models to learn something about training: cross-validation, a search for the learning rate."""
