"""The panel's pages, one file a group."""
