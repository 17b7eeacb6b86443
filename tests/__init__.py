"""Proofs: pure ones, on a virtual clock, by contract, and live on a real Asterisk."""
