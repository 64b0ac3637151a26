"""The words of Mooring as frozen values: one file per idea, no I/O, no clock, no chance."""
