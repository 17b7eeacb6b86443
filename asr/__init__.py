"""Speech to text: one file a recogniser, with `Settings` and `open`; files with an underscore are shared machinery."""
