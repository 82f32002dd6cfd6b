"""The control socket: how commands and other processes talk to a running server.

`control.sock` in the state directory, readable and writable for its owner
only.  Every line is one JSON object in UTF-8, at most 1 MiB long.  The server
greets first; then each request gets one answer, in order:

    {"control": 1, "release": "0.1.0"}
    {"command": "queue.retry", "arguments": {"messages": ["01k..."]}}
    {"result": {}}
    {"command": "nonsense"}
    {"error": "unknown command: nonsense"}

Whatever is said here is also in the database, so that a lost line costs a
second, not a mail: the `mta` command changes the database first and then
tells the server, so that it looks at once and at what it already holds.

Messages:
    status: nothing; answers with the release, the process id and since when it runs.
    queue.retry, queue.hold, queue.release, queue.delete: `messages` is the list
        of queue ids that the command changed in the database.
    tls.reload: read the certificates again; answers with `reloaded`, true or false.
"""
