"""Routes: the first rule that matches, and the grammar of their text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.deliver.router import Fallback, Router, RouteRule
from twistedmail_mta.model import (
    MAILBOXES,
    NULL_PATH,
    Address,
    Discard,
    NextHop,
    Refuse,
    RelayLogin,
    Reply,
    Route,
    TLSLevel,
    Via,
)
from twistedmail_mta.policy.header_rules import fits
from twistedmail_mta.routes import chosen_hop, hop_text, parse_via
from twistedmail_mta.soundness import leads_somewhere

MX = NextHop("", 25, mx=True)


def smart(name: str) -> NextHop:
    return NextHop(name, 25)


def routed(rules: list[RouteRule], domain: str) -> Route:
    return Router(rules, MX).route(NULL_PATH, Address("bob", domain))


def test_default_is_mx() -> None:
    """Without a rule the recipient's domain is asked for its hosts."""
    assert routed([], "example.net") == NextHop("example.net", 25, mx=True)


def test_first_match_wins() -> None:
    """Order decides, not how exact a pattern is."""
    rules = [
        RouteRule(("*.example.net", "example.com"), smart("a")),
        RouteRule(("x.example.net", "example.com"), smart("b")),
        RouteRule(("example.net",), Discard()),
        RouteRule((), MX),
        RouteRule(("late.example",), smart("c")),
    ]

    assert routed(rules, "x.example.net") == smart("a")
    assert routed(rules, "y.x.example.net") == smart("a")
    assert routed(rules, "Example.COM") == smart("a")
    assert routed(rules, "example.net") == Discard()
    assert routed(rules, "late.example") == NextHop("late.example", 25, mx=True)
    assert routed(rules, "notexample.net") == NextHop("notexample.net", 25, mx=True)


def test_what_is_kept_here_goes_nowhere_else() -> None:
    """Hosted domains come before every route, and are asked for each time: they may change at any time."""
    hosted = {"home.test"}
    router = Router([RouteRule((), smart("a")), RouteRule(("home.test",), smart("b"))], MX, None, hosted.__contains__)
    ann = Address("ann", "home.test")

    assert router.route(NULL_PATH, ann) == MAILBOXES
    assert router.route(NULL_PATH, ann, 50) == MAILBOXES
    assert router.route(NULL_PATH, Address("ann", "sub.home.test")) == smart("a")
    hosted.clear()
    assert router.route(NULL_PATH, ann) == smart("a")


def test_which_rule_it_was() -> None:
    """By its key path, whatever it says; none of what is kept here, or goes by MX because no rule matches."""
    rules = [
        RouteRule(("example.com",), smart("a"), key="route[0]"),
        RouteRule(("*.example.com",), Discard(), key="route[1]"),
        RouteRule((), smart("b"), ("ann@home.test",), key="route[2]"),
        RouteRule((), smart("c"), accounts=("ann@home.test",), key="route[3]"),
    ]
    router = Router(rules, MX, Fallback(0, smart("f")), hosts=lambda domain: domain == "home.test")

    def why(domain: str, sender: Address = NULL_PATH, account: str | None = None) -> str | None:
        return router.why(sender, Address("bob", domain), account)

    assert why("Example.com") == "route[0]"
    assert why("x.example.com") == "route[1]"
    assert why("else.test") is None
    assert why("else.test", Address("ann", "home.test")) == "route[2]"
    assert why("else.test", account="ann@home.test") == "route[3]"
    assert why("home.test") is None
    assert why("") is None


def test_no_domain() -> None:
    """An address without a domain goes nowhere."""
    assert isinstance(routed([RouteRule((), smart("a"))], ""), Refuse)


