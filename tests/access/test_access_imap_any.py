"""Any commands in any order: every answer is what the grammar and the rules allow, and nothing of ours breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from imap_client import Client
from imap_host import IMAPHost
from twisted.logger import LogEvent, globalLogPublisher

MESSAGE = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b--\r\n"
SETS = ("1", "1:*", "*", "2:3", "$", "1,3", "99", "4294967295:1")
ITEMS = (
    *("(FLAGS)", "(UID BODY[])", "BODY.PEEK[1]", "BODY[1.MIME]", "BODY[HEADER.FIELDS (Subject)]<2.5>", "BINARY[1]"),
    *("BINARY.SIZE[1]", "(ENVELOPE BODYSTRUCTURE BODY)", "ALL", "FULL", "FAST", "RFC822", "(FLAGS) (CHANGEDSINCE 1)"),
    *("(FLAGS) (CHANGEDSINCE 1 VANISHED)", "(MODSEQ INTERNALDATE RFC822.SIZE)", "BODY[9]", "()"),
)
FLAGS = (
    "+FLAGS (\\Deleted)",
    "-FLAGS.SILENT \\Seen",
    "FLAGS (custom \\Flagged)",
    "(UNCHANGEDSINCE 9) +FLAGS (\\Draft)",
)
KEYS = (
    *("ALL", "UNSEEN", "NOT DELETED", "OR SUBJECT x BODY hi", "RETURN (MIN MAX) 1:*", "RETURN (SAVE) FLAGGED"),
    *(
        "RETURN (ALL COUNT) UID 1:9",
        "MODSEQ 3",
        "CHARSET X-NONE ALL",
        "SINCE 1-Jan-2020 LARGER 5",
        "$",
        "KEYWORD custom",
    ),
)
BOXES = ("INBOX", "Work", "Work/Sub", '"Gr&APw-n"', "Junk", '""')


def commands() -> st.SearchStrategy[str]:
    """Return commands, most of which make sense."""
    sets, boxes = st.sampled_from(SETS), st.sampled_from(BOXES)
    uid = st.sampled_from(["", "UID "])
    sorts = st.sampled_from(
        ["SORT (REVERSE DATE SIZE) UTF-8", "THREAD REFERENCES UTF-8", "THREAD ORDEREDSUBJECT UTF-8"]
    )
    keys = st.sampled_from(KEYS)
    return st.one_of(
        st.builds("{}FETCH {} {}".format, uid, sets, st.sampled_from(ITEMS)),
        st.builds("{}STORE {} {}".format, uid, sets, st.sampled_from(FLAGS)),
        st.builds("{}SEARCH {}".format, uid, keys),
        st.builds("{}{} {}".format, uid, sorts, keys),
        st.builds("{}{} {} {}".format, uid, st.sampled_from(["COPY", "MOVE"]), sets, boxes),
        st.builds("{} {}".format, st.sampled_from(["CREATE", "DELETE", "SUBSCRIBE", "GETQUOTAROOT"]), boxes),
        st.builds("RENAME {} {}".format, boxes, boxes),
        st.builds("{} {} (CONDSTORE)".format, st.sampled_from(["SELECT", "EXAMINE"]), boxes),
        st.builds("{} {}".format, st.sampled_from(["SELECT", "EXAMINE"]), boxes),
        st.builds("SELECT {} (QRESYNC (1800000000 1))".format, boxes),
        st.builds("STATUS {} (MESSAGES UIDNEXT UNSEEN SIZE HIGHESTMODSEQ DELETED)".format, boxes),
        st.builds("{} {} {}".format, st.sampled_from(["LIST", "LSUB"]), boxes, st.sampled_from(["*", "%", "W*"])),
        st.builds("LIST ({}) {} * RETURN (STATUS (SIZE))".format, st.sampled_from(["", "SUBSCRIBED"]), boxes),
        st.sampled_from(["NOOP", "EXPUNGE", "UID EXPUNGE 1:3", "CLOSE", "UNSELECT", "CHECK", "ID NIL", "NAMESPACE"]),
        st.sampled_from([f"ENABLE {each}" for each in ("CONDSTORE", "QRESYNC", "IMAP4rev2", "UTF8=ACCEPT", "X-NONE")]),
    )  # fmt: skip


def others() -> st.SearchStrategy[str]:
    """Return what another session does meanwhile, with INBOX open."""
    return st.sampled_from(["", "", "EXPUNGE", "STORE 1 +FLAGS (\\Deleted)", "APPEND", "MOVE 1 Junk"])


@settings(max_examples=250, deadline=None, derandomize=True)
@given(steps=st.lists(st.tuples(commands(), others()), max_size=25))
def test_any_commands(steps: list[tuple[str, str]]) -> None:
    """Two sessions do whatever they like; the strict clients have nothing to say against the answers."""
    failures: list[LogEvent] = []
    look = lambda event: failures.append(event) if "log_failure" in event else None  # noqa: E731 - one line
    globalLogPublisher.addObserver(look)
    try:
        converse(steps)
    finally:
        globalLogPublisher.removeObserver(look)
    assert failures == []


def converse(steps: list[tuple[str, str]]) -> None:
    """Let two sessions speak by turns, until the mailbox of the first is gone."""
    host = IMAPHost()
    client, other = host.client(prefix="c"), host.client(prefix="o")
    for _ in range(3):
        client.append("INBOX", MESSAGE)
    client.select()
    other.select()
    for command, meanwhile in steps:
        if meanwhile == "APPEND":
            other.append("INBOX", MESSAGE)
        elif meanwhile:
            other.command(meanwhile)
        learn(client)
        if client.command(command).status.text == "The selected mailbox was deleted":
            break


def learn(client: Client) -> None:
    """Learn the UIDs that the server tells no other way when messages vanish."""
    if client.mirror is not None and client.qresync and None in client.mirror.uids:
        client.command("UID FETCH 1:* (UID)")
