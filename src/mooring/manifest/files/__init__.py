"""The files that describe an app, from bytes to values with line numbers; each problem names its line."""
