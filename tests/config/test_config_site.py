"""The site file: what is read of it, and how its mistakes are told."""

from __future__ import annotations

import re
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from twistedmail_mta.composition.settings import make_router
from twistedmail_mta.config.limits import imap_limits_of, limits_of, pop3_limits_of
from twistedmail_mta.config.load import find_site_file, parse_site, read_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.site import Site
from twistedmail_mta.model import NULL_PATH, Address, LaneTerms, NextHop, RelayLogin

SAMPLE = Path(__file__).parents[2] / "etc" / "mta.toml"
BASE = """\
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
[tls]
certificate = "cert.pem"
key = "/keys/key.pem"
[listen.mx]
endpoint = "tcp:25"
role = "mx"
"""


def site(text: str = "", base: str = BASE) -> Site:
    return parse_site(base + text, Path("/etc/mta"), "mta.toml")


def problems(text: str = "", base: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        site(text, base)
    return [str(problem) for problem in caught.value.problems]


def test_smallest_site() -> None:
    """What isn't said has its default; relative paths begin at the file."""
    read = site()

    assert read.server.state_dir == Path("/etc/mta/state")
    assert read.server.admin == Address("postmaster", "example.org")
    assert read.tls is not None
    assert (read.tls.certificate, read.tls.key) == (Path("/etc/mta/cert.pem"), Path("/keys/key.pem"))
    assert read.listen["mx"].endpoint == ("tcp:25",)
    assert read.queue.retry == (300.0, 600.0, 1200.0, 2400.0, 3600.0)
    assert read.outbound.timeouts.final == 600.0


def test_reports_to_domains() -> None:
    """They are from the administrator, and about DMARC, unless the site file says otherwise."""
    admin = Address("postmaster", "example.org")
    read = site('[reports]\naddress = "reports@example.org"\ndmarc = false\n').reports

    assert (site().reports.author(admin), site().reports.dmarc) == (admin, True)
    assert (read.author(admin), read.dmarc) == (Address("reports", "example.org"), False)
    found = problems('[reports]\naddress = "nobody"\ndmarc = "daily"\n')
    assert [problem.partition(":")[0] for problem in found] == ["reports.address", "reports.dmarc"]


def test_reports() -> None:
    """Language, size and copies have defaults; each is checked."""
    read = site('[reports]\nlanguage = "pt"\nreturn_size = "0KB"\ncopy_to = "postmaster@example.org"\n').reports

    assert (site().reports.language, site().reports.return_size, site().reports.copy_to) == ("en", 51200, None)
    assert (read.language, read.return_size, read.copy_to) == ("pt", 0, Address("postmaster", "example.org"))
    found = problems('[reports]\nlanguage = "tlh"\nreturn_size = "65KB"\ncopy_to = "nobody"\ncopies = true\n')
    assert [problem.partition(":")[0] for problem in found] == [
        "reports.language",
        "reports.return_size",
        "reports.copy_to",
        "reports.copies",
    ]


def test_the_shipped_sample() -> None:
    """etc/mta.toml is a site as it stands."""
    read = read_site(SAMPLE)

    assert set(read.listen) == {"mx", "submission", "submissions", "pop3", "pop3s", "imap", "imaps"}
    assert read.server.user == "mta"
    assert (set(read.hosted), set(read.relayed)) == ({"example.org"}, {"example.com"})
    assert read.domains["example.com"].recipients == f"file:{SAMPLE.parent / 'recipients-example.com'}"


def test_the_sample_shows_true_defaults() -> None:
    """Every line `# key = value` of the sample names a key that exists, and its default."""
    text = SAMPLE.read_text()
    examples = "addresses|nameservers|certificate|key |ca_file|match|via|tls +=.*req|auth|limits"
    examples += "|concurrency = 5|messages_per|rate |pause |after |login_delay"
    uncommented = re.sub(rf"^# (?=[a-z_]+ *= )(?!{examples})", "", text, flags=re.MULTILINE)
    assert len(tomllib.loads(uncommented)["limits"]) == 13

    read, plain = parse_site(uncommented, SAMPLE.parent, "sample"), read_site(SAMPLE)
    assert (read.dns, read.outbound, read.queue, read.listen) == (plain.dns, plain.outbound, plain.queue, plain.listen)
    assert read.domains == plain.domains
    assert (
        read.limits.model_copy(update={"memory": None, "recipients": None, "connections_per_client": None})
        == plain.limits
    )


def test_everything_at_once() -> None:
    """Wrong values, unknown keys, missing keys and contradictions between tables, in one list."""
    text = """
        [dns]
        timeout = "5 minutes"
        nameservers = ["dns.example"]
        [limits]
        recipient = 5
        idle = 300
        [listen.submission]
        endpoint = ["tcp:25", "tcp:99999"]
        role = "nntp"
        hidden = true
        [domains."example.org"]
        relay_to = 5
        [[route]]
        match = { to_domain = "exa mple" }
        via = "relay.example.net"
        auth = { user = "u", password = "secret" }
    """
    found = problems(text, BASE.replace('admin = "postmaster@example.org"', 'admins = "x"'))

    assert [line.partition(": ")[0] for line in found] == [
        "server.admin",
        "server.admins",
        "dns.nameservers[0]",
        "dns.timeout",
        'domains."example.org".relay_to',
        "listen.submission.endpoint[1]",
        "listen.submission.role",
        "listen.submission.hidden",
        "limits.idle",
        "limits.recipient",
        "route[0].auth.password",
        "route[0].match.to_domain[0]",
        "listen.submission.endpoint",
    ]
    assert "server.admins: is unknown; did you mean admin?" in found
    assert "limits.recipient: is unknown; did you mean recipients?" in found
    assert not any("secret" in line for line in found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('hostname = "x"\n', "hostname: is unknown; did you mean server.hostname?"),
        ("[imap]\n", "imap: is unknown"),
        ("[listen.mx2]\n", "listen.mx2.endpoint: is missing"),
        ('[tls.names."a.b"]\nke = 1\n', 'tls.names."a.b".ke: is unknown; did you mean key?'),
        ("[domains.b.c]\n", 'domains.b.c: is unknown; a name with dots is quoted: [domains."b.c"]'),
        ("[domains.a.b.c]\nquota = 1\n", 'domains.a.b: is unknown; a name with dots is quoted: [domains."a.b.c"]'),
        ('[outbound.timeouts]\nbanner = "5m"\n', "outbound.timeouts.banner: is unknown"),
        ('[outbound]\nport = "25"\n', "outbound.port: must be a whole number, without quotes"),
        ("[outbound]\nport = 0\n", "outbound.port: must be greater than or equal to 1"),
        ('[outbound]\nallow_networks = ["10.0.0.1/8"]\n', "outbound.allow_networks[0]: 10.0.0.1/8 has host bits set"),
        ("[queue]\nretry = []\n", "queue.retry: must not be empty"),
        ('[queue]\nretry = ["0s"]\n', "queue.retry: waits must be longer than nothing"),
        ("[listen.mx.limits]\nconnections = 5\n", "listen.mx.limits.connections: is unknown"),
        ('[[route]]\nmatch = {}\nvia = "mx"\nauth = { user = "u", password = "env:X" }\n', "route[0]: auth needs"),
        ('[[route]]\nmatch = { from = "ann" }\nvia = "mx"\n', "route[0].match.from[0]: must be an address"),
        ('[[route]]\nmatch = { from = [] }\nvia = "mx"\n', "route[0].match.from: must not be empty"),
        ('[[route]]\nmatch = { from = "*@a..b" }\nvia = "mx"\n', "route[0].match.from[0]: 'a..b' is no domain name"),
        ('[[route]]\nmatch = { account = ["<>"] }\nvia = "mx"\n', "route[0].match.account[0]: must be an account"),
        ('[[route]]\nmatch = { sender = "*" }\nvia = "mx"\n', "route[0].match.sender: is unknown"),
        ('[[route]]\nmatch = { form = "*" }\nvia = "mx"\n', "route[0].match.form: is unknown; did you mean from?"),
        ('[[route]]\nmatch = {}\nvia = "relay"\n', 'route[0]: must be "smtp://HOST'),
        ('[[route]]\nmatch = {}\nvia = "smtp://h"\nauth = { user = "u" }\n', "route[0].auth: needs either"),
        ('[domains."a.example"]\nrelay_to = "discard"\n', 'domains."a.example": relay_to must be'),
        ('[domains."a.b"]\nrelay_to = "lmtp+unix:/run/l"\ntls = "required"\n', 'domains."a.b": a unix socket'),
        ('[[route]]\nmatch = {}\nvia = "lmtp+unix:/run/l"\ntls = "required"\n', "route[0]: a unix socket"),
        (
            '[domains."a.b"]\nrelay_to = "maildir:/v/{local}"\ntls = "required"\n',
            'domains."a.b": a unix socket or a Maildir',
        ),
        ('[domains."a.b"]\nrelay_to = "maildir:v"\n', "domains.\"a.b\": 'v' is no absolute path of a Maildir"),
        (
            '[[route]]\nmatch = {}\nvia = "maildir:/v"\nauth = { user = "u", password = "env:P" }\n',
            "route[0]: auth needs",
        ),
        ('[outbound]\nfallback = { via = "maildir:/v" }\n', "outbound.fallback: a fallback needs"),
        (
            '[[route]]\nmatch = {}\nvia = "lmtp://h"\nauth = { user = "u", password = "env:X" }\n',
            "route[0]: auth needs",
        ),
        ('[domains."a.b"]\nrelay_to = "mx"\nrecipients = "all"\n', 'domains."a.b".recipients: must be "callout"'),
    ],
)
def test_one_mistake(text: str, problem: str) -> None:
    """Each in words, with its key path."""
    head = text.startswith("hostname")
    found = problems("" if head else text, text + BASE if head else BASE)

    assert len([line for line in found if line.startswith(problem)]) == 1, found


