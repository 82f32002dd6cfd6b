"""An import of Dovecot from beginning to end."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final

from twistedmail_mta.config.units import written_size
from twistedmail_mta.migrating.dovecot.accounts import quota_of, take_people
from twistedmail_mta.migrating.dovecot.conf import Block, Conf, Find, parse_conf
from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.endpoints import endpoint_at
from twistedmail_mta.migrating.texts import Read

_PORTS: Final[Mapping[str, tuple[str, int, int]]] = {"imap": ("imap", 143, 993), "pop3": ("pop3", 110, 995)}
"""The role of a protocol, its port, and that of its TLS."""
_REASONS: Final[Mapping[str, str]] = {
    "the log says who logged in, and what became of each mail: mta trace": (
        "log_path info_log_path debug_log_path log_timestamp login_log_format login_log_format_elements syslog_facility"
        " auth_verbose auth_debug auth_debug_passwords auth_verbose_passwords mail_debug verbose_ssl deliver_log_format"
        " mail_log_prefix"
    ),
    "mail is in a database here, and one process serves all": (
        "mail_privileged_group mail_access_groups mail_uid mail_gid first_valid_uid last_valid_uid first_valid_gid"
        " last_valid_gid valid_chroot_dirs mail_chroot mail_full_filesystem_access default_internal_user"
        " default_login_user default_internal_group base_dir state_dir instance_name shutdown_clients"
        " doveadm_worker_count doveadm_socket_path default_process_limit default_client_limit default_vsz_limit"
        " auth_worker_max_count login_trusted_networks haproxy_trusted_networks version_ignore import_environment"
        " lock_method mmap_disable dotlock_use_excl mail_fsync mail_nfs_storage mail_nfs_index mbox_read_locks"
        " mbox_write_locks mbox_lazy_writes mbox_dirty_syncs mbox_very_dirty_syncs mbox_min_index_size"
        " maildir_stat_dirs maildir_copy_with_hardlinks maildir_very_dirty_syncs mail_always_cache_fields"
        " mail_cache_min_mail_count mailbox_idle_check_interval mail_save_crlf mdbox_rotate_size mail_attachment_dir"
        " mail_attachment_min_size mail_attachment_fs mail_attachment_hash mail_home mail_prefetch_count mail_plugins"
        " mail_plugin_dir protocols auth_default_realm mail_location listen mail_attribute_dict auth_cache_size"
        " auth_cache_ttl auth_cache_negative_ttl"
    ),
    "TLS is chosen by OpenSSL's safe defaults here": (
        "ssl_min_protocol ssl_protocols ssl_cipher_list ssl_cipher_suites ssl_prefer_server_ciphers ssl_dh"
        " ssl_dh_parameters_length ssl_curve_list ssl_options ssl_client_ca_dir ssl_client_ca_file ssl_ca"
        " ssl_verify_client_cert ssl_require_crl ssl_cert_username_field ssl_parameters_regenerate"
    ),
    "it is so here anyway, or of no use": (
        "auth_username_format auth_username_chars auth_username_translation auth_realms auth_anonymous_username"
        " auth_worker_max_request_count auth_failure_delay auth_stats auth_policy_server_url postmaster_address"
        " hostname lda_mailbox_autocreate lda_mailbox_autosubscribe quota_full_tempfail sendmail_path"
        " recipient_delimiter submission_host lda_original_recipient_header rejection_reason rejection_subject"
        " lmtp_save_to_detail_mailbox lmtp_rcpt_check_quota imap_client_workarounds pop3_client_workarounds"
        " imap_idle_notify_interval imap_max_line_length imap_capability imap_logout_format imap_id_send imap_id_log"
        " pop3_logout_format pop3_no_flag_updates pop3_reuse_xuidl pop3_fast_size_lookups pop3_deleted_flag"
        " pop3_save_uidl pop3_enable_last login_greeting"
    ),
}
_IGNORED: Final[Mapping[str, str]] = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""Why nothing is to be done, by setting."""
_MECHANISMS: Final = ("plain", "login")


