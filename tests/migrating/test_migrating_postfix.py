"""Postfix: typical configurations, and what becomes of their settings."""

from __future__ import annotations

import re

import pytest
from imported import MASTER, SUBMISSION, postfix

from twistedmail_mta.policy.headers import Headers
from twistedmail_mta.policy.rewrite import Rewrite

ISP = """\
compatibility_level = 3.6
myhostname = mx.isp.example
mydomain = isp.example
myorigin = $mydomain
mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 192.0.2.0/28
recipient_delimiter = +
virtual_mailbox_domains = example.org, hash:/etc/postfix/domains
virtual_mailbox_base = /var/vmail
virtual_mailbox_maps = hash:/etc/postfix/vmailbox
virtual_alias_maps = hash:/etc/postfix/virtual
virtual_uid_maps = static:5000
virtual_transport = lmtp:unix:private/dovecot-lmtp
alias_maps = hash:/etc/aliases
smtpd_tls_cert_file = /etc/ssl/mx.pem
smtpd_tls_key_file = /etc/ssl/mx.key
smtpd_sasl_type = dovecot
message_size_limit = 52428800
"""
ISP_TABLES = {
    "/etc/postfix/domains": "example.net whatever\nexample.com alias\n",
    "/etc/postfix/vmailbox": "ann@example.org example.org/ann/\nbob@example.net example.net/bob\n",
    "/etc/postfix/virtual": (
        "info@example.org ann@example.org,\n    bob@example.net\n@example.com @example.org\n"
        "@example.net bob@example.net\nwho@elsewhere.example ann@example.org\n"
    ),
    "/etc/aliases": (
        'postmaster: root\nroot: ann@example.org\nlist: :include:/etc/list\nprog: "|/usr/bin/vacation ann"\n'
        "file: /var/archive\nboth: root, |cat\n"
    ),
}


def test_virtual_domains() -> None:
    """Domains, accounts and aliases of an ISP's tables are there, each where it belongs."""
    done = postfix(ISP, MASTER + SUBMISSION, ISP_TABLES)

    assert set(done.site.hosted) == {"mx.isp.example", "example.org", "example.net", "example.com"}
    assert done.site.domains["example.com"].alias_of == "example.org"
    assert done.site.domains["example.org"].subaddress == "+"
    assert set(done.draft.accounts) == {"ann@example.org", "bob@example.net"}
    assert done.aliases["info@example.org"] == ("ann@example.org", "bob@example.net")
    assert done.aliases["@example.net"] == ("bob@example.net",)
    assert done.aliases["both@mx.isp.example"] == ("root@mx.isp.example",)
    assert "mta mailbox import ann@example.org /var/vmail/example.org/ann" in done.draft.commands
    assert done.site.server.hostname == "mx.isp.example"
    assert done.site.limits.message_size == 52428800
    assert str(done.site.tls.certificate) == "/etc/ssl/mx.pem"  # type: ignore[union-attr]


def test_what_aliases_cannot() -> None:
    """Programs, files and lists to include are told line by line, with what to do; the rest of their line is taken."""
    done = postfix(ISP, MASTER + SUBMISSION, ISP_TABLES)

    told = {str(each.place): each.advice for each in done.findings("alias_maps", "unmapped")}
    assert set(told) == {f"/etc/aliases:{line}" for line in (3, 4, 5, 6)}
    assert "mta alias import" in told["/etc/aliases:3"]
    assert "docs/plugins.md" in told["/etc/aliases:4"]
    assert {each.value for each in done.findings("virtual_alias_maps", "unmapped")} == {
        "who@elsewhere.example ann@example.org"
    }


def test_networks() -> None:
    """Hosts that may send on are named in the plugin, with a warning; IPv4 in IPv6's dress isn't named twice."""
    done = postfix(ISP, MASTER, ISP_TABLES)

    assert done.draft.tables["plugins", "networks"]["networks"].value == ["127.0.0.0/8", "::1/128", "192.0.2.0/28"]
    assert done.site.relay.plugins == ("networks",)
    assert any("without a login" in each.advice for each in done.findings("mynetworks"))


