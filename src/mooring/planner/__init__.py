"""The decisions: pure functions over (current, goal, now). Same question, same answer; no clock, no chance, no I/O."""
