"""Spam by rspamd: what it is told, and that everything it answers is done, or counts for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from repute_kit import Names, stranger
from scanner_kit import HEADER, Text, Web, arriving, headers_of, kit, logged_in, removed_by
from twisted.internet.task import Clock

from twistedmail_mta.errors import HTTPError
from twistedmail_mta.model import Address, HTTPAnswer, Reply
from twistedmail_mta.plugins import find, verified
from twistedmail_mta.policy.daemon import DaemonError
from twistedmail_mta.policy.first_tries import FirstTries
from twistedmail_mta.policy.rspamd import Rspamd
from twistedmail_mta.policy.rspamd_answer import read_answer
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import AddHeader, FileInto, Quarantine, RemoveRecipient, ReplaceHeader
from twistedmail_mta.tasks import Task


class Asked:
    """An rspamd that answers the same to everybody, and who asks it."""

    def __init__(self, action: str = "no action", status: int = 200, **more: Any) -> None:
        said = {"action": action, "score": 7.0, "required_score": 15.0, "symbols": {}, "messages": {}} | more
        self.web = Web(HTTPAnswer(status, {}, json.dumps(said).encode()))
        self.clock, self.names = Clock(), Names()

    def policy(self, **options: Any) -> Rspamd:
        return Rspamd(Rspamd.Options.model_validate(options), kit(self.clock, self.web, self.names))

    async def answer(self, client: Any = None, message: Any = None, **options: Any) -> Any:
        return await self.policy(**options).message(client or stranger(), message or arriving())


def test_it_is_a_plugin() -> None:
    """Its failures count for nothing, unless the site file says otherwise."""
    kind = find("rspamd")
    assert kind.abstains
    assert verified("rspamd", kind.make(kind.options(), kit()))


@pytest.mark.parametrize("url", ["", "127.0.0.1:11333", "ftp://host", "http://", "http://host?x", 5])
def test_wrong_urls(url: Any) -> None:
    with pytest.raises(ValidationError, match="URL"):
        Rspamd.Options.model_validate({"url": url})


# What it is told


@pytest_twisted.ensureDeferred
async def test_the_question() -> None:
    """Who, for whom, from where, and the text as it came."""
    rspamd = Asked()
    rspamd.names.add("192.0.2.99", "PTR", "client.test.")
    rspamd.names.add("client.test.", "A", "192.0.2.99")
    message = arriving(Text(b"text\r\n"), recipients=("bob@example.org", "eve@example.org"))

    client = stranger(tls="TLSv1.3 TLS_AES_256_GCM_SHA384", account="ann")
    await rspamd.answer(client, message, url="http://127.0.0.1:11333/", settings="mx")

    ((method, url, headers, octets),) = rspamd.web.asked
    assert (method, url, octets) == ("POST", "http://127.0.0.1:11333/checkv2", HEADER + b"text\r\n")
    assert headers == {
        "IP": "192.0.2.99",
        "Helo": "client.test",
        "Hostname": "client.test",
        "From": "<ann@sender.test>",
        "Rcpt": "<bob@example.org>, <eve@example.org>",
        "User": "ann",
        "Queue-Id": "1A2B",
        "TLS-Version": "TLSv1.3",
        "TLS-Cipher": "TLS_AES_256_GCM_SHA384",
        "MTA-Name": "mail.example.org",
        "Settings-Id": "mx",
    }


@pytest_twisted.ensureDeferred
async def test_little_is_known() -> None:
    """A name that isn't confirmed is none; the null path is one; what was said can't add a header."""
    rspamd = Asked()
    rspamd.names.add("192.0.2.99", "PTR", "bank.test.")
    rspamd.names.add("bank.test.", "A", "192.0.2.1")

    await rspamd.answer(stranger(helo="evil\r\nUser: root"), arriving(sender=""))

    headers = rspamd.web.asked[0][2]
    assert (headers["Hostname"], headers["From"], headers["Helo"]) == ("unknown", "<>", "evil??User: root")
    assert headers.keys() == {"IP", "Helo", "Hostname", "From", "Rcpt", "Queue-Id", "MTA-Name"}


@pytest.mark.parametrize("trouble", ["silent", "broken"])
def test_a_dns_that_doesnt_answer(trouble: str) -> None:
    """Is waited for two seconds at most."""
    rspamd = Asked()
    getattr(rspamd.names, trouble).add("192.0.2.99")
    task = Task("asks", rspamd.answer())
    rspamd.clock.advance(2.1)

    assert task.done
    assert rspamd.web.asked[0][2]["Hostname"] == "unknown"


@pytest_twisted.ensureDeferred
async def test_the_password(tmp_path: Any) -> None:
    (tmp_path / "password").write_text("secret\n")
    rspamd = Asked()
    await rspamd.answer(password_file=str(tmp_path / "password"))
    assert rspamd.web.asked[0][2]["Password"] == "secret"


@pytest_twisted.ensureDeferred
async def test_too_large() -> None:
    """Isn't judged; a verdict that it brought along isn't ours."""
    rspamd, large = Asked("reject"), arriving(b"x" * 2000)
    assert "X-Spam-Flag" in removed_by(await rspamd.answer(message=large, max_size="1KB"))
    assert await rspamd.answer(logged_in(), large, max_size="1KB") == ()
    assert await rspamd.answer(message=large, max_size="1KB", tag=False) is None
    assert rspamd.web.asked == []


# What it wants


@pytest.mark.parametrize(
    ("action", "messages", "expected"),
    [
        ("reject", {"smtp_message": "Gtube pattern"}, Reply(554, "5.7.1", "Gtube pattern")),
        ("reject", {}, Reply(554, "5.7.1", "Message refused, it looks like spam")),
        ("reject", {"smtp_message": "a\r\n250 ok"}, Reply(554, "5.7.1", "a??250 ok")),
        ("soft reject", {"smtp_message": "Ratelimit"}, Reply(451, "4.7.1", "Ratelimit")),
        ("soft reject", {}, Reply(451, "4.7.1", "Please try again later")),
        ("greylist", {}, Reply(451, "4.7.1", "Please try again later")),
    ],
)
@pytest_twisted.ensureDeferred
async def test_refusals(action: str, messages: Any, expected: Reply) -> None:
    """Also when no rule was asked, as for GTUBE."""
    for skipped in (False, True):
        assert await Asked(action, messages=messages, is_skipped=skipped).answer() == expected


@pytest.mark.parametrize(
    ("action", "spam"), [("no action", False), ("add header", True), ("rewrite subject", True), ("custom", False)]
)
@pytest_twisted.ensureDeferred
async def test_what_is_taken(action: str, spam: bool) -> None:
    """Is marked by the action, and filed unless the site doesn't want that."""
    rspamd = Asked(action, symbols={"ONE": {"score": 1.0}, "TWO": {}}, subject="*** hi")
    changes = await rspamd.answer()
    assert headers_of(changes) == {
        "X-Spam-Score": "7.00",
        "X-Spam-Status": f"{'Yes' if spam else 'No'}, score=7.00 required=15.00\r\n\ttests=ONE,TWO",
    } | ({"X-Spam-Flag": "YES"} if spam else {})
    assert (FileInto("Junk") in changes) == spam
    assert (ReplaceHeader("Subject", "*** hi") in changes) == (action == "rewrite subject")

    changes = await rspamd.answer(junk=False, tag=False)
    assert not any(isinstance(each, FileInto | AddHeader) for each in changes)


