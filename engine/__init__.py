"""The robot: calls, campaigns and their rules. It knows the world only through the protocols in `ports.py`."""
