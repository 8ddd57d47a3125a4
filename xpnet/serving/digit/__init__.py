"""Draw a digit: what the page pages/digit asks for."""
