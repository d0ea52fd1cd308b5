"""The decisions: synchronous functions of state, time and input. No I/O, no clock, no dice."""