@pytest.mark.parametrize(
    ("sender", "account", "host"),
    [
        ("ann@x.test", None, "ann"),
        ("Ann@X.test", None, "ann"),
        ("ben@x.test", None, "x"),
        ("ben@sub.x.test", None, "below"),
        ("eve@y.test", None, "rest"),
        ("eve@y.test", "cy@home.test", "cy"),
        ("ann@x.test", "cy@home.test", "ann"),
        ("eve@y.test", "dan@home.test", "home"),
        ("eve@y.test", "dan@other.test", "rest"),
        ("", None, "reports"),
    ],
)
def test_by_sender_and_account(sender: str, account: str | None, host: str) -> None:
    """The first rule of which all conditions hold; strangers have no account."""
    rules = [
        RouteRule(("far.test",), smart("ann"), senders=("ann@x.test",)),
        RouteRule((), smart("x"), senders=("*@x.test",)),
        RouteRule((), smart("below"), senders=("*@*.x.test",)),
        RouteRule((), smart("reports"), senders=("<>",)),
        RouteRule(("near.test",), smart("never"), accounts=("cy@home.test",)),
        RouteRule((), smart("cy"), senders=("*@y.test", "*@z.test"), accounts=("cy@home.test",)),
        RouteRule(("*.test",), smart("home"), accounts=("*@home.test",)),
        RouteRule((), smart("rest")),
    ]
    local, _, domain = sender.rpartition("@")

    assert Router(rules, MX).route(Address(local, domain), Address("bob", "far.test"), 0, account) == smart(host)


def test_without_a_sender() -> None:
    """Whoever asks of everybody's mail, such as before anybody has a sender, is told of no rule for some."""
    rules = [RouteRule((), smart("a"), senders=("*",)), RouteRule((), smart("b"), accounts=("*",))]

    route = Router([*rules, RouteRule((), smart("c"))], MX).route(None, Address("bob", "far.test"))

    assert route == smart("c")


DOMAINS = ["a", "b.a", "c.b.a", "d"]
PATTERNS = [*DOMAINS, "*.a", "*.b.a", "*", "*.d"]
PEOPLE = [NULL_PATH, *(Address(local, domain) for local in ("u", "V") for domain in ("a", "b.a", "d"))]
SOME = ["*", "*@a", "*@*.a", "u@a", "v@b.a", "v@*.a", "u@*", "*@*"]
RULES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PATTERNS), max_size=3),
        st.lists(st.sampled_from([*SOME, "<>"]), max_size=2),
        st.lists(st.sampled_from(SOME), max_size=2),
    ),
    max_size=8,
)


def oracle(rules: list[RouteRule], domain: str, sender: Address | None, account: Address | None) -> Route:
    """Walk the rules."""
    for rule in rules:
        if (
            any(
                pattern in ("*", domain) or (pattern.startswith("*.") and domain.endswith(pattern[1:]))
                for pattern in rule.to_domains or ("*",)
            )
            and (not rule.senders or (sender is not None and any(fits(sender, each) for each in rule.senders)))
            and (not rule.accounts or (account is not None and any(fits(account, each) for each in rule.accounts)))
        ):
            return rule.route
    return NextHop(domain, 25, mx=True)


@settings(derandomize=True, max_examples=500)
@given(RULES, st.sampled_from(DOMAINS), st.sampled_from([None, *PEOPLE]), st.sampled_from([None, *PEOPLE[1:]]))
def test_index_agrees_with_a_walk(
    patterns: list[tuple[list[str], list[str], list[str]]],
    domain: str,
    sender: Address | None,
    account: Address | None,
) -> None:
    """However the rules are written, the index finds what walking through them would."""
    rules = [
        RouteRule(tuple(to), smart(f"r{place}"), tuple(of), tuple(by)) for place, (to, of, by) in enumerate(patterns)
    ]
    login = None if account is None else str(account)

    route = Router(rules, MX).route(sender, Address("bob", domain), 0, login)

    assert route == oracle(rules, domain, sender, account)