def read_dovecot(folder: str, read: Read, find: Find, draft: Draft) -> str | None:
    """Take over a configuration of Dovecot; return the name of the host, where it is said.

    Args:
        folder: where dovecot.conf is.
        read: reads a file.
        find: finds files by a pattern.
        draft: gets everything.

    Raises:
        OSError: dovecot.conf can't be read.
    """
    conf = parse_conf(posixpath.join(folder, "dovecot.conf"), read, find)
    for place, text, why in conf.odd:
        draft.say("unmapped", place, text, "", "", f"{why}: mend it, and import again")
    protocols = conf.whole.value("protocols", "imap pop3 lmtp").split()
    _take_protocols(conf.whole, protocols, draft)
    _take_certificate(conf.whole, draft)
    take_people(conf, read, draft)
    _take_quota(conf.whole, draft)
    _take_namespaces(conf.whole, draft)
    _take_plugins(conf, draft)
    _take_login(conf.whole, draft)
    _tell_the_rest(conf.whole, draft)
    return conf.whole.value("hostname") or None


def _take_protocols(whole: Block, protocols: list[str], draft: Draft) -> None:
    """Write listeners for IMAP and POP3, and one for LMTP where another host or program brings mail."""
    setting = whole.settings.get("protocols")
    place = None if setting is None else setting.place
    for name in dict.fromkeys(protocols):
        if name in _PORTS:
            _take_fetching(whole, name, draft)
            draft.say("mapped", place, "protocols", name, f"listen.{name}")
        elif name == "lmtp":
            _take_lmtp(whole, draft)
        elif name == "submission":
            if not draft.listeners("submission"):
                draft.put(("listen", "submission"), "endpoint", "tcp:587", "protocols: submission")
                draft.put(("listen", "submission"), "role", "submission")
            draft.say("mapped", place, "protocols", name, "listen.submission")
        elif name in ("sieve", "managesieve"):
            advice = "filters that people write themselves aren't there: rules of the plugin headers do it for the site"
            draft.say("unmapped", place, "protocols", name, "", advice)
        elif name != "none":
            draft.say("unmapped", place, "protocols", name, "", "this protocol isn't spoken here")


def _take_fetching(whole: Block, name: str, draft: Draft) -> None:
    role, plain, implicit = _PORTS[name]
    for port, suffix, tls in ((plain, "", "starttls"), (implicit, "s", "implicit")):
        number, place = _port(whole, f"{name}-login", f"{name}{suffix}", port)
        if number:
            path = ("listen", f"{name}{suffix}")
            endpoints = _endpoints(whole, number)
            draft.put(path, "endpoint", endpoints[0] if len(endpoints) == 1 else list(endpoints), place)
            draft.put(path, "role", role)
            if tls == "implicit":
                draft.put(path, "tls", tls)


def _port(whole: Block, service: str, listener: str, default: int) -> tuple[int, object]:
    """Return the port of a listener, 0 where there is none, and where that is said."""
    for block in whole.of("service", service):
        for inner in block.of("inet_listener", listener):
            setting = inner.settings.get("port")
            if setting is not None and setting.value.isascii() and setting.value.isdigit():
                return (int(setting.value) if int(setting.value[:6]) < 65536 else 0), setting.place
    return default, f"Dovecot's default of {listener}"


def _endpoints(whole: Block, port: int) -> list[str]:
    hosts = re.split(r"[,\s]+", whole.value("listen", "*, ::"))
    if "*" in hosts and "::" in hosts:
        return [f"tcp:{port}"]
    wild = {"*": "0.0.0.0"}  # noqa: S104 - what is read
    found = [endpoint for host in hosts if (endpoint := endpoint_at(port, wild.get(host, host))) is not None]
    return found or [f"tcp:{port}"]


