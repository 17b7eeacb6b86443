"""Scenario documents: cards, matching, templates, checks."""