def test_submission_needs_tls() -> None:
    """Logins in clear are not to be had by leaving out [tls]."""
    without = re.sub(r"\[tls\]\n.*\n.*\n", "", BASE)
    listener = '[listen.submission]\nendpoint = "tcp:587"\nrole = "submission"\n'

    assert problems(listener, without) == [
        "listen.submission: logins need TLS: give a certificate and key under [tls], or [acme]"
    ]


@pytest.mark.parametrize("key", ['plaintext_login = ["::1"]', "hide_client = true", 'tls = "implicit"'])
def test_keys_without_meaning_for_the_role(key: str) -> None:
    """What would do nothing on an mx listener is an error there."""
    (found,) = problems(key + "\n")
    assert "has no meaning on a listener of role mx" in found


POP3 = '[listen.pop3]\nendpoint = "tcp:110"\nrole = "pop3"\n'
IMAP = '[listen.imap]\nendpoint = "tcp:143"\nrole = "imap"\n'


@pytest.mark.parametrize(
    "key",
    [
        "strict = true",
        "hide_client = true",
        'vrfy = "login"',
        'limits = { message_size = "1MB" }',
        "limits = { recipients = 3 }",
    ],
)
def test_keys_without_meaning_for_pop3(key: str) -> None:
    """What is about mail that arrives would do nothing there."""
    (found,) = problems(f"{POP3}{key}\n")
    assert "has no meaning on a listener of role pop3" in found