@pytest.mark.parametrize(
    ("via", "route"),
    [
        ("smtp://relay.example.net", NextHop("relay.example.net", 25)),
        ("smtp://Relay.Example.NET.:587/", NextHop("relay.example.net", 587)),
        ("smtp://10.0.0.7:2525", NextHop("10.0.0.7", 2525)),
        ("smtp://[2001:DB8::1]:26", NextHop("2001:db8::1", 26)),
        ("smtp://[::1]", NextHop("::1", 25)),
        ("smtps://relay.example.net", NextHop("relay.example.net", 465, implicit_tls=True)),
        ("mx", NextHop("", 2525, mx=True)),
        ("discard", Discard()),
        ("lmtp://Mail.example.net", NextHop("mail.example.net", 24, lmtp=True)),
        ("lmtp://[::1]:2424", NextHop("::1", 2424, lmtp=True)),
        ("lmtp+unix:/run/dovecot/lmtp", NextHop("/run/dovecot/lmtp", 0, tls="none", lmtp=True)),
        ("maildir:/vmail/{domain}/{local}", NextHop("/vmail/{domain}/{local}", 0, tls="none", local="maildir")),
        ("maildir:/spam/Maildir", NextHop("/spam/Maildir", 0, tls="none", local="maildir")),
        ("error:550 5.1.2 No such host", Refuse(Reply(550, "5.1.2", "No such host"))),
        ("error:550 Not here", Refuse(Reply(550, "5.0.0", "Not here"))),
    ],
)
def test_via(via: str, route: Route) -> None:
    """Every form of CONFIG has its meaning."""
    assert parse_via(via, "opportunistic", port=2525) == route


def test_via_keeps_tls_and_login() -> None:
    """What the route demands of the next hop goes with it."""
    login = RelayLogin("relay", "env:X")

    assert parse_via("smtp://a:587", "required", login) == NextHop("a", 587, tls="required", login=login)


@pytest.mark.parametrize(
    ("via", "words"),
    [
        ("", "must be"),
        ("relay.example.net", "must be"),
        ("smtp:relay", "must be"),
        ("http://relay", "must be"),
        ("MX", "must be"),
        ("lmtp:unix:/run/lmtp", "must be"),
        ("lmtp+unix:run/lmtp", "absolute"),
        ("maildir:vmail/{local}", "absolute"),
        ("maildir:", "absolute"),
        ("maildir", "must be"),
        ("maildir:/vmail/../{local}", "leads elsewhere"),
        ("maildir:/vmail//{local}", "empty level"),
        ("maildir:/vmail/{user}", "no other brace"),
        ("maildir:/vmail/{local", "no other brace"),
        ("lmtp+unix:", "absolute"),
        ("lmtp+unix", "must be"),
        ("lmtp+unix:/" + "x" * 107, "too long"),
        ("lmtp://host:25", "never spoken"),
        ("lmtp://", "host name"),
        ("smtp://", "host name"),
        ("smtp://a b", "host name"),
        ("smtp://-a", "host name"),
        ("smtp://user@host", "host name"),
        ("smtp://" + "a" * 64, "host name"),
        ("smtp://10.0.0.256", "host name"),
        ("smtp://1.2.3", "host name"),
        ("smtp://host:0", "port"),
        ("smtp://host:65536", "port"),
        ("smtp://host:smtp", "HOST"),
        ("smtp://2001:db8::1", "brackets"),
        ("smtp://[nonsense]", "IPv6"),
        ("smtp://[10.0.0.1]", "IPv6"),
        ("smtp://host/path", "HOST"),
        ("error:", "reply"),
        ("error:450 4.1.1 later", "reply"),
        ("error:550 4.1.1 odd", "reply"),
        ("error:550 a\r\nb", "reply"),
        ("error:550 5.1.2", "reply"),
    ],
)
def test_via_mistakes(via: str, words: str) -> None:
    """A mistake is told in words of the site file."""
    with pytest.raises(ValueError, match=words):
        parse_via(via, "opportunistic")


def test_via_contradiction() -> None:
    """TLS from the first octet can't be forbidden too."""
    with pytest.raises(ValueError, match="contradict"):
        parse_via("smtps://relay", "none")


@settings(derandomize=True, max_examples=200)
@given(st.text(max_size=30), st.sampled_from(["", "smtp://", "smtps://", "error:", "lmtp://", "lmtp+unix:/"]))
def test_via_raises_nothing_else(text: str, scheme: str) -> None:
    """Whatever stands in the site file: a route, or ValueError."""
    try:
        parse_via(scheme + text, "opportunistic")
    except ValueError as error:
        words = str(error)
    else:
        words = "a route"
    assert words


