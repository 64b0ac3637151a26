"""What the benches share. Must not: measure by itself."""