@pytest.mark.parametrize(
    "key",
    [
        'login_delay = "1m"',
        "exclusive = true",
        "limits = { failed_logins = 3 }",
        "limits = { sessions_per_account = 3 }",
    ],
)
def test_keys_of_pop3_elsewhere(key: str) -> None:
    """What is about fetching mail would do nothing on an mx listener."""
    (found,) = problems(f"{key}\n")
    assert "has no meaning on a listener of role mx" in found


def test_autologout_of_pop3() -> None:
    """RFC 1939 section 3: ten minutes at least."""
    assert problems(f'{POP3}limits = {{ idle = "9m" }}\n') == [
        "listen.pop3: limits.idle must be 10 minutes or more where POP3 is spoken (RFC 1939 section 3)"
    ]


def test_autologout_of_imap() -> None:
    """RFC 9051 section 5.4: thirty minutes at least."""
    assert problems(f'{IMAP}limits = {{ idle = "29m" }}\n') == [
        "listen.imap: limits.idle must be 30 minutes or more where IMAP is spoken (RFC 9051 section 5.4)"
    ]


def test_limits_of_imap() -> None:
    """APPEND takes messages as large as those that come in; silence is measured differently."""
    read = site(f'[limits]\nidle = "1m"\nmessage_size = "3MB"\n{IMAP}limits = {{ failed_logins = 2 }}\n')

    limits = imap_limits_of(read, "imap")

    assert (limits.message_size, limits.header_size) == (3 << 20, 256 << 10)
    assert (limits.failed_logins, limits.idle, limits.sessions_per_account) == (2, 1800.0, 100)


