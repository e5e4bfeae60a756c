"""The arena: a small TCP game server and its player, for demos, scenarios and tests that need a real peer.

The server speaks lines that end in LF or CRLF, and answers each with one line that ends in CRLF:

| a player says | the arena answers |
|---|---|
| ``LOGIN name`` | ``LOGIN OK``; needed for the five below |
| ``HB`` | ``HB OK`` |
| ``SAY text`` | ``SAY OK``; all other players get ``name: text`` |
| ``WHO`` | ``WHO`` and the names, sorted |
| ``SCORE [n]`` | ``SCORE`` and his points, n more than before |
| ``SESSION`` | ``SESSION key``, which can be resumed from another connection |
| ``RESUME key`` | ``RESUMED name``: instead of a login, with the points as they were; a connection that still holds the session is reset |
| ``PING`` | ``PONG`` |
| ``SUM 1 2 3`` | ``6`` |
| ``STREAM n [seconds]`` | exactly n bytes of `commands.PATTERN`, at once or spread over so many seconds |
| ``QUIT`` | ``BYE``, then it closes |

Anything else is answered with ``ERR`` and what is wrong, and the connection stays. Who breaks a limit (`limits.Limits`) is told
``ERR`` and why, where that can still reach him, and loses the connection. A client that half-closes gets all its answers before
the arena closes too. An unfinished line at the end is not a command: it may have been cut. At SIGTERM everybody is told ``BYE the
arena closes`` behind what is owed to him. These are its defences (`defences.Defences`); each can be left out, to see what happens then.
"""
