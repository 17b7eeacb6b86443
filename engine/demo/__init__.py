"""The demonstration, `dozvon demo`: subscribers who answer, refuse, press keys or leave, and a campaign that calls."""
