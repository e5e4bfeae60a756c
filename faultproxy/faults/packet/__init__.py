"""Faults that act on TCP segments and UDP datagrams."""
