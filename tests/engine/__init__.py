"""The engine with fakes, on a virtual clock."""
