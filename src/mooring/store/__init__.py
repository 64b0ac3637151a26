"""What survives the controller: one SQLite database, the key of its secrets, and backups of both."""
