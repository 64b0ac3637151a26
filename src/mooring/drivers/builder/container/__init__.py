"""Builders whose artifact is a container image, kept by the engine of the machine that builds."""
