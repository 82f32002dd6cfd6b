"""Lists of the DNS: what is asked, what their answers count, what comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from repute_kit import Lab, arriving, mail, result, status, stranger, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Reply
from twistedmail_mta.policy.dnsbl import DNSBL, LISTS_SILENT, ListOptions
from twistedmail_mta.policy.list_code import CodePattern, code_pattern, is_listing
from twistedmail_mta.policy.list_zone import MOST_REASON, Listing, Zone, printable, question
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import AddHeader, RemoveHeader
from twistedmail_mta.tasks import Cancelled

HOST = "192.0.2.99"
LISTED = "99.2.0.192.bad.test"
BAD, GOOD = {"zone": "bad.test"}, {"zone": "good.test", "weight": -1}


def options(*zones: Any, **others: Any) -> ListOptions:
    """Options as a site file has them."""
    return ListOptions.model_validate({"zones": list(zones or (BAD,)), **others})


def listed(lab: Lab, *zones: str, code: str = "127.0.0.2") -> None:
    """Put the client on lists."""
    for zone in zones or ("bad.test",):
        lab.names.add(f"99.2.0.192.{zone}", "A", code)


def at_recipient(lab: Lab, chosen: ListOptions, **known: Any) -> Reply | None:
    """What a client is told at RCPT."""
    return lab.ask(DNSBL(chosen, lab.kit).recipient(stranger(HOST, **known), mail(), to()))


def test_listed_client() -> None:
    """It is told which list, why, and what to do (RFC 5782 section 2.1)."""
    lab = Lab()
    listed(lab)
    lab.names.add(LISTED, "TXT", b"spam; see https://bad.test/?192.0.2.99")

    reply = at_recipient(lab, options())

    assert reply == Reply(
        554,
        "5.7.1",
        "192.0.2.99 is listed by bad.test: spam; see https://bad.test/?192.0.2.99\n"
        "Ask there to be taken off the list, or write to our postmaster",
    )


def test_clients_that_are_not_listed() -> None:
    """One question a list, and nothing follows."""
    lab = Lab()

    assert at_recipient(lab, options(BAD, {"zone": "worse.test"})) is None
    assert lab.names.asked == [LISTED, "99.2.0.192.worse.test"]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("192.0.2.99", LISTED),
        ("::ffff:192.0.2.99", LISTED),
        ("2001:db8::7", "7." + "0." * 23 + "8.b.d.0.1.0.0.2.bad.test"),
    ],
)
def test_both_families(host: str, name: str) -> None:
    """IPv4 by octets, IPv6 by nibbles (RFC 5782 section 2.1 and section 2.4)."""
    lab = Lab()
    lab.names.add(name, "A", "127.0.0.2")

    reply = lab.ask(DNSBL(options(), lab.kit).recipient(stranger(host), mail(), to()))

    assert status(reply) == "554 5.7.1"


def test_domains() -> None:
    """Names in EHLO and domains of senders have lists of their own (RFC 5782 section 3)."""
    lab = Lab()
    zones = [{"zone": "names.test", "of": "helo"}, {"zone": "domains.test", "of": "sender"}]
    lab.names.add("sender.test.domains.test", "A", "127.0.1.2")
    plugin = DNSBL(options(*zones), lab.kit)

    reply = lab.ask(plugin.recipient(stranger(helo="Client.TEST."), mail(), to()))

    assert reply is not None
    assert reply.text.startswith("sender.test is listed by domains.test\n")
    assert lab.names.asked[:2] == ["client.test.names.test", "sender.test.domains.test"]
    assert lab.ask(plugin.recipient(stranger(helo="other.test"), mail("bob@fine.test"), to())) is None


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "localhost", "a..b", "x" * 190 + ".test", "a b.test", "192.0.2.1"])
@pytest.mark.parametrize("sender", ["", "ann@[192.0.2.1]"])
def test_what_has_no_domain(helo: str, sender: str) -> None:
    """Nobody is asked about what is no name."""
    lab = Lab()
    zones = [{"zone": "names.test", "of": "helo"}, {"zone": "domains.test", "of": "sender"}]

    assert lab.ask(DNSBL(options(*zones), lab.kit).recipient(stranger(helo=helo), mail(sender), to())) is None
    assert lab.names.asked == []


@pytest.mark.parametrize(
    ("client", "recipient"),
    [
        (stranger(HOST, account="ann@example.org"), "bob@example.org"),
        (stranger("127.0.0.1"), "bob@example.org"),
        (stranger("::1"), "bob@example.org"),
        (stranger(""), "bob@example.org"),
        (stranger("198.51.100.7"), "bob@example.org"),
        (stranger(HOST), "Postmaster@example.org"),
        (stranger(HOST), "abuse@example.org"),
    ],
)
def test_who_is_let_be(client: Any, recipient: str) -> None:
    """Logins, listed networks, this host; and whoever asks postmaster why."""
    lab = Lab()
    listed(lab)
    chosen = options(exempt_networks=["127.0.0.0/8", "::1", "198.51.100.0/24"])

    assert lab.ask(DNSBL(chosen, lab.kit).recipient(client, mail(), to(recipient))) is None
    assert lab.names.asked == []


def test_others_who_can_be_asked() -> None:
    """By a local part at any domain, or by the whole address."""
    lab = Lab()
    listed(lab)
    plugin = DNSBL(options(exempt_recipients=["Ops", "ann@example.org"]), lab.kit)
    recipients = ["ops@x.test", "Ann@example.org", "ann@x.test", "postmaster@x.test"]

    replies = [lab.ask(plugin.recipient(stranger(HOST), mail(), to(each))) for each in recipients]
    assert list(map(status, replies)) == ["", "", "554 5.7.1", "554 5.7.1"]


def test_at_connect() -> None:
    """Only where the site wants that, and only for the address."""
    lab = Lab()
    listed(lab)
    chosen = options(BAD, {"zone": "names.test", "of": "helo"}, at="connect")

    assert lab.ask(DNSBL(options(), lab.kit).connected(stranger(HOST))) is None
    reply = lab.ask(DNSBL(chosen, lab.kit).connected(stranger(HOST, helo="")))

    assert status(reply) == "554 5.7.1"
    assert "names.test" not in "".join(lab.names.asked)


def test_weights_add_up() -> None:
    """Several lists of little weight together; a list of the good takes away."""
    lab = Lab()
    listed(lab, "one.test", "two.test")
    zones = [{"zone": "one.test", "weight": 1}, {"zone": "two.test", "weight": 2}, {"zone": "good.test", "weight": -2}]
    chosen = options(*zones, refuse_at=3)

    reply = at_recipient(lab, chosen)
    assert reply is not None
    assert "by two.test" in reply.text
    assert at_recipient(lab, options(*zones, refuse_at=4)) is None

    listed(lab, "good.test")
    assert at_recipient(lab, chosen) is None


def test_weights_of_codes() -> None:
    """A list counts once: the strongest of its codes; codes that aren't named count nothing."""
    zone = Zone.model_validate(
        {"zone": "bad.test", "codes": {"127.0.0.2": 1, "127.0.0.4-11": 3, "127.0.*.3": -2, "127.0.1.*": 0.5}}
    )

    assert zone.weigh(()) == 0
    assert zone.weigh(("127.0.0.2", "127.0.0.11", "127.0.7.3")) == 3
    assert zone.weigh(("127.0.9.3",)) == -2
    assert zone.weigh(("127.0.0.12",)) == 0
    assert (zone.least, zone.greatest) == (-2, 3)
    assert Zone(zone="bad.test").weigh(("127.0.0.12",)) == 1


