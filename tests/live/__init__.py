"""Real Asterisk, SIPp, PostgreSQL and Chromium."""
