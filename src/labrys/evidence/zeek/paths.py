"""Tells which of Zeek's logs a row belongs to (Zeek manual, Script Reference, Log Files)."""

import re
from functools import lru_cache
from typing import Final

_SIGNATURES: Final = tuple(
    (path, frozenset(keys.split()))
    for path, keys in (
        ("conn", "conn_state"),
        ("dns", "qtype_name"),
        ("dns", "trans_id query"),
        ("dns", "trans_id rcode"),
        ("smtp", "mailfrom"),
        ("smtp", "rcptto"),
        ("smtp", "helo"),
        ("http", "trans_depth"),
        ("ssl", "established"),
        ("ssl", "cipher curve"),
        ("x509", "certificate.serial"),
        ("pe", "compile_ts"),
        ("pe", "is_exe"),
        ("ocsp", "hashAlgorithm"),
        ("files", "fuid analyzers"),
        ("files", "fuid depth source"),
        ("notice", "note msg"),
        ("kerberos", "request_type"),
        ("ntlm", "domainname"),
        ("ntlm", "server_nb_computer_name"),
        ("ntlm", "server_dns_computer_name"),
        ("rdp", "security_protocol"),
        ("rdp", "cookie keyboard_layout"),
        ("rdp", "cookie result"),
        ("rfb", "client_major_version"),
        ("smb_mapping", "share_type"),
        ("smb_files", "action times.modified"),
        ("smb_files", "action name path"),
        ("smb_cmd", "command sub_command"),
        ("dce_rpc", "named_pipe"),
        ("dce_rpc", "endpoint operation"),
        ("ssh", "auth_attempts"),
        ("ssh", "host_key_alg"),
        ("ssh", "hassh"),
        ("dhcp", "msg_types"),
        ("dhcp", "assigned_ip mac"),
        ("ntp", "stratum"),
        ("snmp", "get_requests"),
        ("sip", "call_id"),
        ("ftp", "command reply_code"),
        ("ftp", "command user"),
        ("irc", "nick command"),
        ("tunnel", "tunnel_type"),
        ("software", "software_type"),
        ("known_services", "port_num port_proto service"),
        ("known_certs", "port_num issuer_subject"),
        ("radius", "ttl framed_addr"),
        ("radius", "connect_info"),
        ("mysql", "cmd arg"),
        ("modbus", "func"),
        ("dnp3", "fc_request"),
        ("syslog", "facility severity message"),
        ("socks", "request_p"),
        ("analyzer", "analyzer_kind"),
        ("dpd", "analyzer failure_reason"),
        ("weird", "name notice peer"),
        ("capture_loss", "percent_lost"),
        ("stats", "pkts_proc"),
        ("reporter", "level message"),
        ("intel", "seen.indicator"),
        ("signatures", "sig_id"),
        ("ldap_search", "base_object"),
        ("ldap", "message_id opcode"),
        ("quic", "client_initial_dcid"),
        ("mqtt_connect", "connect_status"),
        ("mqtt_publish", "topic payload"),
        ("traceroute", "src dst proto"),
        ("arp", "operation src_mac dst_mac"),
        ("packet_filter", "node filter"),
        ("broker", "ty ev"),
        ("cluster", "node message"),
    )
)
"""Fields that together occur in one log only, likelier logs first."""
KNOWN: Final = frozenset(path for path, _ in _SIGNATURES) | {
    *("known_hosts", "known_devices", "loaded_scripts", "netcontrol", "openflow", "telemetry"),
    *("postgresql", "websocket", "conn-summary", "open_conn", "http2", "ja4ssh"),
}


@lru_cache(maxsize=4096)
def of_fields(names: tuple[str, ...]) -> str | None:
    """The log that has fields of those names; None when that is not clear."""
    present = frozenset(names)
    return next((path for path, needed in _SIGNATURES if needed <= present), None)


def of_name(name: str) -> str | None:
    """The log that a file of that name holds (`conn.10:00:00-11:00:00.log`, `host_dns.log`)."""
    last = re.split(r"[/\\]", name.lower())[-1]
    found = [
        path for path in KNOWN if re.search(rf"(?<![a-z0-9]){re.escape(path)}(?![a-z0-9])", last)
    ]
    return max(found, key=lambda path: (len(path), path), default=None)