@given(st.lists(st.tuples(st.integers(0, 255), st.floats(-10, 10)), min_size=1, max_size=6), st.data())
def test_a_weight_is_one_of_its_list(pairs: list[tuple[int, float]], data: st.DataObject) -> None:
    """Whatever codes come, a list counts what the site file says of one of them, and no more."""
    zone = Zone.model_validate({"zone": "bad.test", "codes": {f"127.0.0.{octet}": weight for octet, weight in pairs}})
    known = dict(pairs)
    codes = data.draw(st.lists(st.integers(0, 255), max_size=6))

    weight = zone.weigh(tuple(f"127.0.0.{octet}" for octet in codes))

    meant = [known[octet] for octet in codes if octet in known]
    assert weight == (max(meant) if any(each > 0 for each in meant) else min(meant, default=0.0))
    assert zone.least <= weight <= zone.greatest


@given(st.tuples(*[st.tuples(st.integers(0, 255), st.integers(0, 255))] * 3), st.tuples(*[st.integers(0, 255)] * 3))
def test_patterns_of_codes(ranges: Any, octets: Any) -> None:
    """Each octet lies in its range."""
    ranges = [sorted(each) for each in ranges]
    pattern = code_pattern("127." + ".".join(f"{least}-{greatest}" for least, greatest in ranges))

    expected = all(least <= octet <= greatest for octet, (least, greatest) in zip(octets, ranges, strict=True))
    assert pattern.matches("127." + ".".join(map(str, octets))) == expected


