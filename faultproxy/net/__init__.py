"""Sockets on trio: listening, dialling, carrying bytes. Everything here carries actions out and decides nothing."""