@pytest.mark.parametrize("network", ["0.0.0.0/0", "8.0.0.0/8", "::/0", "nonsense", "!192.0.2.1"])
def test_networks_of_everybody(network: str) -> None:
    """No network that would make an open relay, and nothing that is none, comes over."""
    done = postfix(f"mynetworks = {network}\n")

    assert done.site.relay.plugins == ()
    assert done.outcome("mynetworks") == "unmapped"


@pytest.mark.parametrize(
    ("lists", "overrides", "lets"),
    [
        ("", "", True),
        ("smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks, reject\n", "", True),
        ("smtpd_recipient_restrictions = reject_unknown_sender_domain\n", "", True),
        ("smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n", "", False),
        ("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = reject_unauth_destination\n", "", False),
        ("smtpd_recipient_restrictions = defer_unauth_destination, permit_mynetworks\n", "", False),
        ("", "  -o mynetworks=\n", False),
        ("", "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n", False),
    ],
)
def test_networks_that_may_not_send_on(lists: str, overrides: str, lets: bool) -> None:
    """Where Postfix sends nothing on for its networks, neither does the new site, and that is said."""
    master = MASTER.replace("smtpd\n", f"smtpd\n{overrides}", 1)
    done = postfix(f"mynetworks = 192.0.2.0/28\n{lists}", master)

    assert done.site.relay.plugins == (("networks",) if lets else ())
    (finding,) = done.findings("mynetworks")
    assert (finding.outcome, finding.advice.startswith("they may send to nobody")) == (
        ("mapped", False) if lets else ("default", True)
    )


def test_each_line_is_commented() -> None:
    """Behind a line of the site file stands the line that it comes from."""
    text = postfix(ISP, MASTER + SUBMISSION, ISP_TABLES).text

    assert re.search(r'^message_size = "50MB"   # /etc/postfix/main.cf:18: message_size_limit$', text, re.MULTILINE)
    assert '[domains."example.net"]   # /etc/postfix/domains:1: virtual_mailbox_domains' in text


BACKUP = """\
compatibility_level = 3.6
mydestination =
relay_domains = example.org, example.net, example.com
relay_recipient_maps = hash:/etc/postfix/relay_recipients
transport_maps = hash:/etc/postfix/transport
"""


def test_backup_mx() -> None:
    """A backup MX relays to better hosts, to named ones, and knows the addresses that a table lists."""
    tables = {
        "/etc/postfix/relay_recipients": "ann@example.org x\n@example.net x\nbob@example.com OK\n",
        "/etc/postfix/transport": (
            "example.net smtp:[192.0.2.7]:2525\n.example.net :[192.0.2.8]\nexample.biz lmtp:unix:/run/lmtp\n"
        ),
    }
    done = postfix(BACKUP, MASTER, tables)

    assert done.site.domains["example.org"].relay_to == "mx"
    assert done.site.domains["example.net"].relay_to == "smtp://192.0.2.7:2525"
    assert done.site.domains["example.net"].recipients == "any"
    assert done.draft.files["recipients-example.com"] == "bob@example.com\n"
    assert [(each.match.to_domain, each.via) for each in done.site.route] == [
        (("*.example.net",), "smtp://192.0.2.8:25"),
        (("example.biz",), "lmtp+unix:/run/lmtp"),
    ]


SMART = """\
compatibility_level = 3.6
relayhost = [smtp.provider.example]:587
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtp_tls_security_level = encrypt
sender_dependent_relayhost_maps = hash:/etc/postfix/by_sender
smtp_tls_policy_maps = hash:/etc/postfix/tls_policy
smtp_bind_address = 192.0.2.9
always_bcc = archive@elsewhere.example
canonical_maps = hash:/etc/postfix/canonical
masquerade_domains = example.org
maximal_queue_lifetime = 2d
minimal_backoff_time = 10m
maximal_backoff_time = 2h
delay_warning_time = 6
smtpd_client_connection_count_limit = 7
"""
SMART_TABLES = {
    "/etc/postfix/sasl_passwd": "[smtp.provider.example]:587 me:se:cret\n",
    "/etc/postfix/by_sender": "@shop.example [192.0.2.33]\n",
    "/etc/postfix/tls_policy": "bank.example secure\nodd.example strange\n",
    "/etc/postfix/canonical": "ann ann.smith@example.org\n@old.example @example.org\nbroken..one x@example.org\n",
}


