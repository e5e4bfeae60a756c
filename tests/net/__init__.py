"""The carriers, over memory streams and under a clock that jumps: times are asserted with ==."""
