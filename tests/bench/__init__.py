"""The measurements' own rules, and a small sample of them for real."""
