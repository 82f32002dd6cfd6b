"""Rewriting in sessions: which mail, which places; what is written wrongly is told with its key path."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from twistedmail_mta.config.plugging import PluginTable
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.model import Address
from twistedmail_mta.plugins import PluginError, find, options_of
from twistedmail_mta.policy.rewrite import Rewrite
from twistedmail_mta.policy.rewrite_rules import GROUPS, RewriteRule
from twistedmail_mta.stages import ChangeHeader, ChangeRecipient, ChangeSender, IMessagePolicy
from twistedmail_mta.testing.behind import Accepted
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.site import Site
from twistedmail_mta.testing.values import arriving, client

ANN = "ann@in.test"
GUIDE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
TEXT = (
    'X-First: ann@in.test\r\nfrom:"Ann (in.test)" <ann@IN.test>(ann@in.test)\r\nSENDER :\tann@in.test\r\n'
    "Reply-To: all: ann@in.test,\r\n  Eve <eve@else.test>;\r\nTo: bob@in.test\r\nCc: broken@in.test <\r\n"
    "Date: x\r\nMessage-ID: <1@in.test>\r\n\r\nann@in.test\r\n..\r\n"
)
PUBLIC = {"from": "*@in.test", "to": "*@out.test"}


def rig(*rules: dict[str, Any], **options: Any) -> Rig:
    return Rig(Rewrite, {"rules": list(rules)}, **options)


def sent(site: Site, *to: str, text: str = TEXT, account: str | None = ANN, sender: str = ANN) -> Accepted:
    """Send a message; return what was taken."""
    session = site.connect(account=account)
    assert session.mail(sender, *to, text=text).startswith("250")
    return site.accepted[-1]


def octets(accepted: Accepted) -> str:
    """What was taken, without our own trace field."""
    _, _, rest = accepted.header.block.decode().partition("+0000\r\n")
    return rest + accepted.body.decode()


def changed(*pairs: tuple[str, str]) -> str:
    """The text with these pieces in the place of others, each of which stands there once."""
    text = TEXT
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def test_all_that_says_who_writes() -> None:
    """By itself; every other octet stays: names, comments, groups, how fields are written, the body."""
    accepted = sent(Site(rig(PUBLIC), role="submission"), "bob@far.test")

    assert accepted.sender == "ann@out.test"
    assert octets(accepted) == changed(
        ("<ann@IN.test>", "<ann@out.test>"),
        ("SENDER :\tann@in.test", "SENDER :\tann@out.test"),
        ("all: ann@in.test", "all: ann@out.test"),
    )


@pytest.mark.parametrize(
    ("where", "sender", "expected"),
    [
        ("MAIL", "ann@out.test", []),
        ("From", ANN, [("<ann@IN.test>", "<ann@out.test>")]),
        (["To", "Cc"], ANN, [("To: bob@in.test", "To: bob@out.test")]),
        (["Sender", "MAIL"], "ann@out.test", [("SENDER :\tann@in.test", "SENDER :\tann@out.test")]),
        ("RCPT", ANN, []),
    ],
)
def test_where(where: Any, sender: str, expected: list[tuple[str, str]]) -> None:
    """Just there; what can't be understood stays."""
    accepted = sent(Site(rig({**PUBLIC, "where": where}), role="submission"), "bob@far.test")

    assert (accepted.sender, octets(accepted)) == (sender, changed(*expected))


