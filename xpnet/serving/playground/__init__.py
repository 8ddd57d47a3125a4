"""The playground: what the page pages/playground asks for."""
