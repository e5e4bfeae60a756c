"""Packets that nobody would send: good ones, bent and cut, and what must hold whatever they are.

`python -m tests.fuzz [cases] [--seed N]` tries as many as wanted (a million if none is given); `test_fuzz.py` some of them with every test
run. Cases come in batches. A batch is named by its seed and number, and is the same each time: `--batch` runs one again.
"""