@pytest.mark.parametrize(
    ("condition", "account", "sender", "holds"),
    [
        ({}, ANN, ANN, True),
        ({}, None, ANN, False),
        ({"strangers": True}, None, ANN, True),
        ({"strangers": True}, ANN, ANN, True),
        ({"account": "ANN@in.test"}, ANN, ANN, True),
        ({"account": ["x@y.test", "*@in.test"]}, ANN, ANN, True),
        ({"account": "eve@in.test"}, ANN, ANN, False),
        ({"account": "*"}, None, ANN, False),
        ({"sender": "*@in.test"}, ANN, ANN, True),
        ({"sender": "eve@in.test"}, ANN, ANN, False),
        ({"sender": "<>"}, ANN, "", True),
        ({"sender": "*@in.test"}, ANN, "", False),
        ({"sender": "*@in.test", "account": "eve@in.test"}, ANN, ANN, False),
        ({"except": "ann@*"}, ANN, ANN, False),
        ({"except": ["root@*", "*@*.in.test"]}, ANN, ANN, True),
    ],
)
def test_whose_mail(condition: dict[str, Any], account: str | None, sender: str, holds: bool) -> None:
    """By sender, by login; of strangers only if a rule says so, for they may have signed it."""
    plugin = rig({**PUBLIC, "where": ["MAIL", "From"], **condition})

    answer = plugin.ask(IMessagePolicy, client(account=account), arriving("From: ann@in.test\n\n", sender))

    header = ChangeHeader("From", ANN, "ann@out.test")
    envelope = (ChangeSender(Address("ann", "out.test")),) if sender else ()
    assert answer == ((*envelope, header) if holds else None)


def test_reports_have_no_sender() -> None:
    """Nor do they get one from a rule that means everybody; the header isn't theirs."""
    plugin = rig({"from": ["*", "*@*"], "to": "office@out.test", "where": ["MAIL", "From"]})

    answer = plugin.ask(IMessagePolicy, client(account=ANN), arriving("From: ann@in.test\n\n", ""))

    assert answer == (ChangeHeader("From", ANN, "office@out.test"),)


def test_one_step() -> None:
    """The first rule that means an address counts, for it alone: nothing runs in circles."""
    plugin = rig(
        {"from": "safe@in.test", "to": "safe@in.test"},
        {"from": "ann@in.test", "to": "bob@in.test"},
        {"from": "bob@in.test", "to": "ann@in.test"},
        {"from": "*@in.test", "to": "*@out.test"},
    )

    answer = plugin.ask(
        IMessagePolicy,
        client(account=ANN),
        arriving("From: ann@in.test, bob@in.test, safe@in.test, eve@in.test\n\n", "safe@in.test"),
    )

    (change,) = answer
    assert change.new == "bob@in.test, ann@in.test, safe@in.test, eve@out.test"


def test_fields_that_become_one_another() -> None:
    """Of several fields of a name each gets what is its own."""
    swap = [{"from": "a@x.test", "to": "b@x.test"}, {"from": "b@x.test", "to": "a@x.test"}]
    text = "Reply-To: {0}@x.test\r\nReply-To: {1}@x.test\r\nReply-To: {0}@x.test\r\nDate: x\r\nMessage-ID: y\r\n\r\n"

    for one, other in ("ab", "ba"):
        site = Site(rig(*swap), role="submission")
        accepted = sent(site, "bob@far.test", text="From: ann@in.test\r\n" + text.format(one, other))
        assert octets(accepted) == "From: ann@in.test\r\n" + text.format(other, one)


def test_what_cant_be_put_into_a_header_stays() -> None:
    """A field of odd lines is left as it came; the message is taken."""
    plugin = rig(PUBLIC)
    odd = "From: ann@in.test,\r\n \t\r\n bob@in.test\r\n\r\n"

    assert plugin.ask(IMessagePolicy, client(account=ANN), arriving(odd, "")) is None


def test_recipients() -> None:
    """Those kept here get it instead; nobody else does unless the site file lets it, and nobody is lost."""
    rules = (
        {"from": "*@relayed.test", "to": "*@home.test", "where": "recipients", "strangers": True},
        {"from": "eve@home.test", "to": "eve@else.test", "where": "RCPT", "strangers": True},
    )
    for anywhere, recipients, mailboxes in (
        (False, (), {"bob@home.test": "INBOX", "eve@home.test": "INBOX"}),
        (True, ("eve@else.test",), {"bob@home.test": "INBOX"}),
    ):
        site = Site(rig(*rules, may_send_anywhere=anywhere))
        to = ("bob@relayed.test", "bob@home.test", "eve@home.test")

        accepted = sent(site, *to, account=None, text="To: bob@relayed.test\r\n\r\n")

        assert (accepted.recipients, accepted.mailboxes) == (recipients, mailboxes)
        assert octets(accepted) == "To: bob@home.test\r\n\r\n"


