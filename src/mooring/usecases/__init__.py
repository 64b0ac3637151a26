"""What one may ask of the platform: a file per verb, each with its permission and its line in the audit log."""
