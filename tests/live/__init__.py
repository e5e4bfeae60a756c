"""Real sockets and a real kernel: a proxy between a client and a server of the test's own, evidence read from the peers' side."""