@pytest.mark.parametrize("key", ["exclusive = true", 'login_delay = "1m"', "limits = { recipients = 3 }"])
def test_keys_of_others_on_imap(key: str) -> None:
    """What is about POP3 or incoming mail would do nothing."""
    (found,) = problems(f"{IMAP}{key}\n")
    assert "has no meaning on a listener of role imap" in found


def test_limits_of_pop3() -> None:
    """The listener's own first, then [limits] as far as it isn't about SMTP, then the role's."""
    read = site(f'[limits]\nidle = "1m"\nerrors = 7\n{POP3}limits = {{ failed_logins = 2 }}\n')

    limits = pop3_limits_of(read, "pop3")

    assert (limits.errors, limits.failed_logins, limits.idle) == (7, 2, 600.0)
    assert (limits.connections_per_client, limits.sessions_per_account) == (50, 20)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("", "is missing"),
        ("config_version = 2\n", "is 2: the file was written for a newer release; this one reads 1"),
        ("config_version = 0\n", "must be 1, the only one this release reads"),
        ('config_version = "1"\n', "must be 1, the only one this release reads"),
    ],
)
def test_config_version(text: str, version: str) -> None:
    """Without the version, or with another, the file isn't guessed at."""
    (found,) = problems("", BASE.replace("config_version = 1\n", text))
    assert found.startswith(f"config_version: {version}")


def test_no_toml(tmp_path: Path) -> None:
    """A syntax error is told with its line."""
    assert problems("[outbound\n") == [
        "is no TOML: Expected ']' at the end of a table declaration (at line 12, column 10)"
    ]
    (tmp_path / "bad").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="is not UTF-8 at octet 5"):
        read_site(tmp_path / "bad")


def test_domains_are_normalised() -> None:
    """Lower case and A-labels, whatever was written."""
    read = site('[domains."Bücher.Example"]\nrelay_to = "smtp://10.0.0.7"\n')

    assert set(read.domains) == {"xn--bcher-kva.example"}


def test_routes_by_sender_and_account() -> None:
    """Their patterns are in lower case, their domains A-labels; the router finds them."""
    read = site(
        '[[route]]\nmatch = { from = ["Ann@Bücher.Example", "<>", "*@*.b.example"] }\nvia = "smtp://one"\n'
        '[[route]]\nmatch = { account = "*@Example.org", to_domain = "far.test" }\nvia = "smtp://two"\n'
    )

    assert read.route[0].match.sender == ("ann@xn--bcher-kva.example", "<>", "*@*.b.example")
    assert read.route[1].match.account == ("*@example.org",)
    router, bob = make_router(read, lambda _: False), Address("bob", "far.test")
    ann = Address("ann", "xn--bcher-kva.example")
    hosts = [route.host for route in (
        router.route(ann, bob), router.route(NULL_PATH, bob), router.route(bob, bob, 0, "ann@example.org"),
        router.route(bob, bob), router.route(bob, Address("x", "near.test"), 0, "ann@example.org"),
    ) if isinstance(route, NextHop)]  # fmt: skip
    assert hosts == ["one", "one", "two", "far.test", "near.test"]


