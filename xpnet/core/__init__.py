"""The idea: layers with a forward and its way back, parameters, and networks of them."""