BOB = Address("bob", "Example.net")


@pytest.mark.parametrize(
    ("tls", "via", "hop"),
    [
        ("none", Via("smtp://filter"), NextHop("filter", 25, tls="none")),
        ("none", Via("smtps://filter"), NextHop("filter", 465, implicit_tls=True)),
        ("required", Via("smtps://filter"), NextHop("filter", 465, implicit_tls=True, tls="required")),
        ("required", Via("smtp://filter:26", "none"), NextHop("filter", 26, tls="none")),
        ("opportunistic", Via("mx"), NextHop("example.net", 2525, mx=True)),
        ("required", Via("filter+lmtp://[::1]:24"), NextHop("::1", 24, tls="required", lmtp=True, is_filter=True)),
        ("none", Via("filter+smtps://filter"), NextHop("filter", 465, implicit_tls=True, is_filter=True)),
        ("none", Via("filter+lmtp+unix:/run/l"), NextHop("/run/l", 0, tls="none", lmtp=True, is_filter=True)),
        ("required", Via("lmtp+unix:/run/l"), NextHop("/run/l", 0, tls="none", lmtp=True)),
    ],
)
def test_a_chosen_hop(tls: TLSLevel, via: Via, hop: NextHop) -> None:
    """What the choice leaves open is as [outbound] has it; no rule, and no domain kept here, is asked."""
    outbound = NextHop("", 2525, mx=True, tls=tls)
    router = Router([RouteRule((), smart("a"))], outbound, hosts=lambda _: True)

    assert router.chosen(via, BOB) == hop


@pytest.mark.parametrize(
    ("via", "words"),
    [
        (Via("discard"), "must be"),
        (Via("error:550 no"), "must be"),
        (Via("pigeon://roof"), "must be"),
        (Via("smtp://h:0"), "no port"),
        (Via("smtps://h", "none"), "contradict"),
        (Via("filter+mx"), "a content filter is"),
        (Via("filter+maildir:/m/{local}"), "a content filter is"),
        (Via("filter+discard"), "must be"),
        (Via("filter+filter+smtp://h"), "must be"),
        (Via("filter+"), "must be"),
        (Via("lmtp+unix:/run/l", "required"), "a unix socket"),
    ],
)
def test_what_cannot_be_chosen(via: Via, words: str) -> None:
    """It has to be a next hop; plugins that choose it have failed, and a router raises."""
    assert not leads_somewhere(via)
    with pytest.raises(ValueError, match=words):
        chosen_hop(via)


def test_a_chosen_mx_needs_a_domain() -> None:
    """An address without one has no MX hosts."""
    assert isinstance(Router([], MX).chosen(Via("mx"), Address("postmaster", "")), Refuse)
    assert Router([], MX).chosen(Via("smtp://a"), Address("postmaster", "")) == smart("a")


def test_fallback_after_failures() -> None:
    """What MX hosts have not taken after some attempts goes to the fallback; other ways have none."""
    spare = NextHop("relay.example", 587, tls="required")
    fixed = NextHop("fixed.example", 25)
    router = Router([RouteRule(("fixed.test",), fixed)], NextHop("", 25, mx=True), Fallback(3, spare))

    by_mx = Address("ann", "else.test")
    assert [router.route(NULL_PATH, by_mx, attempts) == spare for attempts in (0, 2, 3, 9)] == [
        False,
        False,
        True,
        True,
    ]
    assert router.route(NULL_PATH, Address("ann", "fixed.test"), 9) == fixed


@pytest.mark.parametrize("via", ["lmtp://127.0.0.1:10024", "smtp://[::1]:10024", "smtps://h:465", "lmtp+unix:/run/l"])
def test_a_filter_as_operators_write_it(via: str) -> None:
    """It reads as the same again; it isn't the same next hop as that without the word, nor can a route lead there."""
    hop = chosen_hop(Via(f"filter+{via}"))

    assert hop_text(hop) == f"filter+{via}"
    assert hop != chosen_hop(Via(via))
    with pytest.raises(ValueError, match="must be"):
        parse_via(f"filter+{via}", "none")
