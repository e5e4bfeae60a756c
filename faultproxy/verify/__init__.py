"""Runs a scenario: starts who takes part, and judges what must be true."""