def test_every_octet() -> None:
    """A star is any."""
    assert code_pattern("127.*.0.1-2") == CodePattern(((127, 127), (0, 255), (0, 0), (1, 2)))
    assert not code_pattern("127.*.*.*").matches("127.0.0")


@pytest.mark.parametrize("text", ["", "127.0.0", "10.0.0.1", "127.0.0.256", "127.0.0.3-2", "127.0.0.x", "*.0.0.1", 3])
def test_what_is_no_code(text: Any) -> None:
    """Told when the site file is read."""
    with pytest.raises(ValidationError):
        Zone.model_validate({"zone": "bad.test", "codes": {text: 1.0}})


@pytest.mark.parametrize("code", ["127.255.255.254", "127.255.255.252", "127.0.0.1", "192.0.2.1", "0.0.0.0"])
def test_answers_that_are_errors(code: str) -> None:
    """Those of Spamhaus to resolvers that may not ask, and whatever a parked domain answers, list nobody."""
    lab = Lab()
    listed(lab, code=code)

    assert not is_listing(code)
    with pytest.raises(TemporaryError):
        at_recipient(lab, options())
    assert DNSBL.on_error == "abstain"
    assert lab.log.said == [f"list bad.test is of no use: it answers {code}, which is no listing"]


@pytest.mark.parametrize(
    ("host", "listing", "never"),
    [
        (HOST, LISTED, "1.0.0.127.bad.test"),
        (
            "2001:db8::7",
            "7." + "0." * 23 + "8.b.d.0.1.0.0.2.bad.test",
            "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bad.test",
        ),
    ],
)
def test_a_list_that_holds_everybody(host: str, listing: str, never: str) -> None:
    """Lists that were given up sometimes list the world: what no list may hold shows it (RFC 5782 section 5)."""
    lab = Lab()
    lab.names.add(listing, "A", "127.0.0.2")
    lab.names.add(never, "A", "127.0.0.2")

    with pytest.raises(TemporaryError):
        lab.ask(DNSBL(options(), lab.kit).recipient(stranger(host), mail(), to()))
    assert lab.names.asked == [listing, never]


def test_a_list_of_domains_that_holds_everything() -> None:
    """There it is the name `invalid`."""
    lab = Lab()
    lab.names.add("sender.test.bad.test", "A", "127.0.0.2")
    lab.names.add("invalid.bad.test", "A", "127.0.0.2")

    with pytest.raises(TemporaryError):
        at_recipient(lab, options({"zone": "bad.test", "of": "sender"}))


