"""Minitwit: a small web application of short messages. It knows nothing of the platform that runs it."""
