"""What makes a checkout and a machine ready: libraries, Debian packages without root, programs of the system."""
