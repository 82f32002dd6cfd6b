"""A file that says what should happen to mail: sessions, and what is expected of each."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from twistedmail_mta.config.problems import Part, Problem, problems_of
from twistedmail_mta.config.values import Table, one_or_more, sequence
from twistedmail_mta.explain.plain import plain_message
from twistedmail_mta.explain.question import HELO, STRANGER, Question, QuestionError

Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_more)]

_CLIENT: Final = ("from_ip", "helo", "tls", "account", "listener")


class SituationsError(Exception):
    """A file that can't be used; the text says all that is wrong with it."""

    def __init__(self, source: Path, problems: list[Problem]) -> None:
        super().__init__("\n".join([f"{source}: these tests can't be used:", *(f"  {item}" for item in problems)]))


class Expectations(Table):
    """What is expected of a session; what isn't said isn't looked at.

    Attributes:
        accepted: whether the mail is taken.
        reply: how the deciding reply begins, such as "550 5.7.1".
        refused_by: the plugin that refuses.
        aliases: the addresses on the way that lead on.
        mailbox: the mailboxes that get it: an address, and "/Junk" if it isn't INBOX.
        forwards: addresses elsewhere for which its recipients stand.
        route: next hops, as `mta explain` writes them.
        rule: key paths of the site file that lead there; "mx" where none does.
        outcome: what becomes of it on its way out.
        lane: lanes.
        host: the hosts that would be tried.
        tls: what these have to show: "DANE", "MTA-STS", or what the route says.
        sender: the sender with which it leaves; "*" stands for anything.
        signed_by: domains that sign it.
        tags: what plugins note about it, as "name=value".
    """

    accepted: bool | None = None
    reply: str | None = Field(default=None, min_length=3)
    refused_by: str | None = None
    aliases: Texts | None = None
    mailbox: Texts | None = None
    forwards: Texts | None = None
    route: Texts | None = None
    rule: Texts | None = None
    outcome: Literal["goes on", "waits", "fails", "is discarded", "is delivered here"] | None = None
    lane: Texts | None = None
    host: Texts | None = None
    tls: str | None = None
    sender: str | None = None
    signed_by: Texts | None = None
    tags: Texts | None = None

    @model_validator(mode="after")
    def _something(self) -> Expectations:
        if not self.model_fields_set:
            raise ValueError("must expect something, such as reply")
        return self


class ClientTable(Table):
    """[defaults]: who clients are, where a test doesn't say."""

    from_ip: str = STRANGER
    helo: str = HELO
    tls: bool | None = None
    account: str | None = None
    listener: str | None = None
    sender: str = Field(default="", alias="from")


class TestTable(ClientTable):
    """[[test]]: a session, and what is expected of it.

    Attributes:
        name: what it shows.
        to: the recipients.
        size: octets that SIZE announces.
        send: a plain message follows.
        data: a file with the message that follows.
        expect: of the session.
    """

    name: str = Field(min_length=1)
    to: Texts
    expect: Expectations
    size: int | None = Field(default=None, ge=0)
    send: bool = False
    data: str | None = None

    def question(self, folder: Path, defaults: dict[str, Any], now: float) -> Question:
        """Return it as a question.

        Args:
            folder: where its file is looked for.
            defaults: of what it doesn't say.
            now: seconds since the epoch.

        Raises:
            QuestionError: no client could ask that.
            OSError: the message can't be read.
        """
        said = {name: getattr(self, name) for name in (*_CLIENT, "sender") if name in self.model_fields_set}
        client: dict[str, Any] = defaults | said
        data = None
        if self.data is not None:
            octets = (folder / self.data).read_bytes()
            data = octets if b"\r\n" in octets else octets.replace(b"\n", b"\r\n")
        elif self.send:
            data = plain_message(client["sender"], self.to, now)
        return Question(self.to, **client, size=self.size, data=data)


class SituationsFile(Table):
    """The file."""

    defaults: ClientTable = ClientTable()
    test: Annotated[tuple[TestTable, ...], BeforeValidator(sequence), Field(min_length=1)]


def read_situations(path: Path) -> list[tuple[TestTable, Question]]:
    """Read a file of tests.

    Raises:
        SituationsError: with every mistake found.
    """
    file = _parsed(path)
    client = {name: getattr(file.defaults, name) for name in (*_CLIENT, "sender")}
    found, problems, now = [], list[Problem](), time.time()
    for number, table in enumerate(file.test):
        try:
            found.append((table, table.question(path.absolute().parent, client, now)))
        except QuestionError as error:
            problems.append(Problem(f"test[{number}]", str(error)))
        except OSError as error:
            problems.append(Problem(f"test[{number}].data", f"{error.filename} can't be read: {error.strerror}"))
    if problems:
        raise SituationsError(path, problems)
    return found


def _parsed(path: Path) -> SituationsFile:
    try:
        return SituationsFile.model_validate(tomllib.loads(path.read_bytes().decode("utf-8")))
    except OSError as error:
        raise SituationsError(path, [Problem("", f"can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise SituationsError(path, [Problem("", f"is not UTF-8 at octet {error.start}")]) from error
    except tomllib.TOMLDecodeError as error:
        raise SituationsError(path, [Problem("", f"is no TOML: {error}")]) from error
    except ValidationError as error:
        raise SituationsError(path, list(problems_of(error, Part(SituationsFile)))) from error
