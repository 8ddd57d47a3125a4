"""What pages ask for: tests of the sessions and the server."""
