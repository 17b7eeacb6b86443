"""The API and the panel over real HTTP."""