def _take_lmtp(whole: Block, draft: Draft) -> None:
    """Listen for LMTP where mail comes from elsewhere; a Postfix that is imported along needs none."""
    listeners = [
        (block, inner)
        for block in whole.of("service", "lmtp")
        for kind in ("inet_listener", "unix_listener")
        for inner in block.of(kind)
    ]
    if draft.listeners("mx"):
        draft.say("default", None, "protocols", "lmtp", "", "mail goes into mailboxes without a way between")
        return
    endpoints: list[str | None] = []
    for _, inner in listeners:
        if inner.kind == "unix_listener" and inner.name.startswith("/"):
            endpoints.append(f"unix:{inner.name}")
        elif inner.kind == "inet_listener" and re.fullmatch(r"[0-9]{1,5}", inner.value("port")):
            host = (inner.value("address") or "127.0.0.1").split()[0]
            endpoints.append(endpoint_at(int(inner.value("port")[:6]), host))
    draft.put(
        ("listen", "lmtp"),
        "endpoint",
        [each for each in endpoints if each] or ["tcp:24:interface=127.0.0.1"],
        "service lmtp",
    )
    draft.put(("listen", "lmtp"), "role", "lmtp")
    draft.say("mapped", None, "protocols", "lmtp", "listen.lmtp", "let the other server bring mail there")


def _take_certificate(whole: Block, draft: Draft) -> None:
    for key, name in (("ssl_cert", "certificate"), ("ssl_key", "key")):
        setting = whole.settings.get(key)
        if setting is None:
            continue
        if not setting.value.startswith("<"):
            draft.say(
                "unmapped", setting.place, key, "", f"tls.{name}", "it isn't in a file of its own: put it into one"
            )
        elif ("tls",) in draft.tables and name in draft.table(("tls",)):
            draft.say(
                "default",
                setting.place,
                key,
                setting.value,
                f"tls.{name}",
                "the other server's is taken; more: [tls.names]",
            )
        else:
            draft.put(("tls",), name, setting.value[1:].strip(), f"{setting.place}: {key}")
            draft.say(
                "mapped",
                setting.place,
                key,
                setting.value,
                f"tls.{name}",
                "the server's user has to be able to read it",
            )
    for kind in ("local_name", "local", "remote"):
        for block in whole.of(kind):
            advice = 'a certificate of its own for a name: [tls.names."NAME"]'
            draft.say("unmapped", block.place, f"{kind} {block.name}", "", "tls.names", advice)


def _take_quota(whole: Block, draft: Draft) -> None:
    """Give the domains the quota that everybody has."""
    for plugin in whole.of("plugin"):
        for key, setting in plugin.settings.items():
            if not key.startswith("quota"):
                continue
            octets = quota_of(setting.value) if key == "quota_rule" else None
            if octets:
                for domain in draft.hosted:
                    if "alias_of" not in draft.tables["domains", domain]:
                        draft.put(("domains", domain), "quota", written_size(octets), f"{setting.place}: quota_rule")
                draft.say("mapped", setting.place, key, setting.value, "domains.NAME.quota")
            elif key in ("quota", "quota_grace", "quota_vsizes", "quota_status_success", "quota_status_nouser"):
                draft.say("default", setting.place, key, setting.value, "", "quotas are counted as mail comes and goes")
            else:
                advice = (
                    "one quota holds for all mailboxes of an account; nobody is warned of it: mta account set --quota"
                )
                draft.say("unmapped", setting.place, key, setting.value, "domains.NAME.quota", advice)


def _take_namespaces(whole: Block, draft: Draft) -> None:
    for block in whole.of("namespace"):
        if block.value("type") in ("public", "shared") or (block.value("location") and block.value("inbox") != "yes"):
            advice = "mailboxes that several people share aren't there: give them one account"
            draft.say("unmapped", block.place, f"namespace {block.name}", block.value("location"), "", advice)
        else:
            draft.say(
                "default",
                block.place,
                f"namespace {block.name}",
                "",
                "",
                "mailboxes keep their names, with / between levels",
            )
        for mailbox in block.of("mailbox"):
            use = mailbox.value("special_use")
            if use or mailbox.value("auto") in ("create", "subscribe"):
                advice = "it comes with the mail that is imported, or when somebody makes it"
                draft.say("default", mailbox.place, f"mailbox {mailbox.name}", use or mailbox.value("auto"), "", advice)