@pytest.mark.parametrize("kind", ["broken", "silent"])
def test_lists_that_do_not_answer(kind: str) -> None:
    """They count nothing; what that means where it matters, the site file says; it is complained of once an hour."""
    lab = Lab()
    getattr(lab.names, kind).add(LISTED)

    for _ in range(2):
        with pytest.raises(TemporaryError) as caught:
            at_recipient(lab, options())
        assert caught.value.reply == LISTS_SILENT
    assert lab.names.waiting == 0


def test_silence_is_remembered() -> None:
    """A message for a hundred recipients waits once."""
    lab = Lab()
    lab.names.silent.add(LISTED)
    plugin = DNSBL(options(patience="4s"), lab.kit)

    for _ in range(3):
        with pytest.raises(TemporaryError):
            lab.ask(plugin.recipient(stranger(HOST), mail(), to()), within=10)
    assert lab.names.asked == [LISTED]
    assert len(lab.log.said) == 1
    lab.clock.advance(60)
    with pytest.raises(TemporaryError):
        lab.ask(plugin.recipient(stranger(HOST), mail(), to()), within=10)
    assert lab.names.asked == [LISTED] * 2


def test_silence_where_others_decide() -> None:
    """A list of the good that is silent could have helped; one of the bad couldn't have hurt more, or not enough."""
    lab = Lab()
    listed(lab)
    lab.names.broken.add("99.2.0.192.good.test")
    lab.names.broken.add("99.2.0.192.other.test")

    assert status(at_recipient(lab, options(BAD, {"zone": "other.test"}))) == "554 5.7.1"
    assert status(at_recipient(lab, options({**BAD, "weight": 2}, GOOD))) == "554 5.7.1"
    with pytest.raises(TemporaryError):
        at_recipient(lab, options(BAD, GOOD))
    assert at_recipient(lab, options(BAD, {"zone": "other.test"}, refuse_at=5)) is None


def test_all_are_asked_at_once_in_their_time() -> None:
    """Three that are silent take no longer than one, and nothing is left when the client goes."""
    lab = Lab()
    zones = [{"zone": f"{number}.test"} for number in range(3)]
    lab.names.silent |= {f"99.2.0.192.{number}.test" for number in range(3)}
    plugin = DNSBL(options(*zones, patience="4s"), lab.kit)

    task = lab.started(plugin.recipient(stranger(HOST), mail(), to()))
    assert lab.names.waiting == 3
    lab.clock.advance(3.9)
    assert not task.done
    lab.clock.advance(0.2)
    assert task.done

    lab.clock.advance(120)
    task = lab.started(plugin.recipient(stranger(HOST), mail(), to()))
    task.cancel()
    with pytest.raises(Cancelled):
        result(task)
    assert (lab.names.waiting, lab.clock.getDelayedCalls()) == (0, [])


def test_reason_that_does_not_come() -> None:
    """The refusal goes without."""
    lab = Lab()
    listed(lab)
    lab.names.tables[LISTED, "TXT"] = ()
    reply = at_recipient(lab, options())

    assert reply is not None
    assert reply.text.startswith("192.0.2.99 is listed by bad.test\n")


def test_reason_that_takes_too_long() -> None:
    """With all that is slow a refusal still comes before the time of a plugin is over."""
    lab = Lab()
    listed(lab)
    lab.names.silent.add("1.0.0.127.other.test")
    listed(lab, "other.test")
    plugin = DNSBL(options(BAD, {"zone": "other.test"}, tarpit_at=1), lab.kit)
    task = lab.started(plugin.recipient(stranger(HOST), mail(), to()))
    lab.names.silent.add(LISTED)

    lab.clock.advance(4)
    lab.clock.advance(3)
    assert not task.done
    lab.clock.advance(1.5)
    assert status(result(task)) == "554 5.7.1"


