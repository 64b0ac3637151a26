"""What runs on a host itself, in its own Python (3.9 or newer, without packages): one round trip does several things there as one.

The driver puts this folder on the host, named by its content, and runs it with `python3 -I -S`. Must not: import
anything that is not in this folder, or decide anything.
"""
