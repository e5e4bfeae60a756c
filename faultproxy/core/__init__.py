"""Pure decisions: events and `now` go in, actions come out. Nothing here touches a socket, a clock or a global generator."""
