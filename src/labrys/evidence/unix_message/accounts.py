"""Reads the messages of the tools that change accounts and groups (shadow-utils and kin)."""

import re
from typing import Final

from labrys.evidence.unix_message.address import Parsed

PROGRAMS: Final = (
    *("useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel", "gpasswd"),
    *("passwd", "chpasswd", "chage", "chsh", "chfn", "newusers"),
)
_NEW: Final = re.compile(r"(?:new|add new) (?P<what>user|group|account):? (?P<rest>.*)", re.DOTALL)
_PAIR: Final = re.compile(r"(\w{1,16})=([^,]*)")
_COLUMNS: Final = {
    "name": "name",
    "account": "name",
    "UID": "uid",
    "uid": "uid",
    "GID": "gid",
    "gid": "gid",
    "home": "home",
    "shell": "shell",
    "from": "tty",
}
_USER: Final = r"'(?P<target_user>[^']*)'"
_GROUP: Final = r"'(?P<group>[^']*)'"
_FORMS: Final = tuple(
    (event, re.compile(form, re.DOTALL))
    for event, form in (
        ("group_member_added", rf"add {_USER} to group {_GROUP}"),
        ("shadow_group_member_added", rf"add {_USER} to shadow group {_GROUP}"),
        ("group_member_removed", rf"delete {_USER} from group {_GROUP}"),
        ("shadow_group_member_removed", rf"delete {_USER} from shadow group {_GROUP}"),
        (
            "group_member_added",
            r"user (?P<target_user>\S+) added by (?P<user>\S+) to group (?P<group>\S+)",
        ),
        (
            "group_member_removed",
            r"user (?P<target_user>\S+) removed by (?P<user>\S+) from group (?P<group>\S+)",
        ),
        (
            "group_members_set",
            r"members of group (?P<group>\S+) set by (?P<user>\S+) to (?P<value>.*)",
        ),
        ("user_add_failed", rf"failed adding user {_USER}.*"),
        ("user_deleted", rf"delete user {_USER}"),
        ("group_deleted", rf"removed group {_GROUP}(?: owned by {_USER})?"),
        ("shadow_group_deleted", rf"removed shadow group {_GROUP} owned by {_USER}"),
        ("group_deleted", rf"group {_GROUP} removed.*"),
        ("group_file_changed", r"group added to (?P<file>\S+): name=(?P<group>[^,]*).*"),
        ("group_changed", r"group changed in (?P<file>\S+) \(group (?P<group>[^/,)]*).*\)?"),
        ("user_locked", rf"lock user {_USER} password"),
        ("user_unlocked", rf"unlock user {_USER} password"),
        ("password_changed", rf"change user {_USER} password"),
        ("user_renamed", rf"change user name {_USER} to '(?P<value>[^']*)'"),
        (
            "user_changed",
            rf"change user {_USER} (?P<attribute>\S+) from '(?P<old>[^']*)' to '(?P<value>[^']*)'",
        ),
        ("user_changed", rf"change user {_USER} (?P<attribute>.*)"),
        ("password_changed", rf"password for {_USER} changed by '(?P<user>[^']*)'"),
        ("password_expiry_changed", r"changed password expiry for (?P<target_user>\S+)"),
        ("shell_changed", rf"changed user {_USER} shell to '(?P<shell>[^']*)'"),
        ("user_changed", rf"changed user {_USER} (?P<attribute>.*)"),
    )
)


def parse(message: str) -> Parsed:
    """`new user: name=a, UID=1000, …`, `add 'a' to group 'sudo'`, `delete user 'a'`, …"""
    if found := _NEW.fullmatch(message):
        return _new(found)
    for event, form in _FORMS:
        if found := form.fullmatch(message):
            return {"event": event, **found.groupdict()}
    return {}


def _new(found: "re.Match[str]") -> Parsed:
    what = "group" if found["what"] == "group" else "user"
    fields: Parsed = {"event": f"{what}_added"}
    for name, value in _PAIR.findall(found["rest"]):
        if name in _COLUMNS:
            fields.setdefault(_COLUMNS[name], value)
    name = fields.pop("name", None)
    fields["group" if what == "group" else "target_user"] = name
    return fields