def test_values_of_their_kind() -> None:
    """Addresses, networks and arrays arrive as values that nobody parses again."""
    read = site('[dns]\nnameservers = ["::1"]\n[outbound]\nallow_networks = ["127.0.0.0/8", "::1"]\n')

    assert read.dns.nameservers == (ip_address("::1"),)
    assert read.outbound.allow_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def test_routes() -> None:
    """A login makes TLS required; without one [outbound] decides; "mx" listens on [outbound] port."""
    read = site(
        '[outbound]\nport = 2525\ntls = "none"\n'
        '[[route]]\nmatch = { to_domain = "*.Example.net" }\nvia = "smtp://relay:587"\n'
        'auth = { user = "u", password_file = "pass" }\n'
        '[[route]]\nmatch = {}\nvia = "mx"\n'
        '[domains."a.example"]\nrelay_to = "smtp://10.0.0.7"\n'
    )

    assert read.route[0].match.to_domain == ("*.example.net",)
    assert read.route[0].route(read.outbound) == NextHop(
        "relay", 587, tls="required", login=RelayLogin("u", "file:/etc/mta/pass")
    )
    assert read.route[1].route(read.outbound) == NextHop("", 2525, mx=True, tls="none")
    assert read.domains["a.example"].next_hop(read.outbound) == NextHop("10.0.0.7", 25)


def test_fallback() -> None:
    """What MX hosts don't take goes to one host, with the defaults of routes; nothing else is a fallback."""
    read = site(
        '[outbound.fallback]\nvia = "smtp://relay:587"\nauth = { user = "u", password_file = "pass" }\n'
    ).outbound

    assert read.fallback is not None
    assert read.fallback.after == 3
    hop = NextHop("relay", 587, tls="required", login=RelayLogin("u", "file:/etc/mta/pass"))
    assert read.fallback.next_hop(read) == hop
    assert site().outbound.fallback is None
    for via in ("mx", "discard", "error:550 5.1.1 no"):
        (problem,) = problems(f'[outbound.fallback]\nvia = "{via}"\n')
        assert problem == "outbound.fallback: a fallback needs a via of smtp://, smtps:// or lmtp://"


def test_lmtp() -> None:
    """A domain's or a route's next hop may speak LMTP; a socket is exempt from the TLS that MX hosts must have."""
    read = site(
        '[outbound]\ntls = "required"\n[domains."a.example"]\nrelay_to = "lmtp://10.0.0.7"\n'
        '[[route]]\nmatch = {}\nvia = "lmtp+unix:/run/dovecot/lmtp"\n'
    )

    assert read.domains["a.example"].next_hop(read.outbound) == NextHop("10.0.0.7", 24, lmtp=True)
    assert read.route[0].route(read.outbound) == NextHop("/run/dovecot/lmtp", 0, tls="none", lmtp=True)


def test_source_addresses() -> None:
    """An address may have a name for EHLO; several may be of one family, each once."""
    text = '[outbound]\nsource_addresses = ["192.0.2.1", { address = "2001:db8::1", ehlo = "Out6.example.org" }]\n'
    sources = site(text + 'prefer = "ipv6"\n').outbound.source_addresses

    assert [(str(each.address), each.ehlo) for each in sources] == [
        ("192.0.2.1", None),
        ("2001:db8::1", "out6.example.org"),
    ]
    assert len(site('[outbound]\nsource_addresses = ["192.0.2.1", "192.0.2.2"]\n').outbound.source_addresses) == 2
    for value in ('["192.0.2.1", "192.0.2.1"]', '["here"]', '[{ ehlo = "a.example" }]', "[25]"):
        assert problems(f"[outbound]\nsource_addresses = {value}\n")
    assert problems('[outbound]\nprefer = "ipv5"\n')


def test_lanes() -> None:
    """A table holds for each of its names; what it doesn't say stays usual."""
    read = site("""
[[lane]]
match = ["google", "MX.example.net"]
concurrency = 5
messages_per_connection = 10
rate = "120/m"
pause = "10m"
[[lane]]
match = "bücher.example"
rate = "1/d"
""")

    terms = [each for lane in read.lane for each in lane.terms()]

    assert terms == [
        LaneTerms("google", 5, 10, 0.5, 600.0),
        LaneTerms("mx.example.net", 5, 10, 0.5, 600.0),
        LaneTerms("xn--bcher-kva.example", None, None, 86400.0, None),
    ]


