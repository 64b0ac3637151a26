"""The command line: reads what a person asks, asks the server through the client, shows the answer. Must not: decide or do the work."""
