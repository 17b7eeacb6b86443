"""Text to speech: one file a voice engine, with `Settings` and `open`; wrappers have the same interface."""
