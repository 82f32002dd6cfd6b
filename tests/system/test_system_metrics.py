"""What a real server has counted: scraped by HTTP, printed by `mta metrics`, while it runs and while it doesn't."""

from __future__ import annotations

import http.client
import json
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_sink import Sink, running_sink
from prometheus_client.parser import text_string_to_metric_families
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until

from twistedmail_mta.observe.catalogue import FAMILIES, PROCESS

LISTENERS = """
[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role = "mx"
plugins = ["lists"]

[listen.submission]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
plaintext_login = ["127.0.0.0/8"]

[listen.prometheus]
endpoint = "tcp:0:interface=127.0.0.1"
role = "metrics"
"""
Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Another host."""
    with running_sink() as sink:
        yield sink


@pytest.fixture
def site(tmp_path: Path, sink: Sink) -> Iterator[RunningSite]:
    """A site that keeps mail for example.org, and sends all other to the sink."""
    tables = (
        '[domains."example.org"]\n[plugins.lists]\nuse = "headers"\n'
        f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n'
    )
    site = RunningSite(tmp_path, tables, LISTENERS)
    site.add_account(ACCOUNT, PASSWORD)
    site.start()
    yield site
    site.stop()
    assert "Traceback" not in site.log


def asked(site: RunningSite, path: str = "/metrics", method: str = "GET") -> tuple[int, str, str]:
    """Ask as Prometheus does; return the status, the media type and the text."""
    connection = http.client.HTTPConnection("127.0.0.1", site.ports["prometheus"], timeout=30)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.headers.get("Content-Type", ""), response.read().decode()


def numbers_in(text: str) -> Numbers:
    """Return all samples, as Prometheus's own reader understands them."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def scraped(site: RunningSite) -> Numbers:
    return numbers_in(asked(site)[2])


def number(numbers: Numbers, name: str, /, **labels: str) -> float:
    return numbers.get((name, frozenset(labels.items())), 0.0)


def send(site: RunningSite, listener: str, sender: str, recipient: str, password: str = "") -> None:
    with smtplib.SMTP("127.0.0.1", site.ports[listener], timeout=30) as client:
        if password:
            client.login(ACCOUNT, password)
        else:
            client.starttls()
        client.sendmail(sender, [recipient], f"From: {sender}\r\nSubject: private matters\r\n\r\nthe text\r\n")


def use(site: RunningSite) -> None:
    """Have a message taken from a stranger, one sent on, one refused, and a login that fails."""
    send(site, "mx", "ann@sender.test", ACCOUNT)
    send(site, "submission", ACCOUNT, "carol@elsewhere.test", PASSWORD)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(site, "mx", "ann@sender.test", "carol@elsewhere.test")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send(site, "submission", ACCOUNT, "carol@elsewhere.test", "wrong")
    wait_until(lambda: number(scraped(site), "mta_deliveries_total", provider="other", outcome="delivered"))


def test_what_happens_is_counted(site: RunningSite) -> None:
    """Each fact is where the documentation says, and each documented metric is told."""
    use(site)
    status, media, text = asked(site)
    told = numbers_in(text)

    assert (status, media) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = {family.name for family in text_string_to_metric_families(text)}
    assert names == {each.removesuffix("_total") for each in (*(one.name for one in FAMILIES), *PROCESS)}
    assert number(told, "mta_messages_accepted_total", listener="mx", tls="TLSv1.3") == 1
    assert number(told, "mta_messages_accepted_total", listener="submission", tls="none") == 1
    assert number(told, "mta_messages_accepted_bytes_total", listener="mx") > 50
    assert number(told, "mta_acceptance_seconds_count", listener="mx") == 1
    assert 0 < number(told, "mta_acceptance_seconds_sum", listener="mx") < 30
    assert number(told, "mta_refusals_total", listener="mx", command="RCPT", code="5xx") == 1
    assert number(told, "mta_logins_total", protocol="smtp", outcome="ok") == 1
    assert number(told, "mta_logins_total", protocol="smtp", outcome="failed") == 2  # it tries two mechanisms
    assert number(told, "mta_delivery_seconds_count", place="remote") == 1
    assert number(told, "mta_outbound_sessions_total", tls="none") == 1
    assert number(told, "mta_plugin_seconds_count", plugin="lists", stage="message") == 1
    assert number(told, "mta_sessions", listener="prometheus") == 1
    assert number(told, "mta_store_commit_seconds_count") >= number(told, "mta_store_group_writes_count") > 0
    assert number(told, "mta_store_wait_seconds_count") > 2
    assert number(told, "mta_store_bytes", file="database") > 4096
    assert number(told, "mta_disk_free_bytes") > number(told, "mta_disk_margin_bytes") > 0
    assert number(told, "mta_certificate_expiry_timestamp_seconds", name="mail.example.org") > 1e9
    assert number(told, "mta_pool_limit_calls", pool="passwords") > 0
    assert number(told, "process_resident_memory_bytes") > 1e6
    assert [labels for name, labels in told if name == "mta_info"] != []
    assert number(told, "mta_queue_counted_timestamp_seconds") > 1e9
    assert "private" not in text
    assert "@" not in text


