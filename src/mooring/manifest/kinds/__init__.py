"""What a value of a manifest may be, one class per kind."""