def test_names_that_hold_a_key() -> None:
    """Customers' keys are part of the zone's name: strangers are told another one."""
    lab = Lab()
    listed(lab, "secretkey.bad.test")
    chosen = options({"zone": "secretkey.bad.test", "name": "bad.test"}, tag_at=1)

    reply = at_recipient(lab, chosen)
    changes = lab.ask(DNSBL(chosen, lab.kit).message(stranger(HOST), arriving()))

    assert reply is not None
    assert "secretkey" not in reply.text + str(changes)


@given(st.binary(max_size=3000))
def test_foreign_words_are_harmless(octets: bytes) -> None:
    """One line of printable ASCII, not longer than it may be."""
    text = printable(octets)

    assert len(text) <= MOST_REASON
    assert all(" " <= letter <= "~" for letter in text)


def test_tags() -> None:
    """The sum and the lists in a field; one that was there is a stranger's."""
    lab = Lab()
    listed(lab, "one.test", "good.test")
    zones = [{"zone": "one.test", "weight": 2}, {"zone": "two.test"}, {"zone": "good.test", "weight": -0.5}]
    plugin = DNSBL(options(*zones, refuse_at=9, tag_at=1), lab.kit)

    changes = lab.ask(plugin.message(stranger(HOST), arriving(b"X-Listed: 0\r\n\r\n")))

    field = AddHeader("X-Listed", "1.5;\r\n\tone.test=127.0.0.2 (+2);\r\n\tgood.test=127.0.0.2 (-0.5)")
    assert changes == (RemoveHeader("X-Listed"), field)
    assert is_sound(field)
    assert lab.ask(plugin.message(stranger(HOST), arriving())) == (field,)


def test_what_is_not_tagged() -> None:
    """Who is listed too little, or is let be; a stranger's field goes all the same."""
    lab = Lab()
    listed(lab)
    plugin = DNSBL(options(refuse_at=9, tag_at=2), lab.kit)

    assert lab.ask(plugin.message(stranger(HOST), arriving())) is None
    assert lab.ask(plugin.message(stranger(HOST), arriving(b"x-listed: 9\r\n\r\n"))) == (RemoveHeader("X-Listed"),)
    login = stranger(HOST, account="ann@example.org")
    assert lab.ask(plugin.message(login, arriving(b"X-Listed: 9\r\n\r\n"))) is None
    assert lab.ask(DNSBL(options(), lab.kit).message(stranger(HOST), arriving())) is None
    assert Header(b"x-listed: 9\r\n\r\n").has(b"X-Listed")


def test_tarpit() -> None:
    """From a sum on the answer waits, whatever it is; so many at once, and no more."""
    lab = Lab()
    listed(lab)
    plugin = DNSBL(options(refuse_at=2, tarpit_at=1, tarpit="5s", tarpitted=1), lab.kit)

    first = lab.started(plugin.recipient(stranger(HOST), mail(), to()))
    second = lab.started(plugin.recipient(stranger(HOST), mail(), to()))
    assert (first.done, second.done) == (False, True)
    lab.clock.advance(5)
    assert result(first) is None


def test_never_refused() -> None:
    """Where lists only mark, nothing else happens, whether they answer or not."""
    lab = Lab()
    listed(lab)
    chosen = options(refuse_at=None)

    assert at_recipient(lab, chosen) is None
    lab.names.broken.add(LISTED)
    assert at_recipient(lab, chosen) is None


@pytest.mark.parametrize("wrong", [{"zones": []}, {"zones": [{"zone": "a b"}]}, {"header": "X Listed"}, {"zone": 1}])
def test_mistakes_in_the_site_file(wrong: dict[str, Any]) -> None:
    """Told at the start."""
    with pytest.raises(ValidationError):
        ListOptions.model_validate({"zones": [BAD], **wrong})


def test_questions() -> None:
    """A listing knows how it was asked for."""
    assert question(Zone(zone="bad.test"), HOST) == LISTED
    assert Listing(Zone(zone="bad.test"), HOST).weight == 0
