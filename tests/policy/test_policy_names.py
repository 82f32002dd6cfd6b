"""What clients call themselves, and what the DNS calls them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError
from repute_kit import BROKEN, Lab, arriving, mail, result, status, stranger, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.policy.client_names import MOST_NAMES, Fault
from twistedmail_mta.policy.names import _TOLD, Names, NamesOptions
from twistedmail_mta.stages import AddHeader, RemoveHeader
from twistedmail_mta.tasks import Cancelled

HOST = "192.0.2.99"
OURS = ("203.0.113.5", "2001:db8::25")
ALL = get_args(Fault)


def lab() -> Lab:
    """A DNS that knows this server and an honest client."""
    made = Lab()
    made.names.add("mail.example.org", "A", OURS[0])
    made.names.add("mail.example.org", "AAAA", OURS[1])
    made.names.add("client.test", "A", HOST)
    made.names.add(HOST, "PTR", "other.test", "client.test")
    made.names.add("other.test", "A", "192.0.2.1")
    return made


def names(made: Lab, **options: Any) -> Names:
    """A plugin as a site file has it."""
    return Names(NamesOptions.model_validate(options), made.kit)


def told(made: Lab, options: dict[str, Any], helo: str = "client.test", host: str = HOST) -> Reply | None:
    """What a client is told at RCPT."""
    return made.ask(names(made, **options).recipient(stranger(host, helo), mail(), to()))


def faults(made: Lab, helo: str = "client.test", host: str = HOST) -> set[str]:
    """All that is wrong with a client."""
    plugin = names(made, **dict.fromkeys(ALL, "tag"))
    changes = made.ask(plugin.message(stranger(host, helo), arriving()))
    if changes is None:
        return set()
    (field,) = changes  # type: ignore[misc]
    assert isinstance(field, AddHeader)
    return set(field.value.split(", "))


def test_an_honest_client() -> None:
    """Has no fault."""
    assert faults(lab()) == set()
    assert faults(lab(), helo="CLIENT.test.") == set()
    assert faults(lab(), helo=f"[{HOST}]") == set()


@pytest.mark.parametrize(
    ("helo", "found"),
    [
        ("mail.example.org", {"own_name"}),
        ("MAIL.example.ORG.", {"own_name"}),
        ("[203.0.113.5]", {"own_name", "literal"}),
        ("[IPv6:2001:DB8::25]", {"own_name", "literal"}),
        ("[192.0.2.1]", {"literal"}),
        ("[192.0.2]", {"syntax"}),
        ("192.0.2.99", {"syntax"}),
        ("a..b", {"syntax"}),
        ("a_b.\u00fc", {"syntax"}),
        ("\x7f", {"syntax"}),
        ("x" * 64 + ".test", {"syntax"}),
        ("pc", {"unqualified", "unresolvable"}),
        ("gone.test", {"unresolvable"}),
        ("other.test", set()),
    ],
)
def test_what_ehlo_says(helo: str, found: set[str]) -> None:
    """Each fault by itself."""
    assert faults(lab(), helo=helo) == found


def test_a_name_that_only_receives_mail() -> None:
    """MX records make a name one that exists, too, and so does an IPv6 address (RFC 5321 section 2.3.5)."""
    made = lab()
    made.names.add("mx.test", "MX", "something")
    made.names.add("six.test", "AAAA", "2001:db8::1")

    assert faults(made, helo="mx.test") == faults(made, helo="six.test") == set()


def test_own_names_and_addresses() -> None:
    """Others of the site file count as well, and all names below a domain."""
    made = lab()
    options = {"own_names": ["example.org", "*.example.net"], "own_addresses": ["203.0.113.9"]}

    said = ["example.org", "a.b.example.net", "[203.0.113.9]", "example.net", "sub.example.org", "[203.0.113.8]"]
    assert [status(told(made, options, helo)) for helo in said] == ["550 5.7.1"] * 3 + [""] * 3


def test_this_server_itself() -> None:
    """From its own address it may call itself so."""
    made = lab()

    for host in (*OURS, "::ffff:203.0.113.5", "127.0.0.1"):
        assert told(made, {}, "mail.example.org", host) is None
    assert told(made, {"own_addresses": [HOST]}, "mail.example.org") is None


def test_defaults() -> None:
    """Whoever takes our name is refused, and told what to do; nothing else has consequences, and nobody is asked."""
    made = lab()

    reply = told(made, {}, "mail.example.org")

    assert reply is not None
    assert (reply.code, reply.status) == (550, "5.7.1")
    assert reply.text.startswith("You call yourself by a name or an address of this server; say your own name")
    assert made.names.asked == ["mail.example.org"] * 2
    for helo in ("192.0.2.99", "pc", "gone.test", "[192.0.2.1]"):
        assert told(made, {}, helo) is None


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        ({}, {"no_reverse", "unconfirmed"}),
        ({(HOST, "PTR"): ()}, {"no_reverse", "unconfirmed"}),
        ({(HOST, "PTR"): ("a.test",)}, {"unconfirmed"}),
        ({(HOST, "PTR"): ("a.test",), ("a.test", "A"): ("192.0.2.1",)}, {"unconfirmed"}),
        ({(HOST, "PTR"): ("a.test",), ("a.test", "A"): ("192.0.2.1", HOST)}, set()),
        ({(HOST, "PTR"): ("a.test", "b.test"), ("b.test", "A"): (HOST,)}, set()),
    ],
)
def test_reverse_names(tables: dict[Any, Any], found: set[str]) -> None:
    """One of the names has to lead back (RFC 7601 section 3)."""
    made = Lab()
    made.names.tables |= tables

    assert faults(made, helo=f"[{HOST}]") == found


def test_reverse_names_of_ipv6() -> None:
    """They lead back by AAAA records, however these are written."""
    made = Lab()
    made.names.add("2001:db8::1", "PTR", "six.test")
    made.names.add("six.test", "AAAA", "2001:db8:0::1")

    assert faults(made, "[IPv6:2001:db8::1]", "2001:db8::1") == set()


def test_many_reverse_names() -> None:
    """So many are looked at, and no more."""
    made = lab()
    made.names.add(HOST, "PTR", *(f"{number}.test" for number in range(200)), "client.test")

    assert faults(made) == {"unconfirmed"}
    assert len(made.names.asked) < 30 + MOST_NAMES


def test_a_name_that_fails_beside_one_that_leads_back() -> None:
    """The one suffices; were it not there, nothing would be known."""
    made = lab()
    made.names.broken.add("other.test")

    assert told(made, {"unconfirmed": "refuse"}) is None
    made.names.add("client.test", "A", "192.0.2.1")
    with pytest.raises(TemporaryError) as caught:
        told(made, {"unconfirmed": "refuse"})
    assert caught.value.reply == BROKEN


@pytest.mark.parametrize("fault", ALL)
def test_every_fault_has_its_words(fault: Fault) -> None:
    """Refusals say what is wrong and whom to ask; delays, when to come back; the codes are those of RFC 7372."""
    made, helo = lab(), {"own_name": "mail.example.org", "literal": "[192.0.2.1]", "syntax": "a..b"}.get(fault, "pc")
    made.names.tables.pop((HOST, "PTR"))

    refused, deferred = told(made, {fault: "refuse"}, helo), told(made, {fault: "defer"}, helo)

    assert refused is not None
    assert deferred is not None
    assert status(refused) == f"550 5.{_TOLD[fault][0]}"
    assert status(deferred) == f"450 4.{_TOLD[fault][0]}"
    assert refused.text.endswith(", or write to our postmaster")
    assert deferred.text.endswith("; then please try again in 15 minutes")


def test_refusals_go_before_delays() -> None:
    """Of several faults the gravest counts."""
    options = {"no_reverse": "defer", "unqualified": "refuse"}
    made = lab()
    made.names.tables.pop((HOST, "PTR"))

    assert status(told(made, options, "pc")) == "550 5.7.1"
    assert status(told(made, options)) == "450 4.7.25"


def test_who_is_let_be() -> None:
    """Logins, this host, listed networks, and whoever writes to postmaster."""
    made = lab()
    plugin = names(made, exempt_networks=["198.51.100.0/24"])
    own = "mail.example.org"

    for client in (stranger("198.51.100.1", own), stranger("", own), stranger(HOST, own, account="ann")):
        assert made.ask(plugin.recipient(client, mail(), to())) is None
    assert made.ask(plugin.recipient(stranger(HOST, own), mail(), to("postmaster@example.org"))) is None
    assert status(made.ask(plugin.recipient(stranger(HOST, own), mail(), to()))) == "550 5.7.1"


@pytest.mark.parametrize("kind", ["broken", "silent"])
def test_a_dns_that_does_not_answer(kind: str) -> None:
    """Nothing follows from it, unless the site file says so; a tag is left out."""
    made = lab()
    getattr(made.names, kind).add(HOST)

    with pytest.raises(TemporaryError):
        told(made, {"no_reverse": "refuse"})
    assert status(told(made, {"no_reverse": "refuse", "unqualified": "refuse"}, "pc")) == "550 5.7.1"
    assert told(made, {"no_reverse": "tag"}) is None
    assert faults(made) == set()
    assert Names.on_error == "abstain"


def test_all_checks_at_once() -> None:
    """They take no longer than the slowest, are remembered, and end with the client."""
    made = lab()
    made.names.silent |= {HOST, "client.test"}
    plugin = names(made, **dict.fromkeys(ALL, "refuse"), patience="6s")

    task = made.started(plugin.recipient(stranger(), mail(), to()))
    made.clock.advance(5.9)
    assert not task.done
    made.clock.advance(0.2)
    for again in (task, made.started(plugin.recipient(stranger(), mail(), to()))):
        with pytest.raises(TemporaryError):
            result(again)
    made.clock.advance(60)
    task = made.started(plugin.recipient(stranger(), mail(), to()))
    task.cancel()
    with pytest.raises(Cancelled):
        result(task)
    assert (made.names.waiting, made.clock.getDelayedCalls()) == (0, [])


def test_tags() -> None:
    """A field that was there is a stranger's word; those who are let be have theirs."""
    made = lab()
    plugin = names(made, syntax="tag", own_name="tag", header="X-Names")
    forged = arriving(b"x-names: fine\r\n\r\n")

    assert made.ask(plugin.message(stranger(helo="a..b"), forged)) == (
        RemoveHeader("X-Names"),
        AddHeader("X-Names", "syntax"),
    )
    assert made.ask(plugin.message(stranger(), forged)) == (RemoveHeader("X-Names"),)
    assert made.ask(plugin.message(stranger(account="ann"), forged)) is None
    assert made.ask(names(made).message(stranger(helo="a..b"), forged)) is None
    assert made.ask(plugin.recipient(stranger(helo="a..b"), mail(), to())) is None


@pytest.mark.parametrize("wrong", [{"syntax": "kill"}, {"own_names": ["a b"]}, {"header": "a b"}, {"helo": "off"}])
def test_mistakes(wrong: dict[str, Any]) -> None:
    """Told at the start."""
    with pytest.raises(ValidationError):
        NamesOptions.model_validate(wrong)
