"""Where Postfix listens: the smtpd services of master.cf, their TLS, and who logs in there."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.migrating.endpoints import endpoint_at
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.main_cf import words
from twistedmail_mta.migrating.postfix.master_cf import SERVERS, Service

_QUIET: Final = (
    "pickup cleanup qmgr oqmgr nqmgr tlsmgr trivial-rewrite bounce verify flush proxymap smtp showq error discard local"
    " virtual lmtp anvil scache postlogd smtpd postscreen dnsblog tlsproxy"
)
"""Programs of Postfix itself, for which this server needs none of its own."""
_OF_LISTENERS: Final = (
    "smtpd_tls_wrappermode smtpd_tls_security_level smtpd_sasl_auth_enable syslog_name smtpd_tls_auth_only"
    " smtpd_client_restrictions smtpd_relay_restrictions smtpd_recipient_restrictions smtpd_sender_restrictions"
    " smtpd_helo_restrictions smtpd_data_restrictions smtpd_reject_unlisted_recipient milter_macro_daemon_name"
    " content_filter receive_override_options smtpd_delay_reject smtpd_end_of_data_restrictions"
    " smtpd_authorized_xforward_hosts local_header_rewrite_clients mynetworks smtpd_error_sleep_time"
    " smtpd_soft_error_limit smtpd_hard_error_limit smtpd_client_connection_count_limit"
    " smtpd_client_connection_rate_limit smtpd_tls_req_ccert smtpd_restriction_classes smtpd_authorized_xclient_hosts"
    " smtpd_sasl_type smtpd_sasl_path strict_rfc821_envelopes local_recipient_maps relay_recipient_maps"
    " mynetworks_style"
)
"""What a service is often told that its role says here, or that is looked at elsewhere."""


def take_services(doing: Importing) -> None:
    """Write a listener for each smtpd of master.cf."""
    for service in doing.services:
        if service.kind == "inet" and service.command in SERVERS:
            _take_server(doing, service)
        elif service.command == "pipe":
            program = next((word for word in service.arguments if word.startswith("argv=")), "a program")
            advice = (
                f"{program} isn't run: mail that went there stays in mailboxes, or goes by a [[route]] with lmtp://"
            )
            doing.draft.say("default", service.place, service.name, "pipe", "", advice)
        elif service.command not in _QUIET.split():
            advice = "it is none of Postfix's own programs: see whether mail went there"
            doing.draft.say("unmapped", service.place, service.name, service.command, "", advice)
    _demand_submission(doing)


def _take_server(doing: Importing, service: Service) -> None:
    draft, port = doing.draft, service.port
    if port is None:
        draft.say(
            "unmapped", service.place, service.name, service.command, "", "its port is unknown: write a [listen] for it"
        )
        return
    role, tls = _role(doing, service, port)
    name = _name(doing, role, tls, port)
    endpoints = _endpoints(doing, service, port)
    if role == "reinject" and not all(parse_endpoint(text).is_private for text in endpoints):
        endpoints = [f"tcp:{port}:interface=127.0.0.1"]
    draft.put(("listen", name), "endpoint", endpoints[0] if len(endpoints) == 1 else list(endpoints), service.place)
    draft.put(("listen", name), "role", role)
    if tls == "implicit":
        draft.put(("listen", name), "tls", tls)
    draft.say("mapped", service.place, service.name, service.command, f"listen.{name}", _remark(role, service))
    for key, value in service.overrides.items():
        if key not in _OF_LISTENERS.split():
            advice = f"see what is said of {key} in main.cf, and whether it belongs to listen.{name}"
            draft.say("unmapped", service.place, f"{service.name} -o {key}", value, f"listen.{name}", advice)


def _role(doing: Importing, service: Service, port: int) -> tuple[str, str]:
    """Return the role of a service, and its TLS."""
    sees = doing.config.with_overrides(service.overrides)
    if sees.is_on("smtpd_tls_wrappermode") or port == 465:
        return "submission", "implicit"
    if port == 587 or (port != 25 and service.overrides.get("smtpd_sasl_auth_enable") == "yes"):
        return "submission", "starttls"
    if port != 25 and "content_filter" in service.overrides and not service.overrides["content_filter"]:
        return "reinject", "starttls"
    return "mx", "starttls"


def _remark(role: str, service: Service) -> str:
    if service.command == "postscreen":
        return "the plugins early and dnsbl do what postscreen does"
    if role == "reinject":
        return "mail comes back from the content filter there, by loopback alone"
    return ""


def _name(doing: Importing, role: str, tls: str, port: int) -> str:
    name = {"submission": "submissions" if tls == "implicit" else "submission", "reinject": "back"}.get(role, role)
    return name if ("listen", name) not in doing.draft.tables else f"{name}-{port}"


def _endpoints(doing: Importing, service: Service, port: int) -> list[str]:
    hosts = [service.host] if service.host else words(doing.value("inet_interfaces"))
    only_ipv4 = doing.value("inet_protocols").lower() == "ipv4"
    found: list[str | None] = []
    for host in hosts:
        if host == "all":
            found += [endpoint_at(port, "0.0.0.0") if only_ipv4 else f"tcp:{port}"]  # noqa: S104 - what is read
        elif host in ("loopback-only", "localhost"):
            found += [endpoint_at(port, "127.0.0.1"), *([] if only_ipv4 else [endpoint_at(port, "::1")])]
        elif (endpoint := endpoint_at(port, host)) is not None:
            found.append(endpoint)
        else:
            advice = f"name its address in endpoint: tcp:{port}:interface=ADDRESS"
            doing.draft.say(
                "unmapped", doing.config.place("inet_interfaces"), "inet_interfaces", host, "listen", advice
            )
    return list(dict.fromkeys(filter(None, found))) or [f"tcp:{port}:interface=127.0.0.1"]


def _demand_submission(doing: Importing) -> None:
    """See to it that who logged in at port 25 can log in elsewhere: nobody does there."""
    if not doing.given("smtpd_sasl_auth_enable"):
        return
    if not doing.config.is_on("smtpd_sasl_auth_enable") or doing.draft.listeners("submission"):
        doing.say("mapped", "smtpd_sasl_auth_enable", "listen", "people log in on listeners of role submission alone")
        return
    for name, port, tls in (("submission", 587, "starttls"), ("submissions", 465, "implicit")):
        path = ("listen", name)
        doing.draft.put(path, "endpoint", f"tcp:{port}", f"{doing.comment('smtpd_sasl_auth_enable')}, at port 25")
        doing.draft.put(path, "role", "submission")
        if tls == "implicit":
            doing.draft.put(path, "tls", tls)
    advice = "nobody logs in at port 25 here: tell people to set their programs to port 465 (TLS) or 587 (STARTTLS)"
    doing.say("unmapped", "smtpd_sasl_auth_enable", "listen.submission", advice)


def take_interfaces(doing: Importing) -> None:
    """Tell what became of the addresses that Postfix is bound to."""
    for name in ("inet_interfaces", "inet_protocols"):
        if doing.given(name):
            doing.say("mapped", name, "listen.NAME.endpoint")


def take_certificate(doing: Importing) -> None:
    """Take the certificate that clients are shown."""
    chain = doing.words("smtpd_tls_chain_files")
    certificate = chain[-1] if chain else doing.given("smtpd_tls_cert_file") or ""
    key = chain[0] if chain else doing.given("smtpd_tls_key_file") or certificate
    name = "smtpd_tls_chain_files" if chain else "smtpd_tls_cert_file"
    doing.done.update(("smtpd_tls_key_file", "smtpd_tls_cert_file", "smtpd_tls_chain_files"))
    if certificate.startswith("/") and key.startswith("/") and key != "$smtpd_tls_cert_file":
        doing.draft.put(("tls",), "certificate", certificate, doing.comment(name))
        doing.draft.put(("tls",), "key", key, doing.comment("smtpd_tls_key_file"))
        snakeoil = "it vouches for nothing: see [acme] in docs/operating.md" if "snakeoil" in certificate else ""
        advice = snakeoil or "the server's user has to be able to read both: mta check says how"
        doing.say("mapped", name, "tls.certificate", advice)
        if len(chain) > 2:
            doing.say("unmapped", name, "tls.names", "several certificates: name the others in [tls.names]")