def test_smart_host() -> None:
    """Routes come in the order in which Postfix looks, with login and TLS; the password is in a file of its own."""
    done = postfix(SMART, MASTER + SUBMISSION, SMART_TABLES)

    bank, shop, rest = done.site.route
    assert (bank.match.to_domain, bank.via, bank.tls) == (("bank.example",), "mx", "required")
    assert (shop.match.sender, shop.via) == (("*@shop.example",), "smtp://192.0.2.33:25")
    assert (rest.via, rest.tls) == ("smtp://smtp.provider.example:587", "required")
    assert rest.auth is not None
    assert rest.auth.user == "me"
    assert list(done.draft.secrets.values()) == ["se:cret\n"]
    assert "cret" not in done.text + repr(done.draft.findings)
    assert str(done.site.outbound.source_addresses[0].address) == "192.0.2.9"


def test_times() -> None:
    """Times, with Postfix's own units where none is written, and what is counted."""
    site = postfix(SMART, MASTER + SUBMISSION, SMART_TABLES).site

    assert (site.queue.lifetime, site.queue.bounce_lifetime) == (2 * 86400, 5 * 86400)
    assert (site.queue.retry[0], site.queue.retry_cap) == (600, 7200)
    assert site.queue.warn_after == (6 * 3600,)
    assert site.limits.connections_per_client == 7


def test_rewriting() -> None:
    """Canonical maps and masquerading become rules of the plugin, copies an option of another."""
    done = postfix(SMART, MASTER + SUBMISSION, SMART_TABLES)

    assert done.draft.files["canonical"] == "ann@mail.example.org ann.smith@example.org\n*@old.example *@example.org\n"
    rules = done.draft.tables["plugins", "rewrite"]["rules"].value
    assert {"from": "*@*.example.org", "to": "*@example.org"} in rules  # type: ignore[operator] # a list
    assert done.draft.tables["plugins", "headers"]["always_bcc"].value == "archive@elsewhere.example"
    assert {found.kind.make for found in done.site.found_plugins} == {Headers, Rewrite}
    assert [str(each.place) for each in done.findings("canonical_maps", "unmapped")] == ["/etc/postfix/canonical:3"]


FILTERED = """\
compatibility_level = 3.6
content_filter = smtp-amavis:[127.0.0.1]:10024
smtpd_milters = unix:opendkim/opendkim.sock, inet:localhost:8893
non_smtpd_milters = $smtpd_milters
milter_default_action = accept
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
    reject_non_fqdn_helo_hostname, warn_if_reject reject_unknown_client_hostname,
    check_sender_access hash:/etc/postfix/senders, reject_rbl_client zen.spamhaus.org=127.0.0.2,
    reject_rbl_client bl.example.net, reject_rhsbl_sender dbl.example.net,
    check_policy_service inet:127.0.0.1:10023, check_policy_service unix:private/policyd-spf,
    check_policy_service inet:127.0.0.1:9999, reject_unknown_sender_domain, permit
header_checks = pcre:/etc/postfix/header_checks
"""
FILTERED_MASTER = (
    MASTER
    + SUBMISSION
    + """\
smtps inet n - y - - smtpd
    -o smtpd_tls_wrappermode=yes
    -o smtpd_client_restrictions=permit_sasl_authenticated,reject
    -o unheard_of=1
smtp-amavis unix - - n - 2 smtp
    -o smtp_data_done_timeout=1200
127.0.0.1:10025 inet n - y - - smtpd
    -o content_filter=
    -o mynetworks=127.0.0.0/8
"""
)