@pytest_twisted.ensureDeferred
async def test_a_subject_in_other_letters() -> None:
    changes = await Asked("rewrite subject", subject="*** gr\u00fcn").answer()
    assert ReplaceHeader("Subject", "=?utf-8?b?KioqIGdyw7xu?=") in changes


@pytest_twisted.ensureDeferred
async def test_mail_that_isnt_delivered() -> None:
    """Held, or discarded."""
    assert Quarantine("odd") in await Asked("quarantine", messages={"smtp_message": "odd"}).answer()
    changes = await Asked("discard").answer(message=arriving(recipients=("bob@a.test", "eve@a.test")))
    assert {each for each in changes if isinstance(each, RemoveRecipient)} == {
        RemoveRecipient(Address("bob", "a.test")),
        RemoveRecipient(Address("eve", "a.test")),
    }


@pytest_twisted.ensureDeferred
async def test_fields_to_remove_and_to_add() -> None:
    """In all the forms that its milter section has; signatures too."""
    milter = {
        "remove_headers": {"X-Old": 0, "bad name": 0},
        "add_headers": {
            "X-One": "1",
            "X-Two": {"value": "2", "order": 1},
            "X-Last": {"value": "3", "order": -1},
            "X-Many": ["a", {"value": "b"}],
            "X Bad": "x",
            "X-None": 5,
        },
    }
    rspamd = Asked(milter=milter, **{"dkim-signature": ["v=1;\r\n\tb=x", "v=1; b=y"]})
    changes = await rspamd.answer(logged_in(), tag=False)

    assert removed_by(changes) == {"X-Old"}
    assert [each for each in changes if isinstance(each, AddHeader)] == [
        AddHeader("X-One", "1"),
        AddHeader("X-Two", "2"),
        AddHeader("X-Last", "3", last=True),
        AddHeader("X-Many", "a"),
        AddHeader("X-Many", "b"),
        AddHeader("DKIM-Signature", "v=1;\r\n\tb=x"),
        AddHeader("DKIM-Signature", "v=1; b=y"),
    ]


