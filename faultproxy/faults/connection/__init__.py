"""Faults that act on opening and closing."""