@pytest.mark.parametrize(
    "table",
    [
        "match = []\nconcurrency = 1",
        "concurrency = 1",
        'match = "google"',
        'match = "google"\nconcurrency = 0',
        'match = "google"\nmessages_per_connection = 0',
        'match = "google"\nrate = "0/m"',
        'match = "google"\nrate = "10"',
        'match = "google"\nrate = "10/y"',
        'match = "google"\npause = "0s"',
        'match = "google"\nspeed = 1',
        'match = "a b"\nconcurrency = 1',
        'match = "google"\nconcurrency = 1\n[[lane]]\nmatch = "google"\nconcurrency = 2',
    ],
)
def test_lanes_that_make_no_sense(table: str) -> None:
    """Each mistake in a lane is told, at its place."""
    (problem,) = problems(f"[[lane]]\n{table}")

    assert "lane" in problem


def test_limits_of_a_listener() -> None:
    """The listener's own, then [limits], then the role's."""
    read = site(
        '[limits]\nmessage_size = "10MB"\nhops = 50\n[listen.mx.limits]\nhops = 30\n'
        '[listen.sub]\nendpoint = "tcp:587"\nrole = "submission"\n'
    )

    mx, submission = limits_of(read, "mx"), limits_of(read, "sub")
    assert (mx.message_size, mx.hops, mx.recipients, mx.connections_per_client) == (10 << 20, 30, 100, 20)
    assert (submission.hops, submission.recipients, submission.connections_per_client) == (50, 1000, 200)
    overall = site("[limits]\nrecipients = 7\n")
    assert limits_of(overall, "mx").recipients == 7


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, $MTA_CONFIG, ./mta.toml, /etc/mta/mta.toml, else none."""
    system = tmp_path / "etc"
    monkeypatch.setattr("twistedmail_mta.config.load.SYSTEM_FILE", system)
    here = tmp_path / "mta.toml"
    assert find_site_file(None, {}, tmp_path) is None

    system.touch()
    assert find_site_file(None, {}, tmp_path) == system
    here.touch()
    assert find_site_file(None, {}, tmp_path) == here
    assert find_site_file(None, {"MTA_CONFIG": "other"}, tmp_path) == tmp_path / "other"
    assert find_site_file("given", {"MTA_CONFIG": "other"}, tmp_path) == tmp_path / "given"


BACK = '[listen.back]\nendpoint = {endpoint}\nrole = "reinject"\n'


@pytest.mark.parametrize(
    ("endpoint", "trusted"),
    [
        ('"tcp:10025:interface=127.0.0.1"', ""),
        ('"tcp6:10025:interface=\\\\:\\\\:1"', ""),
        ('"unix:/run/mta/back"', ""),
        ('["tcp:10025:interface=127.0.0.1", "unix:/run/mta/back"]', ""),
        ('"tcp:10025"', '["10.0.0.7"]'),
        ('"tcp:10025:interface=10.0.0.1"', '["10.0.0.0/24", "fd00::7"]'),
        ('"systemd:domain=INET:index=0"', '["127.0.0.0/8"]'),
    ],
)
def test_where_filters_give_mail_back(endpoint: str, trusted: str) -> None:
    """On this host alone, or to those that are named."""
    text = BACK.format(endpoint=endpoint) + (f"trusted = {trusted}\n" if trusted else "")

    table = site(text).listen["back"]

    assert table.preset.takes_back
    assert [str(network) for network in table.trusted] == (
        [
            each if "/" in each else f"{each}/32" if "." in each else f"{each}/128"
            for each in re.findall(r'"(.*?)"', trusted)
        ]
    )


@pytest.mark.parametrize(
    ("endpoint", "more", "problem"),
    [
        ('"tcp:10025"', "", "listen.back: mail for anybody is taken there: bind it to loopback"),
        ('"tcp:10025:interface=10.0.0.1"', "", "listen.back: mail for anybody"),
        ('"tcp:10025:interface=0.0.0.0"', "", "listen.back: mail for anybody"),
        ('"systemd:domain=INET:index=0"', "", "listen.back: mail for anybody"),
        ('["unix:/run/b", "tcp:10025"]', "", "listen.back: mail for anybody"),
        ('"tcp:10025"', "trusted = []", "listen.back: mail for anybody"),
        ('"tcp:10025"', 'trusted = ["0.0.0.0/0"]', "listen.back.trusted: 0.0.0.0/0 is too wide"),
        ('"tcp:10025"', 'trusted = ["::/0"]', "listen.back.trusted: ::/0 holds IPv4"),
        ('"tcp:10025"', 'trusted = ["192.0.0.0/8"]', "listen.back.trusted: 192.0.0.0/8 is too wide"),
        ('"unix:/run/b"', 'tls = "implicit"', 'listen.back: tls = "implicit" has no meaning'),
        ('"unix:/run/b"', 'plaintext_login = ["127.0.0.1"]', "listen.back: plaintext_login has no meaning"),
    ],
)
def test_where_anybody_could(endpoint: str, more: str, problem: str) -> None:
    """An open relay can't be made by leaving something out."""
    (found,) = problems(f"{BACK.format(endpoint=endpoint)}{more}\n")

    assert found.startswith(problem)


