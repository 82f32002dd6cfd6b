"""The control socket: how commands and other processes talk to a running server.

`control.sock` in the state directory, readable and writable for its owner
only.  Every line is one JSON object in UTF-8, at most 1 MiB long.  The server
greets first; then each request gets one answer, in order:

    {"control": 1, "release": "0.1.0"}
    {"command": "queue.changed", "arguments": {"recipients": [[81985529216486895, 0, 7]], "wanted": false}}
    {"result": {}}
    {"command": "nonsense"}
    {"error": "unknown command: nonsense"}

Whatever is said here is also in the database, so that a lost line costs a
second, not a mail: the `mta` command changes the database first and then
tells the server, so that it looks at once and at what it already holds.

Messages:
    status: nothing; answers with `release`, `process` (its id) and `started_at`.
    queue.changed: recipients were changed in the database: `recipients` is a
        list of [message id, place, id of the owner that leases it or null];
        `wanted` is false when deliveries to them are not wanted any more
        (hold, delete), true when they are (retry, release).
    queue.look: suspensions or failures were changed in the database, or recipients
        made due: look at all of these at once.
    site.figures: nothing; answers with what `mta top` shows, of bounded size and from memory alone: `sessions`,
        `rates`, `lanes`, `senders`, `reactor` (most seconds that it was late), `database`, `memory`, and what
        `status` answers.  Rates are per second, over `10s`, `1m` and `5m`; null while they aren't known.
    queue.lanes: `domains`, a list of at most 50; answers with `lanes`, an object of their
        names, without those that don't go by MX or can't be named now.
    directory.changed: domains, accounts or aliases were changed in the database.
    history.flush: write now what is known of mail; answered when it is in the history, or lost.
    mailbox.changed: another process has changed what is in the mailbox of the id
        `mailbox`; `sequence` is the MODSEQ of its last change.
    plugin.ask: puts `question`, an object, to the plugin whose name in the site file is `plugin`;
        answers with what it answers.
    plugin.counts: answers with `plugins`, an object by name: how often each was asked since it was made (`calls`, by
        stage), has failed (`failures`), let mail be sent on (`grants`), and whether it isn't asked for now (`rests`).
    site.reload: read the site file and all files that it names again; answers with `reloaded`.  If that is
        true, with the lists `changed` (keys that count now), `restart` (keys that need one), `begun` and
        `ended` (names of plugins); if it is false, nothing has changed, and `problems` is a list of objects
        with `path`, a key or empty, and `text`.
"""
