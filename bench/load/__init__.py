"""What makes the load: each module is a small process of its own, so that it does not share an interpreter with anything measured.

A server takes ``PORT`` and serves 127.0.0.1 until it is ended. A client takes ``PORT`` and its options, and prints its findings as one
line of JSON. All of them drive their sockets from one epoll loop, without a thread or a task for each connection.
"""
