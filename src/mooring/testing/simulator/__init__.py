"""The engine simulated: the real controller in a world of fakes, in virtual time, among faults that one seed chooses."""
