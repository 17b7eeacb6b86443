"""Speech to text: one file a recogniser, `vad` beside them; models run in worker processes."""
