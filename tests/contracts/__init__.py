"""One suite a protocol, over everything that implements it, the fake included."""