@pytest.mark.parametrize("role", ["mx", "lmtp", "submission", "imap", "pop3"])
def test_who_is_trusted_elsewhere(role: str) -> None:
    """Nobody: the key says nothing there."""
    (found,) = problems(f'[listen.x]\nendpoint = "tcp:1"\nrole = "{role}"\ntrusted = ["10.0.0.7"]\n')

    assert found == f"listen.x: trusted has no meaning on a listener of role {role}"


METRICS = '[listen.numbers]\nendpoint = {endpoint}\nrole = "metrics"\n'


@pytest.mark.parametrize(
    ("endpoint", "more"),
    [
        ('"tcp:9125:interface=127.0.0.1"', ""),
        ('"unix:/run/mta/metrics"', "limits.connections_per_client = 3"),
        ('"tcp:9125"', 'trusted = ["10.0.0.7"]'),
    ],
)
def test_where_metrics_are_told(endpoint: str, more: str) -> None:
    """On this host alone, or to those that are named."""
    assert site(f"{METRICS.format(endpoint=endpoint)}{more}\n").listen["numbers"].preset.tells_metrics


@pytest.mark.parametrize(
    ("endpoint", "more", "problem"),
    [
        ('"tcp:9125"', "", "listen.numbers: what the server has counted is told there: bind it to loopback"),
        ('"tcp:9125:interface=10.0.0.1"', "", "listen.numbers: what the server has counted"),
        ('"tcp:9125"', 'trusted = ["0.0.0.0/0"]', "listen.numbers.trusted: 0.0.0.0/0 is too wide"),
        ('"unix:/run/m"', 'plugins = ["x"]', "listen.numbers: plugins has no meaning on a listener of role metrics"),
        ('"unix:/run/m"', 'limits.idle = "1m"', "listen.numbers: limits.idle has no meaning"),
    ],
)
def test_who_may_not_read_metrics(endpoint: str, more: str, problem: str) -> None:
    """Strangers don't learn how a site does by something that was left out."""
    found = problems(f"{METRICS.format(endpoint=endpoint)}{more}\n")

    assert any(each.startswith(problem) for each in found)


def test_metrics_by_https_need_a_certificate() -> None:
    """They aren't told in clear where the site file says otherwise."""
    text = METRICS.format(endpoint='"unix:/run/m"') + 'tls = "implicit"\n'
    without = re.sub(r"\[tls\]\n.*\n.*\n", "", BASE)

    assert problems(text, without) == ["listen.numbers: give a certificate and key under [tls], or [acme]"]
    assert site(text).listen["numbers"].tls == "implicit"


def test_what_comes_back_may_have_grown() -> None:
    """A message of the largest size isn't lost to the fields that the filter adds; what is said there counts."""
    back = BACK.format(endpoint='"unix:/run/b"')

    limits = limits_of(site(f'[limits]\nmessage_size = "10MB"\n{back}'), "back")
    assert (limits.message_size, limits.header_size) == (20 << 20, 512 << 10)
    own = limits_of(site(f'{back}[listen.back.limits]\nmessage_size = "10MB"\n'), "back")
    assert (own.message_size, own.header_size) == (10 << 20, 512 << 10)


def test_a_filter_behind_itself() -> None:
    """Mail that comes back would go there again, without end."""
    text = '[plugins.amavis]\nuse = "content_filter"\n' + BACK.format(endpoint='"unix:/run/b"')

    (found,) = problems(f'{text}plugins = ["amavis"]\n')

    assert found.startswith(
        "listen.back.plugins: amavis would send mail that comes back from a content filter there again"
    )