def test_rewriting_grants_nothing() -> None:
    """Who is to be taken is decided about what the client names."""
    site = Site(rig({"from": "*@else.test", "to": "*@home.test", "where": "RCPT", "strangers": True}))

    assert site.connect().mail("eve@sender.test", "bob@else.test").startswith("550 5.7.1")


def test_who_may_send_as_whom() -> None:
    """That is decided about what the client wrote: its own form is allowed, the one that the world sees needn't be."""
    site = Site(rig(PUBLIC), role="submission")

    assert sent(site, "bob@far.test").sender == "ann@out.test"
    assert site.connect(account=ANN).mail("ann@out.test", "bob@far.test").startswith("553 5.7.1")
    text = "From: ann@out.test\r\n\r\n"
    assert site.connect(account=ANN).mail(ANN, "bob@far.test", text=text).startswith("550 5.7.1")


def test_many_addresses() -> None:
    """They are read on a thread, and all of them found."""
    plugin = rig({**PUBLIC, "where": "To"})
    value = ",\r\n ".join(f'"{n}" <n{n}@in.test>' for n in range(2000))

    (change,) = plugin.ask(IMessagePolicy, client(account=ANN), arriving(f"To: {value}\r\n\r\n"))

    assert change == ChangeHeader("To", value, value.replace("@in.test", "@out.test"))


def test_fields_that_nobody_needs() -> None:
    """Those behind the first 20 stay: work for them would keep others waiting."""
    text = "From: ann@in.test\r\nDate: x\r\nMessage-ID: y\r\n" + "Reply-To: ann@in.test\r\n" * 30 + "\r\n"

    accepted = sent(Site(rig(PUBLIC), role="submission"), "bob@far.test", text=text)

    assert octets(accepted) == text.replace("in.test", "out.test", 20)


def test_many_recipients() -> None:
    """All of them, in as many turns as that takes."""
    site = Site(
        rig({"from": "*@in.test", "to": "*@home.test", "where": "RCPT"}), role="submission", limits={"recipients": 1000}
    )

    accepted = sent(site, *(f"n{n}@in.test" for n in range(300)))

    assert accepted.recipients == tuple(f"n{n}@home.test" for n in range(300))


# Maps


def test_a_file(tmp_path: Path) -> None:
    """It is read at the start, and again when it has changed; with mistakes, or gone, all stays as it was."""
    file = tmp_path / "canonical"
    file.write_text("# public\nann@in.test office@out.test\n@in.test @out.test\n")
    plugin = rig({"file": "canonical", "except": "root@*", "where": "RCPT"}, folder=tmp_path)

    def told(*recipients: str) -> list[str]:
        answer = plugin.ask(IMessagePolicy, client(account=ANN), arriving(recipients=recipients), within=1e-6)
        return [str(change.new) for change in answer or () if isinstance(change, ChangeRecipient)]

    assert told("ann@in.test", "bob@in.test", "root@in.test", "x@else.test") == ["office@out.test", "bob@out.test"]

    for text, wanted, said in (
        ("ann@in.test new@out.test", ["new@out.test"], f"{file} read again: 1 lines"),
        ("ann@in.test", ["new@out.test"], f"what was read before stays in use: {file}: line 1: must be an address, "),
        (None, ["new@out.test"], f"what was read before stays in use: {file}: No such file"),
        ("ann@in.test last@out.test", ["last@out.test"], f"{file} read again: 1 lines"),
    ):
        (file.unlink() if text is None else file.write_text(text))
        plugin.log.said.clear()
        plugin.clock.pump([5.0] * 8)
        assert told("ann@in.test", "bob@in.test") == wanted
        assert [line[: len(said)] for line in plugin.log.said] == [said]