def _take_plugins(conf: Conf, draft: Draft) -> None:
    for plugin in conf.whole.of("plugin"):
        for key, setting in plugin.settings.items():
            if key.startswith("quota"):
                continue
            if key.startswith(("sieve", "imapsieve")):
                advice = "scripts aren't run: write what matters as rules of the plugin headers (docs/policies.md)"
            elif key.startswith(("fts", "mail_log", "zlib", "acl", "trash", "mail_crypt", "last_login", "stats")):
                draft.say(
                    "default",
                    setting.place,
                    key,
                    setting.value,
                    "",
                    "it belongs to a plugin of Dovecot that isn't needed here",
                )
                continue
            else:
                advice = "it belongs to a plugin of Dovecot: see docs/policies.md for what there is"
            draft.say("unmapped", setting.place, key, setting.value, "", advice)


def _take_login(whole: Block, draft: Draft) -> None:
    """Tell what becomes of how people log in."""
    for key, setting in whole.settings.items():
        if key == "auth_mechanisms":
            others = [name for name in setting.value.lower().split() if name not in _MECHANISMS]
            advice = f"{', '.join(others)} aren't offered: programs take PLAIN within TLS" if others else ""
            draft.say(
                "unmapped" if others else "default", setting.place, key, setting.value, "", advice or "both are offered"
            )
        elif key == "disable_plaintext_auth":
            if setting.value == "no":
                advice = "nobody logs in without TLS; see plaintext_login of a listener for networks that may"
                draft.say("unmapped", setting.place, key, setting.value, "listen.imap.plaintext_login", advice)
            else:
                draft.say("default", setting.place, key, setting.value, "", "nobody logs in without TLS")
        elif key == "ssl":
            advice = (
                "there is always TLS here"
                if setting.value != "no"
                else "without TLS nobody can log in: get a certificate"
            )
            draft.say(
                "unmapped" if setting.value == "no" else "default", setting.place, key, setting.value, "tls", advice
            )
        elif key == "mail_max_userip_connections":
            _take_sessions(draft, setting.value, f"{setting.place}: {key}")
            draft.say("mapped", setting.place, key, setting.value, "listen.imap.limits.sessions_per_account")
        elif key == "pop3_uidl_format":
            draft.commands = [_with_uidl(command, setting.value) for command in draft.commands]
            draft.say("mapped", setting.place, key, setting.value, "mta mailbox import --uidl")


def _take_sessions(draft: Draft, value: str, comment: str) -> None:
    if value.isascii() and value.isdigit() and int(value[:9]) > 0:
        for role in ("imap", "pop3"):
            for listener in draft.listeners(role):
                draft.put(("listen", listener, "limits"), "sessions_per_account", int(value[:9]), comment)


def _with_uidl(command: str, form: str) -> str:
    if not command.startswith("mta mailbox import ") or form == "%08Xu%08Xv":
        return command
    return command.replace("mta mailbox import ", f"mta mailbox import --uidl '{form}' ", 1)


def _tell_the_rest(whole: Block, draft: Draft) -> None:
    """Tell of every setting and block that nobody has looked at."""
    told = {finding.setting for finding in draft.findings}
    for key, setting in whole.settings.items():
        if key in told:
            continue
        if key in _IGNORED:
            draft.say("default", setting.place, key, setting.value, "", _IGNORED[key])
        else:
            advice = "nothing here is known to do that: see docs/operating.md"
            draft.say("unmapped", setting.place, key, setting.value, "", advice)
    for block in _rest(whole):
        draft.say(
            "default", block.place, f"{block.kind} {block.name}".strip(), "", "", "one process serves everybody here"
        )


def _rest(whole: Block) -> Iterator[Block]:
    """Yield the blocks about Dovecot's own processes, and those of one protocol."""
    for block in whole.blocks:
        if block.kind in ("service", "protocol", "dict"):
            yield block
