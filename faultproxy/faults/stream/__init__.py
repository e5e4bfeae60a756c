"""Faults that act on the bytes of one direction."""
