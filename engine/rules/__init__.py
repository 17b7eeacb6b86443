"""Decisions as pure functions: no clock, no input or output, no asyncio; facts in, an answer out."""
