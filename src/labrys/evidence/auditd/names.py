"""Names of audit record types and system calls, by number (linux/audit.h, libaudit, asm/unistd)."""

import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

_RUNS: Final = {
    1100: "USER_AUTH USER_ACCT USER_MGMT CRED_ACQ CRED_DISP USER_START USER_END USER_AVC"
    " USER_CHAUTHTOK USER_ERR CRED_REFR USYS_CONFIG USER_LOGIN USER_LOGOUT ADD_USER DEL_USER"
    " ADD_GROUP DEL_GROUP DAC_CHECK CHGRP_ID TEST TRUSTED_APP USER_SELINUX_ERR USER_CMD USER_TTY"
    " CHUSER_ID GRP_AUTH SYSTEM_BOOT SYSTEM_SHUTDOWN SYSTEM_RUNLEVEL SERVICE_START SERVICE_STOP"
    " GRP_MGMT GRP_CHAUTHTOK MAC_CHECK ACCT_LOCK ACCT_UNLOCK USER_DEVICE SOFTWARE_UPDATE",
    1200: "DAEMON_START DAEMON_END DAEMON_ABORT DAEMON_CONFIG DAEMON_RECONFIG DAEMON_ROTATE"
    " DAEMON_RESUME DAEMON_ACCEPT DAEMON_CLOSE DAEMON_ERR",
    1300: "SYSCALL FS_WATCH PATH IPC SOCKETCALL CONFIG_CHANGE SOCKADDR CWD",
    1309: "EXECVE",
    1311: "IPC_SET_PERM MQ_OPEN MQ_SENDRECV MQ_NOTIFY MQ_GETSETATTR KERNEL_OTHER FD_PAIR OBJ_PID"
    " TTY EOE BPRM_FCAPS CAPSET MMAP NETFILTER_PKT NETFILTER_CFG SECCOMP PROCTITLE FEATURE_CHANGE"
    " REPLACE KERN_MODULE FANOTIFY TIME_INJOFFSET TIME_ADJNTPVAL BPF EVENT_LISTENER URINGOP OPENAT2"
    " DM_CTRL DM_EVENT",
    1400: "AVC SELINUX_ERR AVC_PATH MAC_POLICY_LOAD MAC_STATUS MAC_CONFIG_CHANGE MAC_UNLBL_ALLOW"
    " MAC_CIPSOV4_ADD MAC_CIPSOV4_DEL MAC_MAP_ADD MAC_MAP_DEL MAC_IPSEC_ADDSA MAC_IPSEC_DELSA"
    " MAC_IPSEC_ADDSPD MAC_IPSEC_DELSPD MAC_IPSEC_EVENT MAC_UNLBL_STCADD MAC_UNLBL_STCDEL"
    " MAC_CALIPSO_ADD MAC_CALIPSO_DEL",
    1500: "AA APPARMOR_AUDIT APPARMOR_ALLOWED APPARMOR_DENIED APPARMOR_HINT APPARMOR_STATUS"
    " APPARMOR_ERROR APPARMOR_KILL",
    1700: "ANOM_PROMISCUOUS ANOM_ABEND ANOM_LINK ANOM_CREAT",
    1800: "INTEGRITY_DATA INTEGRITY_METADATA INTEGRITY_STATUS INTEGRITY_HASH INTEGRITY_PCR"
    " INTEGRITY_RULE INTEGRITY_EVM_XATTR INTEGRITY_POLICY_RULE",
    2000: "KERNEL",
}
_NAMES: Final = {
    str(start + step): name
    for start, names in _RUNS.items()
    for step, name in enumerate(names.split(" "))
} | {"1006": "LOGIN"}

ENDS: Final = frozenset(["EOE", *_RUNS[1100].split(" "), *_RUNS[1200].split(" ")])
"""Record types after which no other of their event follows: the end mark, and what user-space
programs send, which is one record an event."""

_TABLES: Final = {
    "c000003e": "x86_64",
    "x86_64": "x86_64",
    "40000003": "i386",
    "i386": "i386",
    "c00000b7": "generic",
    "aarch64": "generic",
    "c00000f3": "generic",
    "riscv64": "generic",
}


def type_name(written: str) -> str:
    """The name of a record type written as `SYSCALL`, `1300` or `UNKNOWN[1300]`."""
    if written.startswith("UNKNOWN["):
        return _NAMES.get(written[8:-1], written)
    return _NAMES.get(written, written)


@lru_cache(maxsize=4096)
def syscall_name(arch: str, number: str) -> str | None:
    """What system call a number is on an architecture; None where that is not known."""
    if not number.isdecimal() or len(number) > 4 or arch not in _TABLES:
        return None
    names = _syscalls()[_TABLES[arch]]
    name = names[int(number)] if int(number) < len(names) else "-"
    return None if name == "-" else name


@cache
def _syscalls() -> dict[str, list[str]]:
    text = (files("labrys.evidence.auditd") / "syscalls.toml").read_text("utf-8")
    return {arch: names.split() for arch, names in tomllib.loads(text).items()}
