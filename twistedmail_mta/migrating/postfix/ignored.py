"""Settings of Postfix about which nothing is to be done, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_REASONS: Final[Mapping[str, str]] = {
    "it is about Postfix's own files and programs": (
        "command_directory daemon_directory data_directory queue_directory mail_owner setgid_group default_privs"
        " sendmail_path newaliases_path mailq_path html_directory manpage_directory sample_directory"
        " readme_directory meta_directory shlib_directory debugger_command debug_peer_level debug_peer_list"
        " compatibility_level process_id_directory syslog_facility syslog_name maillog_file multi_instance_enable"
        " multi_instance_wrapper multi_instance_name multi_instance_group multi_instance_directories"
        " config_directory config_owner mail_name mail_version default_process_limit import_environment"
        " export_environment default_database_type smtputf8_enable alias_database alternate_config_directories"
        " queue_minfree smtpd_tls_session_cache_database smtp_tls_session_cache_database"
        " lmtp_tls_session_cache_database smtpd_tls_session_cache_timeout smtp_tls_session_cache_timeout"
        " tls_random_source tls_append_default_CA authorized_submit_users authorized_flush_users"
        " authorized_mailq_users fast_flush_domains address_verify_map qmgr_message_active_limit"
        " qmgr_message_recipient_limit queue_run_delay in_flow_delay max_idle max_use"
    ),
    "people read mail here by IMAP and POP3, no program is told of it": (
        "biff mailbox_delivery_lock virtual_mailbox_lock mailbox_command_maps virtual_uid_maps virtual_gid_maps"
        " virtual_minimum_uid forward_path local_command_shell prepend_delivered_header mail_spool_directory"
        " dovecot_destination_recipient_limit lmtp_destination_recipient_limit"
    ),
    "it is always so here": (
        "append_dot_mydomain append_at_myorigin disable_vrfy_command smtpd_helo_required swap_bangpath"
        " allow_percent_hack smtpd_delay_reject strict_rfc821_envelopes smtpd_tls_auth_only smtpd_use_tls"
        " smtp_use_tls smtpd_tls_security_level smtpd_sasl_security_options smtpd_sasl_tls_security_options"
        " smtp_sasl_security_options smtp_sasl_tls_security_options broken_sasl_auth_clients"
        " smtpd_sasl_authenticated_header smtpd_sasl_local_domain show_user_unknown_table_name"
        " smtpd_reject_unlisted_sender smtpd_reject_unlisted_recipient remote_header_rewrite_domain"
        " local_header_rewrite_clients allow_min_user allow_untrusted_routing smtp_tls_note_starttls_offer"
        " smtp_dns_support_level disable_dns_lookups smtp_host_lookup unknown_local_recipient_reject_code"
        " unknown_client_reject_code smtpd_sender_login_maps smtp_always_send_ehlo smtpd_discard_ehlo_keywords"
        " smtp_skip_5xx_greeting smtp_sasl_mechanism_filter smtpd_sasl_exceptions_networks enable_long_queue_ids"
        " parent_domain_matches_subdomains smtpd_relay_before_recipient_restrictions smtpd_forbid_bare_newline"
        " smtpd_forbid_bare_newline_exclusions smtpd_forbid_unauth_pipelining long_queue_ids"
        " relay_domains_reject_code relay_transport default_transport local_transport smtpd_data_restrictions"
        " owner_request_special expand_owner_alias propagate_unmatched_extensions strict_mailbox_ownership"
        " smtp_address_preference smtp_cname_overrides_servername smtpd_peername_lookup"
        " smtpd_sasl_auth_hide_password_mechanisms"
    ),
    "TLS is chosen by OpenSSL's safe defaults here": (
        "smtpd_tls_protocols smtpd_tls_mandatory_protocols smtp_tls_protocols smtp_tls_mandatory_protocols"
        " smtpd_tls_ciphers smtpd_tls_mandatory_ciphers smtp_tls_ciphers smtp_tls_mandatory_ciphers"
        " smtpd_tls_exclude_ciphers smtpd_tls_mandatory_exclude_ciphers smtp_tls_exclude_ciphers"
        " tls_preempt_cipherlist smtpd_tls_dh1024_param_file smtpd_tls_dh512_param_file smtpd_tls_eecdh_grade"
        " tls_high_cipherlist tls_medium_cipherlist tls_ssl_options smtpd_tls_received_header smtpd_tls_loglevel"
        " smtp_tls_loglevel smtp_tls_CAfile smtp_tls_CApath smtpd_tls_CAfile smtpd_tls_CApath smtpd_tls_ask_ccert"
        " smtp_tls_mandatory_exclude_ciphers lmtp_tls_mandatory_ciphers tls_eecdh_auto_curves"
        " smtp_tls_connection_reuse"
    ),
    "the greeting is this server's own": ("smtpd_banner smtp_helo_name_banner"),
    "this server judges passwords itself, or its [[checker]] does": (
        "smtpd_sasl_type smtpd_sasl_path smtpd_sasl_service cyrus_sasl_config_path smtpd_sasl_response_limit"
        " smtpd_sasl_mechanism_filter"
    ),
    "milters are told what they ask for": (
        "milter_protocol milter_connect_macros milter_helo_macros milter_mail_macros milter_rcpt_macros"
        " milter_data_macros milter_end_of_data_macros milter_macro_daemon_name milter_macro_v"
        " milter_connect_timeout milter_command_timeout milter_content_timeout milter_default_action"
    ),
    "mail this host makes itself is signed by [dkim], and filtered by nobody": (
        "non_smtpd_milters internal_mail_filter_classes"
    ),
    "reports go to whom [reports] copy_to names": (
        "notify_classes error_notice_recipient bounce_notice_recipient 2bounce_notice_recipient"
        " delay_notice_recipient double_bounce_sender bounce_size_limit bounce_template_file"
    ),
    "postscreen's greylisting by time is what the plugin early does": (
        "postscreen_greet_action postscreen_greet_wait postscreen_access_list postscreen_blacklist_action"
        " postscreen_cache_map postscreen_greet_banner postscreen_dnsbl_action"
    ),
    "it is named where it is used": (
        "smtpd_restriction_classes receive_override_options virtual_transport mailbox_transport"
        " virtual_alias_recursion_limit virtual_alias_expansion_limit virtual_mailbox_limit myorigin mydomain"
    ),
    "the list is empty, or about commands nobody uses": ("smtpd_etrn_restrictions smtpd_noop_commands"),
}
IGNORED: Final[Mapping[str, str]] = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""Why, by name."""

ADVICE: Final[Mapping[str, str]] = {
    "mailbox_command": "programs aren't started by mail here: mail goes into mailboxes",
    "fallback_relay": "see [outbound.fallback]",
    "smtp_fallback_relay": 'see [outbound.fallback]: via = "smtp://HOST"',
    "luser_relay": "see domains.NAME.catch_all",
    "sender_dependent_default_transport_maps": "see [[route]] with match = { from = [...] }",
    "smtpd_client_connection_rate_limit": "see connections_per_client in [limits], and the plugin tarpit",
    "postscreen_dnsbl_sites": "see the plugin dnsbl: zones with weights",
    "relocated_maps": 'see the rules of the plugin headers, or an alias to a route with via = "error:550 5.1.6 ..."',
    "mailbox_transport_maps": "see [[route]] with lmtp+unix:",
    "fallback_transport": "see domains.NAME.catch_all",
    "smtpd_sender_login_maps": "see mta account set ADDRESS --send-as",
    "proxy_interfaces": "see server.addresses",
    "transport_retry_time": "see [queue]",
}
"""What to do about settings that can't be taken over, by name."""
