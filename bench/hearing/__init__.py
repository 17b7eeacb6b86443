"""How well the robot hears, as numbers: clips of speech as whole calls through the real ear and recogniser."""