def test_what_else_is_asked_for(site: RunningSite) -> None:
    """There is one page; HEAD gets its length, and whatever isn't HTTP an answer that says so."""
    assert asked(site, "/")[0] == 404
    assert asked(site, "/metrics", "POST")[0] == 405
    assert asked(site, "/metrics?name=x")[0] == 200
    status, _, text = asked(site, method="HEAD")
    assert (status, text) == (200, "")


def test_the_command_tells_the_same(site: RunningSite) -> None:
    """`mta metrics` prints what Prometheus would read, as text and as JSON; on a pipe there is nothing else."""
    use(site)

    told = numbers_in(site.mta("metrics").stdout)
    as_json: list[dict[str, Any]] = json.loads(site.mta("metrics", "--json").stdout)["metrics"]

    assert number(told, "mta_messages_accepted_total", listener="mx", tls="TLSv1.3") == 1
    samples = {
        (sample["name"], frozenset(sample["labels"].items())): sample["value"]
        for family in as_json
        for sample in family["samples"]
    }
    assert number(samples, "mta_messages_accepted_total", listener="mx", tls="TLSv1.3") == 1
    assert {family["type"] for family in as_json} == {"counter", "gauge", "histogram"}


def test_without_a_server(site: RunningSite) -> None:
    """Then there is what files tell: what waits, the disk, and when certificates end; no numbers of a server."""
    site.stop()

    told = numbers_in(site.mta("metrics").stdout)
    as_json = json.loads(site.mta("--json", "metrics").stdout)["metrics"]

    assert number(told, "mta_disk_free_bytes") > 0
    assert number(told, "mta_certificate_expiry_timestamp_seconds", name="mail.example.org") > 1e9
    assert ("mta_queue_messages", frozenset()) in told
    assert number(told, "process_resident_memory_bytes") == 0
    assert {family["name"] for family in as_json} >= {"mta_queue_messages", "mta_disk_free_bytes"}


def test_by_https(tmp_path: Path) -> None:
    """With TLS from the first octet, and the certificates of the site; in clear nothing is told."""
    listeners = LISTENERS.replace('role = "metrics"', 'role = "metrics"\ntls = "implicit"')
    site = RunningSite(tmp_path, '[domains."example.org"]\n[plugins.lists]\nuse = "headers"\n', listeners).start()
    context = ssl.create_default_context(cafile=str(site.certificate))
    try:
        connection = http.client.HTTPSConnection("localhost", site.ports["prometheus"], timeout=30, context=context)
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200
        assert number(numbers_in(response.read().decode()), "mta_sessions", listener="prometheus") == 1
        with pytest.raises((http.client.HTTPException, OSError)):
            asked(site)
    finally:
        assert site.stop() == 0


def test_who_is_trusted_follows_a_reload(site: RunningSite) -> None:
    """Whom the site file names may read, and nobody else: not even this host, unless it is named."""
    trusted = site.config.read_text().replace('role = "metrics"', 'role = "metrics"\ntrusted = ["192.0.2.0/24"]')

    assert asked(site)[0] == 200
    site.config.write_text(trusted)
    site.mta("reload")
    with pytest.raises(OSError):
        asked(site)
    assert "mta_info" in site.mta("metrics").stdout
