import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.unix_message import parse

SAID = [
    (
        "sshd",
        "Accepted publickey for alice from 192.0.2.7 port 51022 ssh2: RSA SHA256:abc+/=",
        "linux.sshd accepted auth_method=publickey user=alice src_ip=192.0.2.7 src_port=51022"
        " protocol=ssh2 key=RSA_SHA256:abc+/=",
    ),
    (
        "sshd",
        "Failed password for invalid user admin from 2001:db8::5 port 22 ssh2",
        "linux.sshd failed auth_method=password user=admin src_ip=2001:db8::5 src_port=22"
        " protocol=ssh2 invalid_user=true",
    ),
    (
        "sshd-session",
        "Failed password for root from ::ffff:192.0.2.1 port 4 ssh2",
        "linux.sshd failed auth_method=password user=root src_ip=192.0.2.1 src_port=4 protocol=ssh2",
    ),
    (
        "sshd",  # a user name that pretends to be the message
        "Failed password for invalid user root from 10.0.0.1 port 1 ssh2 from 192.0.2.9 port 7 ssh2",
        "linux.sshd failed auth_method=password user=root_from_10.0.0.1_port_1_ssh2"
        " src_ip=192.0.2.9 src_port=7 protocol=ssh2 invalid_user=true",
    ),
    ("sshd", "Invalid user  from 192.0.2.9", "linux.sshd invalid_user user= src_ip=192.0.2.9"),
    (
        "sshd",
        "Invalid user bob from 192.0.2.9 port 99",
        "linux.sshd invalid_user user=bob src_ip=192.0.2.9 src_port=99",
    ),
    (
        "sshd",
        "input_userauth_request: invalid user bob [preauth]",
        "linux.sshd invalid_user_request user=bob invalid_user=true",
    ),
    (
        "sshd",
        "Connection closed by authenticating user root 192.0.2.9 port 7 [preauth]",
        "linux.sshd connection_closed user=root src_ip=192.0.2.9 src_port=7",
    ),
    (
        "sshd",
        "Connection reset by invalid user a b 192.0.2.9 port 7 [preauth]",
        "linux.sshd connection_reset user=a_b src_ip=192.0.2.9 src_port=7 invalid_user=true",
    ),
    (
        "sshd",
        "Connection closed by 192.0.2.9 [preauth]",
        "linux.sshd connection_closed src_ip=192.0.2.9",
    ),
    (
        "sshd",
        "Connection from 192.0.2.9 port 7 on 192.0.2.1 port 22",
        "linux.sshd connection src_ip=192.0.2.9 src_port=7 dst_ip=192.0.2.1 dst_port=22",
    ),
    (
        "sshd",
        "Received disconnect from 192.0.2.9: 11: Bye Bye [preauth]",
        "linux.sshd disconnect_received src_ip=192.0.2.9 code=11 reason=Bye_Bye",
    ),
    (
        "sshd",
        "Received disconnect from 192.0.2.9 port 7:11: disconnected by user",
        "linux.sshd disconnect_received src_ip=192.0.2.9 src_port=7 code=11"
        " reason=disconnected_by_user",
    ),
    (
        "sshd",
        "Disconnected from user alice 192.0.2.9 port 7",
        "linux.sshd disconnected user=alice src_ip=192.0.2.9 src_port=7",
    ),
    (
        "sshd",
        "Disconnecting: Too many authentication failures [preauth]",
        "linux.sshd disconnecting reason=Too_many_authentication_failures",
    ),
    (
        "sshd",
        "Disconnecting authenticating user root 192.0.2.9 port 7: Too many failures [preauth]",
        "linux.sshd disconnecting user=root src_ip=192.0.2.9 src_port=7 reason=Too_many_failures",
    ),
    (
        "sshd",
        "error: maximum authentication attempts exceeded for invalid user x from 192.0.2.9 port 7"
        " ssh2 [preauth]",
        "linux.sshd max_attempts user=x src_ip=192.0.2.9 src_port=7 invalid_user=true",
    ),
    (
        "sshd",
        "reverse mapping checking getaddrinfo for h.example [192.0.2.9] failed - POSSIBLE BREAK-IN!",
        "linux.sshd reverse_mapping_failed src_host=h.example src_ip=192.0.2.9",
    ),
    (
        "sshd",
        "Did not receive identification string from 192.0.2.9",
        "linux.sshd no_identification src_ip=192.0.2.9",
    ),
    (
        "sshd",
        "User root from 192.0.2.9 not allowed because not listed in AllowUsers",
        "linux.sshd not_allowed user=root src_ip=192.0.2.9 reason=not_listed_in_AllowUsers",
    ),
    (
        "sshd",
        "error: PAM: Authentication failure for illegal user eve from host.example",
        "linux.sshd auth_failure user=eve src_host=host.example invalid_user=true"
        " reason=Authentication_failure_",
    ),
    (
        "sshd",
        "error: PAM: authentication error for eve from 192.0.2.9 via 192.0.2.1 ",
        "linux.sshd auth_failure user=eve src_ip=192.0.2.9 dst_ip=192.0.2.1"
        " reason=authentication_error_",
    ),
    (
        "sshd",
        "Failed password for invalid user eve from 2001:db8::9",
        "linux.sshd failed auth_method=password user=eve src_ip=2001:db8::9 invalid_user=true",
    ),
    (
        "sshd",
        "ROOT LOGIN REFUSED FROM ::ffff:192.0.2.9 port 12345 [preauth]",
        "linux.sshd not_allowed user=root src_ip=192.0.2.9 src_port=12345",
    ),
    (
        "sshd",
        "refused connect from host.example (192.0.2.9)",
        "linux.sshd connection_refused src_ip=192.0.2.9 src_host=host.example",
    ),
    (
        "sshd",
        "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.9 "
        " user=root",
        "linux.sshd more_auth_failures more=2 uid=0 tty=ssh src_ip=192.0.2.9 user=root",
    ),
    (
        "sshd",
        "message repeated 5 times: [ Failed password for root from 192.0.2.9 port 7 ssh2]",
        "linux.sshd failed repeat=5 auth_method=password user=root src_ip=192.0.2.9 src_port=7"
        " protocol=ssh2",
    ),
    ("sshd", "Server listening on :: port 22.", "linux.sshd listening listen_ip=:: listen_port=22"),
    ("sshd", "something new", "linux.sshd"),
    (
        "sshd",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser="
        " rhost=192.0.2.9  user=a user=b",
        "linux.sshd auth_failure pam_module=pam_unix pam_service=sshd pam_type=auth uid=0 tty=ssh"
        " src_ip=192.0.2.9 user=a_user=b",
    ),
    (
        "sshd(pam_unix)",
        "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=h.example ",
        "linux.sshd auth_failure uid=0 tty=NODEVssh src_host=h.example",
    ),
    (
        "sshd",
        "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
        "linux.sshd session_opened pam_module=pam_unix pam_service=sshd pam_type=session user=alice"
        " uid=1000 by_uid=0",
    ),
    (
        "su",
        "pam_unix(su-l:session): session opened for user root by alice(uid=1000)",
        "linux.su session_opened pam_module=pam_unix pam_service=su-l pam_type=session user=alice"
        " uid=1000 target_user=root",
    ),
    (
        "su",
        "pam_unix(su:auth): authentication failure; logname=alice uid=1000 euid=0 tty=pts/1"
        " ruser=alice rhost=  user=root",
        "linux.su auth_failure pam_module=pam_unix pam_service=su pam_type=auth user=alice"
        " target_user=root uid=1000 tty=pts/1",
    ),
    (
        "systemd",
        "pam_unix(systemd-user:session): session closed for user alice",
        "linux.pam session_closed pam_module=pam_unix pam_service=systemd-user pam_type=session"
        " user=alice",
    ),
    (
        "su",
        "FAILED SU (to root) alice on pts/0",
        "linux.su failed user=alice target_user=root tty=pts/0",
    ),
    ("su", "Successful su for root by alice", "linux.su accepted user=alice target_user=root"),
    (
        "su",
        "+ /dev/pts/0 alice:root",
        "linux.su switched tty=/dev/pts/0 user=alice target_user=root",
    ),
    (
        "sudo",
        "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/sh -c a ; b",
        "linux.sudo command user=alice tty=pts/0 pwd=/home/alice target_user=root"
        " command=/bin/sh_-c_a_;_b",
    ),
    (
        "sudo",
        "alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls",
        "linux.sudo failed attempts=3 reason=3_incorrect_password_attempts user=alice tty=pts/0"
        " pwd=/ target_user=root command=/bin/ls",
    ),
    (
        "sudo",
        "eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls",
        "linux.sudo not_in_sudoers reason=user_NOT_in_sudoers user=eve tty=pts/0 pwd=/"
        " target_user=root command=/bin/ls",
    ),
    ("sudo", "unable to resolve host a : b", "linux.sudo"),
    (
        "CROND",
        "(root) CMD (run-parts /etc/cron.hourly)",
        "linux.cron command user=root command=run-parts_/etc/cron.hourly",
    ),
    (
        "/usr/sbin/cron",
        "(CRON) INFO (Running @reboot jobs)",
        "linux.cron info user=CRON reason=Running_@reboot_jobs",
    ),
    ("crontab", "(alice) REPLACE (alice)", "linux.cron replace user=alice target_user=alice"),
    (
        "run-parts(/etc/cron.daily)",
        "starting logrotate",
        "linux.cron job_started command=logrotate",
    ),
    (
        "useradd",
        "new user: name=eve, UID=0, GID=0, home=/root, shell=/bin/bash, from=/dev/pts/1",
        "linux.useradd user_added target_user=eve uid=0 gid=0 home=/root shell=/bin/bash"
        " tty=/dev/pts/1",
    ),
    ("groupadd", "new group: name=g, GID=7", "linux.groupadd group_added group=g gid=7"),
    (
        "usermod",
        "add 'eve' to group 'sudo'",
        "linux.usermod group_member_added target_user=eve group=sudo",
    ),
    ("userdel", "delete user 'eve'", "linux.userdel user_deleted target_user=eve"),
    (
        "usermod",
        "change user 'eve' UID from '1' to '0'",
        "linux.usermod user_changed target_user=eve attribute=UID old=1 value=0",
    ),
    (
        "passwd",
        "pam_unix(passwd:chauthtok): password changed for eve",
        "linux.passwd password_changed"
        " pam_module=pam_unix pam_service=passwd pam_type=chauthtok target_user=eve",
    ),
    (
        "chage",
        "changed password expiry for eve",
        "linux.chage password_expiry_changed target_user=eve",
    ),
    (
        "gpasswd",
        "user eve added by root to group sudo",
        "linux.gpasswd group_member_added target_user=eve user=root group=sudo",
    ),
    (
        "systemd-logind",
        "New session 12 of user alice.",
        "linux.systemd_logind session_opened session=12 user=alice",
    ),
    ("login", "ROOT LOGIN ON tty1", "linux.login accepted user=root tty=tty1"),
    (
        "login",
        "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
        "linux.login failed tty=/dev/tty1 user=root reason=Authentication_failure",
    ),
    (
        "kernel",
        "[ 12.345678] [UFW BLOCK] IN=eth0 OUT= MAC=aa SRC=192.0.2.9 DST=192.0.2.1 LEN=40 TTL=54 DF"
        " PROTO=TCP SPT=4444 DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0 ",
        "linux.firewall blocked prefix=[UFW_BLOCK] flags=DF,SYN IN=eth0 OUT= MAC=aa SRC=192.0.2.9"
        " DST=192.0.2.1 LEN=40 TTL=54 PROTO=TCP SPT=4444 DPT=22 WINDOW=1024 RES=0x00 URGP=0"
        " src_ip=192.0.2.9 src_port=4444 dst_ip=192.0.2.1 dst_port=22 protocol=TCP"
        " flow_state=REJ",
    ),
    ("kernel", "usb 1-1: new device", "linux.syslog"),
    ("postfix/smtpd", "connect from unknown[192.0.2.9]", "linux.syslog"),
    (None, "text", "linux.syslog"),
    (
        "sysmon",
        '<Event><System><Provider Name="Linux-Sysmon" Guid="{x}"/><EventID>1</EventID><TimeCreated'
        ' SystemTime="2024-03-04T05:06:07.000Z"/><Execution ProcessID="3" ThreadID="4"/></System>'
        '<EventData><Data Name="Image">/bin/sh</Data><Data Name="CommandLine">a &amp;&amp; b</Data>'
        '<Data Name="User"/></EventData></Event>',
        "linux.sysmon.1 - Provider_Name=Linux-Sysmon Provider_Guid={x} EventID=1"
        " TimeCreated=2024-03-04T05:06:07.000Z ExecutionProcessID=3 ExecutionThreadID=4"
        " Image=/bin/sh CommandLine=a_&&_b User=",
    ),
]


