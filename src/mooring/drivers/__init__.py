"""The plugs: one folder per kind, `contract.py` the Protocol, its siblings the drivers. No driver knows another."""
