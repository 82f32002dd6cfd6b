"""A filter on libmilter that does what the sender's local part says; run by Debian's Python, which has pymilter.

    python3 filter_of_every_action.py SOCKET

Each call is a line of JSON on standard output: its name, and what came with
it; octets are written as Latin-1.
"""

from __future__ import annotations

import json
import sys

import Milter

LARGE = 1 << 20


def say(name: str, *values: object) -> None:
    """Write what was called."""
    texts = [value.decode("latin-1") if isinstance(value, bytes) else value for value in values]
    sys.stdout.write(json.dumps([name, *texts]) + "\n")
    sys.stdout.flush()


class Filter(Milter.Base):
    """One connection."""

    def __init__(self) -> None:
        self.wish = ""
        self.body_size = 0

    def connect(self, name: str, family: int, address: object) -> int:
        macros = {each: self.getsymval(each) for each in ("j", "{daemon_name}", "{client_addr}", "{if_addr}")}
        say("connect", name, macros)
        return Milter.CONTINUE

    def hello(self, name: str) -> int:
        say("hello", name)
        return Milter.REJECT if name == "refused.test" else Milter.CONTINUE

    def envfrom(self, sender: str, *parameters: str) -> int:
        say("mail", sender, list(parameters), self.getsymval("i"))
        self.wish, self.body_size = sender.strip("<>").partition("@")[0], 0
        return self.answer("mail")

    def envrcpt(self, recipient: str, *parameters: str) -> int:
        say("rcpt", recipient, list(parameters), self.getsymval("{rcpt_addr}"))
        return self.answer("rcpt") if "bad" in recipient else Milter.CONTINUE

    def data(self) -> int:
        say("data")
        return self.answer("data")

    @Milter.decode("bytes")
    def header(self, name: str, value: bytes) -> int:
        say("header", name, value)
        return self.answer("header")

    def eoh(self) -> int:
        say("eoh")
        return self.answer("eoh")

    def body(self, chunk: bytes) -> int:
        self.body_size += len(chunk)
        say("body", len(chunk), chunk[:100])
        return Milter.SKIP if self.wish == "skip" else self.answer("body")

    def unknown(self, command: str) -> int:
        say("unknown", command)
        return Milter.CONTINUE

    def eom(self) -> int:
        say("eom", self.body_size, self.getsymval("i"))
        wish = getattr(self, f"do_{self.wish.replace('-', '_')}", None)
        if wish is not None:
            wish()
        return self.answer("eom")

    def abort(self) -> int:
        say("abort")
        return Milter.CONTINUE

    def close(self) -> int:
        say("close")
        return Milter.CONTINUE

    def answer(self, stage: str) -> int:
        """Return what is wanted at a stage, such as `reject-mail`."""
        word, _, wanted = self.wish.partition("-")
        if wanted != stage:
            return Milter.CONTINUE
        if word == "reply":
            self.setreply("554", "5.7.9", "not like", "this 100%%")
            return Milter.REJECT
        words = {
            "reject": Milter.REJECT,
            "tempfail": Milter.TEMPFAIL,
            "accept": Milter.ACCEPT,
            "discard": Milter.DISCARD,
        }
        return words[word]

    # What may be done to a message

    def do_headers(self) -> None:
        self.addheader("X-Last", "last")
        self.addheader("X-First", "first", 0)
        self.addheader("X-Second", "folded\n\tvalue", 1)
        self.chgheader("Subject", 1, "another")
        self.chgheader("X-Old", 2, "")
        self.chgheader("X-Old", 1, "changed")
        self.chgheader("X-New", 1, "new")

    def do_recipients(self) -> None:
        self.addrcpt("<copy@relayed.test>")
        self.addrcpt("<quiet@relayed.test>", "NOTIFY=NEVER")
        self.delrcpt("<bob@relayed.test>")

    def do_sender(self) -> None:
        self.chgfrom("<changed@sender.test>")

    def do_body(self) -> None:
        self.replacebody(b"another b\xf6dy\r\n.\r\n")

    def do_large(self) -> None:
        for _ in range(LARGE // 1024):
            self.replacebody(b"x" * 1022 + b"\r\n")

    def do_quarantine(self) -> None:
        self.quarantine("looks odd")

    def do_progress(self) -> None:
        for _ in range(3):
            self.progress()


Milter.factory = Filter
Milter.set_flags(
    Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.ADDRCPT_PAR | Milter.DELRCPT
    | Milter.CHGFROM | Milter.QUARANTINE
)  # fmt: skip
Milter.runmilter("filter", sys.argv[1], 60)
