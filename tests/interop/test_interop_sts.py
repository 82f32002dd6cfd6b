"""MTA-STS: policies from a real web server, hosts that are Postfix, names from knot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_made import Made, chain_file, made
from interop_daemons import DNS_PORT, SMTP_PORT, LoopbackNetwork, eventually
from interop_peers import Peer, start_postfix
from interop_policies import PATH, Page, Policies, running_policies
from interop_signed import UNBOUND, Signed, Zone, start_signed
from running_site import ACCOUNT, PASSWORD, RunningSite
from test_interop_dane import deferred, delivered, submit

WEB, BAD_WEB, GOOD, STRANGE, CLEAR = 60, 61, 70, 71, 72
"""Hosts of the network: two web servers, the second with a certificate for other names, and three faces of Postfix."""
POLICY = b"version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n"
RIGHT = POLICY % (b"enforce", b"good.sts.test", 864000)

DOMAINS: dict[str, tuple[str, Page]] = {
    "right": ("good", Page(RIGHT)),
    "wildcard": ("good", Page(POLICY % (b"enforce", b"*.sts.test", 864000))),
    "other-mx": ("good", Page(POLICY % (b"enforce", b"mx.example.net", 864000))),
    "strange": ("strange", Page(POLICY % (b"enforce", b"strange.sts.test", 864000))),
    "clear": ("clear", Page(POLICY % (b"enforce", b"clear.sts.test", 864000))),
    "testing": ("clear", Page(POLICY % (b"testing", b"clear.sts.test", 864000))),
    "testing-strange": ("strange", Page(POLICY % (b"testing", b"strange.sts.test", 864000))),
    "none": ("clear", Page(b"version: STSv1\nmode: none\nmax_age: 864000\n")),
    "moved": ("clear", Page(RIGHT, 301)),
    "large": ("clear", Page(RIGHT + b"x: y\r\n" * 20_000)),
    "page": ("clear", Page(RIGHT, kind="text/html")),
    "bad-web": ("clear", Page(RIGHT)),
    "short": ("clear", Page(POLICY % (b"enforce", b"clear.sts.test", 2))),
    "lasting": ("clear", Page(POLICY % (b"enforce", b"clear.sts.test", 864000))),
}
"""By domain: its MX host, and what its web server says."""


@pytest.fixture(scope="module")
def authority() -> Made:
    return made("Authority", is_authority=True)


@pytest.fixture(scope="module")
def names(root: Path, network: LoopbackNetwork) -> Iterator[Signed]:
    """A zone of its own for all of it, without signatures."""
    if not UNBOUND.exists():
        pytest.skip("not installed: unbound (tests/interop/install-peers.sh installs it)")
    lines = [
        f"{name} A {network.address(host)}" for name, host in (("good", GOOD), ("strange", STRANGE), ("clear", CLEAR))
    ]
    for domain, (mx, _) in DOMAINS.items():
        web = network.address(BAD_WEB if domain == "bad-web" else WEB)
        lines += [f"{domain} MX 10 {mx}", f"mta-sts.{domain} A {web}", f'_mta-sts.{domain} TXT "v=STSv1; id=1;"']
    home = root / "sts"
    home.mkdir(mode=0o755)
    daemons = start_signed(home, network, {"sts.test": Zone("\n".join(lines), is_signed=False)})
    yield daemons
    daemons.stop()


@pytest.fixture(scope="module")
def policies(root: Path, network: LoopbackNetwork, authority: Made) -> Iterator[Policies]:
    """Both web servers; the pages of both are those of the first."""
    right = made("web", authority, names=[f"mta-sts.{name}.sts.test" for name in DOMAINS if name != "bad-web"])
    wrong = made("web", authority, names=["sts.test", "bad-web.sts.test"])
    with (
        running_policies(network.address(WEB), chain_file(root / "web.pem", right)) as served,
        running_policies(network.address(BAD_WEB), chain_file(root / "bad-web.pem", wrong)) as other,
    ):
        served.pages.update({f"mta-sts.{name}.sts.test": page for name, (_, page) in DOMAINS.items()})
        other.pages, other.asked = served.pages, served.asked
        yield served


@pytest.fixture(scope="module")
def host(root: Path, network: LoopbackNetwork, authority: Made) -> Iterator[Peer]:
    """Postfix: with a good certificate, with one for another name, without TLS."""
    good = chain_file(root / "sts-good.pem", made("good", authority, names=["good.sts.test"]))
    strange = chain_file(root / "sts-strange.pem", made("strange", authority, names=["other.example"]))
    more = (
        f"{network.address(STRANGE)}:{SMTP_PORT} inet n - n - - smtpd -o smtpd_tls_chain_files={strange}\n"
        f"{network.address(CLEAR)}:{SMTP_PORT} inet n - n - - smtpd -o smtpd_tls_security_level=none\n"
    )
    domains = " ".join(f"{name}.sts.test" for name in DOMAINS)
    (root / "sts-postfix").mkdir(mode=0o755)
    peer = start_postfix(
        root / "sts-postfix", network, good, domains=domains, relayed="relayed.test", ways={}, host=GOOD, more=more
    )
    yield peer
    peer.daemon.stop()


@pytest.fixture(scope="module")
def daemons(policies: Policies, host: Peer) -> None:
    """All that the server talks to, apart from the name servers."""


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, network: LoopbackNetwork, names: Signed, authority: Made, daemons: None
) -> Iterator[RunningSite]:
    """A server that trusts the authority."""
    folder = tmp_path_factory.mktemp("sts")
    (folder / "ca.pem").write_bytes(authority.pem)
    tables = (
        f'[dns]\nnameservers = ["{names.address}"]\nport = {DNS_PORT}\n'
        f'[outbound]\nport = {SMTP_PORT}\nallow_networks = ["{network.mask}"]\nca_file = "{folder}/ca.pem"\n'
        '[queue]\nretry = ["1s"]\nretry_cap = "1s"\n'
    )
    site = RunningSite(folder, tables)
    try:
        site.start()
        site.add_account(ACCOUNT, PASSWORD)
        yield site
    finally:
        site.stop()


@pytest.mark.parametrize("name", ["right", "wildcard"])
def test_enforced(site: RunningSite, name: str) -> None:
    """The policy names the host, whose certificate is its own."""
    submit(site, f"bob@{name}.sts.test")

    assert " over TLS, verified by MTA-STS" in delivered(site, f"bob@{name}.sts.test")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("other-mx", "MTA-STS: the policy of the recipient's domain names none of its mail hosts"),
        ("strange", "MTA-STS: TLS could not be set up: the certificate is not for strange.sts.test"),
        ("clear", "MTA-STS: TLS is required and the host does not offer it"),
    ],
)
def test_refused(site: RunningSite, host: Peer, name: str, reason: str) -> None:
    """The mail waits, and the queue says why."""
    submit(site, f"bob@{name}.sts.test")

    assert reason in deferred(site, f"bob@{name}.sts.test")
    assert f"bob@{name}.sts.test" not in host.logged()


@pytest.mark.parametrize(("name", "told"), [("testing", 1), ("testing-strange", 1), ("none", 0)])
def test_not_enforced(site: RunningSite, name: str, told: int) -> None:
    """What is only tested is told in the log, and the mail goes, past what waits for the same host."""
    begun = len(site.log)
    submit(site, f"bob@{name}.sts.test")

    assert "verified" not in delivered(site, f"bob@{name}.sts.test")
    words = "isn't what the MTA-STS policy of its domain says, which is only tested"
    assert site.log.count(words, begun) == told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("moved", "the answer is 301"),
        ("large", "the answer is too large"),
        ("page", "the answer isn't text/plain"),
        ("bad-web", "TLS failed"),
    ],
)
def test_no_policy(site: RunningSite, policies: Policies, name: str, words: str) -> None:
    """A web server that redirects, says too much or something else, or has another's certificate, has no policy."""
    submit(site, f"bob@{name}.sts.test")

    delivered(site, f"bob@{name}.sts.test")
    assert re.search(
        rf"no MTA-STS policy of {name}\.sts\.test can be had, though it announces one: .*{words}", site.log
    )
    assert policies.asked.count(f"mta-sts.{name}.sts.test{PATH}") == (name != "bad-web")


def test_kept_over_a_restart_and_no_longer_than_it_says(site: RunningSite, policies: Policies) -> None:
    """Once the web server is silent a policy counts for its own time: the mail for one goes, for the other not."""
    submit(site, "bob@short.sts.test")
    submit(site, "bob@lasting.sts.test")
    for name in ("short", "lasting"):
        assert deferred(site, f"bob@{name}.sts.test").startswith("451 4.7.4 MTA-STS: ")
        del policies.pages[f"mta-sts.{name}.sts.test"]
    asked = policies.asked.count(f"mta-sts.lasting.sts.test{PATH}")

    site.stop()
    site.start()

    delivered(site, "bob@short.sts.test")
    submit(site, "carol@lasting.sts.test")
    assert "MTA-STS" in deferred(site, "carol@lasting.sts.test")
    assert "delivered bob@lasting.sts.test" not in site.log
    assert policies.asked.count(f"mta-sts.lasting.sts.test{PATH}") == asked
    eventually(lambda: f"mta-sts.short.sts.test{PATH}" in policies.asked, "a question")
