"""The telephone by Asterisk: installing, configuring and watching it, its manager, its gateway, its media."""
