"""The builder of Python apps: an interpreter of this machine, dependencies by `uv` in an environment shared by all who ask for the same."""