def test_filters_and_judges() -> None:
    """amavis, postgrey, milters, lists: each is the plugin that does the same, on the listeners concerned."""
    senders = "bad@example.biz REJECT go away\n.spam.example REJECT\ngood.example OK\n192.0.2 REJECT\n"
    done = postfix(FILTERED, FILTERED_MASTER, {"/etc/postfix/senders": senders})

    plugins = {name: {key: entry.value for key, entry in table.items()} for (kind, name, *_), table in
               ((path, table) for path, table in done.draft.tables.items() if path[0] == "plugins")}  # fmt: skip
    assert plugins["filter"]["via"] == "smtp://127.0.0.1:10024"
    assert plugins["milters"]["endpoint"] == ["unix:/var/spool/postfix/opendkim/opendkim.sock", "tcp:localhost:8893"]
    assert plugins["milters"]["on_error"] == "abstain"
    assert plugins["names"] == {"use": "names", "unqualified": "refuse", "unconfirmed": "tag"}
    assert plugins["dnsbl"]["zones"] == [
        {"zone": "zen.spamhaus.org", "codes": {"127.0.0.2": 1}},
        {"zone": "bl.example.net", "weight": 1},
        {"zone": "dbl.example.net", "weight": 1, "of": "sender"},
    ]
    assert {"greylist", "authentication"} <= set(plugins)
    assert plugins["headers"]["rules"] == [
        {"sender": ["bad@example.biz"], "strangers": True, "refuse": "554 5.7.1 go away"},
        {"sender": ["*@*.spam.example"], "strangers": True, "refuse": "554 5.7.1 Access denied"},
    ]
    assert set(done.site.listen) == {"mx", "submission", "submissions", "back"}
    assert done.site.listen["back"].role == "reinject"
    assert done.site.listen["back"].plugins == ()
    assert done.site.listen["mx"].plugins[-1] == "filter"
    assert set(done.site.listen["submission"].plugins) == {"headers", "milters", "filter"}


def test_what_is_left() -> None:
    """What nothing here does is told with its line, and what to do."""
    senders = "192.0.2 REJECT\n"
    done = postfix(FILTERED, FILTERED_MASTER, {"/etc/postfix/senders": senders})

    left = [each for each in done.draft.findings if each.outcome == "unmapped"]
    assert {each.value for each in left if each.setting == "smtpd_recipient_restrictions"} == {
        "check_policy_service inet:127.0.0.1:9999",
        "reject_unknown_sender_domain",
        "check_sender_access 192.0.2 REJECT",
    }
    assert {"header_checks", "smtps -o unheard_of"} <= {each.setting for each in left}
    assert all(each.advice for each in left)


def test_every_setting_is_told() -> None:
    """Whatever main.cf says, and be it unknown, is in the report, with its line."""
    for main in (ISP, BACKUP, SMART, FILTERED, "unheard_of = 1\nempty =\nno setting\n"):
        done = postfix(main, MASTER, {**ISP_TABLES, **SMART_TABLES})
        names = set(re.findall(r"^(\w+) *=", main, re.MULTILINE)) - {"mydomain"}

        assert names <= {each.setting for each in done.draft.findings}
    assert {"unheard_of", "no setting"} <= done.unmapped


@pytest.mark.parametrize("kind", ["mysql", "pgsql", "ldap", "pcre", "regexp", "proxy:mysql", "socketmap"])
def test_tables_elsewhere(kind: str) -> None:
    """A table that isn't a text is told, with a way to bring it."""
    done = postfix(f"virtual_alias_domains = example.net\nvirtual_alias_maps = {kind}:/etc/postfix/x.cf\n")

    (found,) = done.findings("virtual_alias_maps", "unmapped")
    assert found.advice
    assert "example.net" in done.site.hosted


def test_logins_at_port_25() -> None:
    """Who logged in at port 25 gets listeners where he can, and is to be told."""
    done = postfix("smtpd_sasl_auth_enable = yes\n")

    assert {"submission", "submissions"} <= set(done.site.listen)
    assert done.outcome("smtpd_sasl_auth_enable") == "unmapped"


def test_loopback_only() -> None:
    """A host that listens for itself alone goes on to do so."""
    site = postfix("inet_interfaces = loopback-only\n").site

    assert all("127.0.0.1" in text or "::1" in text.replace("\\", "") for text in site.listen["mx"].endpoint)
