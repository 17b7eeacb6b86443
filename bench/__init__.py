"""Measurements of the whole on a real Asterisk, and of the dialler in virtual time."""
