"""The CPU backend: NumPy, tuned. backend.py says what is overridden, choice.py how a convolution is computed."""
