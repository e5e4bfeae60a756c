"""Scenario files: what they may say, how they are read and written. Pure: nothing here opens a socket, reads a clock or draws a number."""

from faultproxy.scenario.load import from_faults, load, load_tables, load_text
from faultproxy.scenario.model import Scenario
from faultproxy.scenario.variables import substitute

__all__ = ["Scenario", "from_faults", "load", "load_tables", "load_text", "substitute"]
