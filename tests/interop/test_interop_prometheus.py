"""Prometheus itself: it reads our numbers, and takes the rules and every query of the dashboard."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_base
from running_site import ACCOUNT, CHECKOUT, PASSWORD, RunningSite, wait_until

HOME = Path(os.environ.get("MTA_TEST_PROMETHEUS", "/var/cache/mta-tests/prometheus")) / "usr" / "bin"
RULES = CHECKOUT / "etc" / "prometheus" / "alerts.yml"
DASHBOARD = CHECKOUT / "etc" / "prometheus" / "dashboard.json"

pytestmark = pytest.mark.skipif(not (HOME / "prometheus").exists(), reason="Prometheus isn't installed")

CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: mta
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
LISTENERS = (
    '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\n'
    '[listen.metrics]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "metrics"\n'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A server with one message in a mailbox."""
    site = RunningSite(tmp_path_factory.mktemp("site"), '[domains."example.org"]\n', LISTENERS)
    site.add_account(ACCOUNT, PASSWORD)
    site.start()
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=30) as client:
        client.sendmail("ann@sender.test", [ACCOUNT], "Subject: x\r\n\r\ntext\r\n")
    yield site
    assert site.stop() == 0


class Prometheus:
    """A running one that scrapes the site every second."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **parameters: str) -> Any:
        address = f"{self.base}/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            told = json.load(answer)
        assert told["status"] == "success"
        return told["data"]

    def ask(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("query", query=query)["result"]
        return found

    def knows(self, query: str) -> bool:
        try:
            return bool(self.ask(query))
        except OSError:
            return False  # it isn't there yet


@pytest.fixture(scope="module")
def prometheus(site: RunningSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, with our rules."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_base()
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(rules=RULES, port=site.ports["metrics"]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                HOME / "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        asked = Prometheus(port)
        wait_until(lambda: asked.knows('mta_messages_accepted_total{listener="mx"}'))
        yield asked
    finally:
        process.terminate()
        process.wait(30)


def test_it_scrapes_us(prometheus: Prometheus, site: RunningSite) -> None:
    """The target is up, nothing of its text was dropped, and a number is what it should be."""
    (target,) = prometheus.get("targets")["activeTargets"]
    (taken,) = prometheus.ask('mta_messages_accepted_total{job="mta"}')

    assert (target["health"], target["lastError"]) == ("up", "")
    assert taken["metric"]["tls"] == "none"
    assert taken["value"][1] == "1"
    assert prometheus.ask("scrape_samples_post_metric_relabeling - scrape_samples_scraped")[0]["value"][1] == "0"


def test_the_rules(prometheus: Prometheus) -> None:
    """All are loaded and evaluated without error; none fires on a server that does well."""
    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules(prometheus)))

    assert len(rules(prometheus)) >= 20
    assert [rule["name"] for rule in rules(prometheus) if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules(prometheus) if rule["state"] == "firing"] == []


def rules(prometheus: Prometheus) -> list[dict[str, Any]]:
    return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]


def test_the_dashboard(prometheus: Prometheus, site: RunningSite) -> None:
    """Prometheus understands every query of every panel."""
    instance = f"127.0.0.1:{site.ports['metrics']}"
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$instance", instance).replace("$__rate_interval", "1m")
            now = time.time()
            prometheus.get("query_range", query=query, start=str(now - 60), end=str(now), step="15")


def test_promtool(site: RunningSite) -> None:
    """Its own tool finds nothing wrong with the rules, nor with our names and units."""
    subprocess.run([HOME / "promtool", "check", "rules", RULES], check=True, capture_output=True, timeout=60)

    linted = subprocess.run(
        [HOME / "promtool", "check", "metrics"],
        input=site.mta("metrics").stdout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert [line for line in (linted.stdout + linted.stderr).splitlines() if line.startswith("mta_")] == []
    assert linted.returncode == 0


ALERTS = """
rule_files: ["{rules}"]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'up{{job="mta", instance="a"}}'
        values: '0x60'
      - series: 'mta_queue_oldest_seconds{{state="waiting", instance="a"}}'
        values: '20000x60'
      - series: 'mta_certificate_expiry_timestamp_seconds{{name="mail.example.org", instance="a"}}'
        values: '400000x300'
      - series: 'mta_disk_free_bytes{{instance="a"}}'
        values: '300000000x60'
      - series: 'mta_disk_margin_bytes{{instance="a"}}'
        values: '134217728x60'
      - series: 'mta_reactor_lag_seconds_bucket{{le="0.25", instance="a"}}'
        values: '0+6x60'
      - series: 'mta_reactor_lag_seconds_bucket{{le="0.5", instance="a"}}'
        values: '0+60x60'
      - series: 'mta_reactor_lag_seconds_bucket{{le="+Inf", instance="a"}}'
        values: '0+60x60'
      - series: 'mta_deliveries_total{{outcome="failed", provider="other", instance="a"}}'
        values: '0+10x120'
      - series: 'mta_deliveries_total{{outcome="delivered", provider="other", instance="a"}}'
        values: '0+10x120'
      - series: 'mta_queue_recipients{{state="waiting", reason="throttled", instance="a"}}'
        values: '2000+100x120'
      - series: 'mta_plugin_resting{{plugin="p", instance="a"}}'
        values: '1x60'
      - series: 'mta_logins_total{{outcome="failed", protocol="imap", instance="a"}}'
        values: '0+1x1440 1440+600x120'
    alert_rule_test:
{expected}
"""
FIRES = {
    "MTADown": "10m",
    "MTAOldestMessage": "30m",
    "MTACertificateEnds": "2h",
    "MTADiskMargin": "10m",
    "MTAReactorLate": "30m",
    "MTABounces": "90m",
    "MTAQueueGrows": "90m",
    "MTAPluginRests": "5m",
    "MTALoginsFail": "1500m",
}
"""When each is due, of those that are tried."""


def test_alerts_fire(tmp_path: Path) -> None:
    """Given what they are about, they do, after the time that they say; promtool plays it through."""
    lines = [f"      - {{eval_time: {at}, alertname: {name}, exp_alerts: []}}" for name, at in FIRES.items()]
    test = tmp_path / "test.yml"
    test.write_text(ALERTS.format(rules=RULES, expected="\n".join(lines)))

    done = subprocess.run(
        [HOME / "promtool", "test", "rules", test], capture_output=True, text=True, timeout=60, check=False
    )

    # nothing is expected, so that it tells of each that fires: what its labels are isn't the subject
    said = done.stdout + done.stderr
    assert {name for name in FIRES if f"alertname: {name}, " in said or f"alertname:{name}" in said} == set(FIRES), said