def test_files_with_mistakes(tmp_path: Path) -> None:
    """The server doesn't start; all files and lines are named."""
    (tmp_path / "one").write_text("ann@in.test bob@out.test\nann@in.test eve@out.test\nx\n")

    with pytest.raises(PluginError) as caught:
        rig({"file": "one"}, {"file": "two"}, folder=tmp_path)

    assert re.search(
        r"ValueError: \S+/one: line 2: stands there twice; line 3: must be .*; \S+/two: No such file", str(caught.value)
    )


# Mistakes


@pytest.mark.parametrize(
    ("rule", "path", "complaint"),
    [
        ({"to": "*@x.test"}, "rules[0]", "must have from and to"),
        ({"from": "*@x.test"}, "rules[0]", "must have from and to"),
        ({"from": "*@x.test", "to": "a@x.test", "file": "x"}, "rules[0]", "must have from and to"),
        ({"to": "a@x.test", "file": "x"}, "rules[0]", "must have from and to"),
        ({"from": ["*@x.test", "x"], "to": "a@x.test"}, "rules[0].from[1]", "must be an address"),
        ({"from": "*@x.test", "to": "\u00e4@x.test"}, "rules[0].to", "ASCII"),
        ({"from": "*@x.test", "to": "*@*.x.test"}, "rules[0]", "to has"),
        ({**PUBLIC, "where": ["From", "Subject"]}, "rules[0].where", "'Subject' must be one of senders, recip"),
        ({**PUBLIC, "where": []}, "rules[0].where", "must name a place"),
        ({**PUBLIC, "where": [["From"]]}, "rules[0].where", "must be one of"),
        ({**PUBLIC, "except": "root"}, "rules[0].except[0]", "must be an address"),
        ({**PUBLIC, "sender": "x"}, "rules[0].sender[0]", "must be an address"),
        ({**PUBLIC, "account": ["a@x.test", 5]}, "rules[0].account[1]", "must be an address"),
        ({**PUBLIC, "account": "a@x.test", "strangers": True}, "rules[0]", "strangers have none"),
        ({**PUBLIC, "strangers": "yes"}, "rules[0].strangers", "valid boolean"),
        ({**PUBLIC, "again": True}, "rules[0].again", "Extra"),
        ({**PUBLIC, "meant": "a@x.test"}, "rules[0].meant", "Extra"),
        ({"file": 5}, "rules[0].file", "must be a path"),
        (None, "rules", "at least 1"),
    ],
)  # fmt: skip
def test_what_is_no_rule(rule: dict[str, Any] | None, path: str, complaint: str) -> None:
    """Named with its key path."""
    with pytest.raises(ValidationError, match=complaint) as caught:
        options_of(find("rewrite"), {"rules": [] if rule is None else [rule]}, {})

    assert [key_path(each["loc"]) for each in caught.value.errors()] == [path]


# What is told of it


def test_the_guide() -> None:
    """The example can be used as it is, and all keys and places are told."""
    (section,) = re.findall(r"\n## rewrite\n(.*?)(?=\n## )", GUIDE, re.DOTALL)
    example = tomllib.loads("\n".join(re.findall(r"^    (.*)$", section, re.MULTILINE)))
    table = PluginTable.model_validate(example["plugins"]["canonical"])
    options = options_of(find(table.use), table.options, {})

    assert len(options.rules) == 3  # type: ignore[attr-defined]
    keys = {field.alias or name for name, field in RewriteRule.model_fields.items()}
    assert keys <= set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    for group, places in GROUPS.items():
        assert all(f'`"{each}"`' in section for each in (group, *places))