# Greylisting


def waited(rspamd: Asked, policy: Rspamd, client: Any = None, message: Any = None) -> Any:
    """What is answered at once."""
    task = Task("asks", policy.message(client or stranger(), message or arriving()))
    assert task.done
    return task._outcome._result


def test_greylisting_ends() -> None:
    """Rspamd recommends it each time: who comes back after a while is let in, from a neighbour as well."""
    rspamd = Asked("greylist")
    policy = rspamd.policy(greylist="5m")
    assert isinstance(waited(rspamd, policy), Reply)
    rspamd.clock.advance(299)
    assert isinstance(waited(rspamd, policy), Reply)
    rspamd.clock.advance(2)

    assert not isinstance(waited(rspamd, policy), Reply)
    assert not isinstance(waited(rspamd, policy, stranger("192.0.2.7")), Reply)
    assert isinstance(waited(rspamd, policy, stranger("192.0.3.7")), Reply)
    assert isinstance(waited(rspamd, policy, stranger("2001:db8::1")), Reply)
    assert isinstance(waited(rspamd, policy, message=arriving(recipients=("eve@example.org",))), Reply)
    assert not isinstance(waited(rspamd, policy, logged_in()), Reply)


def test_no_greylisting() -> None:
    rspamd = Asked("greylist")
    assert not isinstance(waited(rspamd, rspamd.policy(greylist="0s")), Reply)


def test_first_tries_are_few() -> None:
    """The oldest are forgotten, and what is old."""
    clock = Clock()
    tries = FirstTries(10.0, 100.0, clock.seconds, most=2)
    assert [tries.puts_off(each) for each in "abc"] == [True, True, True]
    clock.advance(10)
    assert [tries.puts_off(each) for each in "bca"] == [False, False, True]
    assert len(tries._firsts) == 2
    clock.advance(91)
    assert tries.puts_off("c")


# No answer


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b"{}", b'{"action": 5}', b"[" * 100_000, b'"\xff"'])
@pytest_twisted.ensureDeferred
async def test_nonsense(body: bytes) -> None:
    """Is a failure, and no message is let in or refused for it."""
    rspamd = Asked()
    rspamd.web.answer = HTTPAnswer(200, {}, body)
    with pytest.raises(ValueError):
        await rspamd.answer()


@pytest_twisted.ensureDeferred
async def test_errors() -> None:
    with pytest.raises(DaemonError, match="403"):
        await Asked(status=403).answer()
    rspamd = Asked()
    rspamd.web.answer = None
    with pytest.raises(HTTPError):
        await rspamd.answer()


@pytest_twisted.ensureDeferred
async def test_large_answers() -> None:
    """Of messages with thousands of links."""
    changes = await Asked(urls=["host.example"] * 20_000).answer()
    assert "X-Spam-Score" in headers_of(changes)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.fixed_dictionaries(
        {"action": st.text(max_size=10)},
        optional={
            "score": JSON,
            "symbols": JSON,
            "messages": JSON,
            "subject": JSON,
            "dkim-signature": JSON,
            "milter": JSON | st.fixed_dictionaries({"add_headers": JSON, "remove_headers": JSON}),
        },
    )
)
def test_any_answer_can_be_read(said: Any) -> None:
    """And what it wants can be done."""
    answer = read_answer(json.dumps(said).encode())
    assert all(map(is_sound, answer.changes))
    assert abs(answer.score) <= 1e9
