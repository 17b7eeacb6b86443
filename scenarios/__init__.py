"""What the robot says and understands: pure, and importing nothing of the engine."""