@pytest.mark.parametrize(("program", "message", "want"), SAID, ids=lambda value: str(value)[:40])
def test_what_programs_say(program, message, want):
    shape, *rest = want.split(" ")
    fields = dict(pair.replace("_", "\0").split("=", 1) for pair in rest if "=" in pair)
    found_shape, found = parse(program, message)
    said = {
        name.replace("_", "\0"): (",".join(value) if isinstance(value, list) else value)
        .replace(" ", "\0")
        .replace("_", "\0")
        for name, value in found.items()
        if value is not None and name != "event"
    }
    if rest and "=" not in rest[0] and rest[0] != "-":
        assert found["event"] == rest[0]
    if rest and rest[0] == "invalid_user":
        assert said.pop("invalid\0user") == "true"
    assert (found_shape, said) == (shape, fields)


PIECES = st.sampled_from(
    sorted({word for _, message, _ in SAID for word in message.split(" ")} | {"]", "(", " ; ", "'"})
)


@given(
    st.sampled_from([program for program, _, _ in SAID]) | st.text(max_size=20),
    st.text(max_size=80) | st.lists(PIECES, max_size=30).map(" ".join),
)
def test_nothing_makes_it_fail(program, message):
    shape, fields = parse(program, message)
    assert (shape, fields) == parse(program, message)
    assert shape.startswith("linux.")
    assert all(value is None or isinstance(value, str | list) for value in fields.values())


@pytest.mark.parametrize(
    ("program", "unit", "start"),
    [
        ("sshd", " from ", "Failed password for "),
        ("sshd", " for x from y port 1", "Starting session: "),
        ("sshd", " user a 1 port ", "Disconnecting authenticating user "),
        ("sshd", "message repeated 1 times: [ ", ""),
        ("usermod", "' to '", "change user 'a' b from '"),
        ("su", " by ", "pam_unix(su:session): session opened for user "),
        (
            "su",
            " ruser= rhost= tty= uid= euid=",
            "pam_unix(su:auth): authentication failure; logname=",
        ),
        ("sudo", " ; ", "a : "),
        ("cron", "(a) A A A A ", "(root) CMD ("),
        ("kernel", " A=b", "IN= SRC= DST="),
        ("sysmon", '<Data Name="a">', "<Event><System><EventID>1</EventID></System>"),
        ("login", " FOR ', ", "FAILED LOGIN 1 FROM tty1"),
    ],
)
def test_no_message_takes_long(program, unit, start):
    message = start + unit * (200_000 // len(unit))
    started = time.process_time()
    parse(program, message)
    assert time.process_time() - started < 0.5
