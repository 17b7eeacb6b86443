"""Text to speech: one file a voice engine, and wrappers that are voice engines too."""
