"""The panel and the API over HTTP."""
