"""Networks, states and tensors in files. Nothing is pickled."""
