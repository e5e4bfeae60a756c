"""Measures faultproxy beside its neighbours, on one machine and in one run. See bench/README.md."""
