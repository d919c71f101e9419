"""Reads SMB 2 and what matters of SMB 1 (MS-SMB2, MS-CIFS): shares, files, pipes and logons.

Records are those of Zeek's `smb_mapping.log`, `smb_files.log`, `ntlm.log` and `dce_rpc.log`. Each
packet is read on its own: a message that is cut off gives what its first packet holds.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from labrys.evidence.pcap.protocols import ntlm, rpc
from labrys.evidence.pcap.talk import Piece, Talk, emit
from labrys.evidence.records import Records

MAPPING, FILES, NTLM = "net.smb_mapping", "net.smb_files", "net.ntlm"
SESSION, TREE, CREATE, WRITE, CONTROL = 1, 3, 5, 9, 11
OLD_SESSION, OLD_TREE, OLD_CREATE, OLD_CALL, OLD_WRITE = 0x73, 0x75, 0xA2, 0x25, 0x2F
_SET_INFO: Final = 17
COMMANDS: Final = (SESSION, TREE, CREATE, WRITE, CONTROL, _SET_INFO)
OLD_COMMANDS: Final = (OLD_SESSION, OLD_TREE, OLD_CREATE, OLD_CALL, OLD_WRITE)
_NEW, _OLD = b"\xfeSMB", b"\xffSMB"
_HEADER: Final = 64
_PIPE_CALL: Final = 0x0011C017  # FSCTL_PIPE_TRANSCEIVE
_DELETE_ON_CLOSE: Final = 0x1000
_RENAME, _DISPOSITION = 10, 13
_SHARES: Final = {1: "DISK", 2: "PIPE", 3: "PRINT"}
_MORE: Final = 0xC0000016
_STATUS: Final = {
    0: "SUCCESS", 0xC000006D: "LOGON_FAILURE", 0xC000006A: "WRONG_PASSWORD",
    0xC0000064: "NO_SUCH_USER", 0xC0000234: "ACCOUNT_LOCKED_OUT", 0xC0000072: "ACCOUNT_DISABLED",
    0xC000006E: "ACCOUNT_RESTRICTION", 0xC0000071: "PASSWORD_EXPIRED",
    0xC0000193: "ACCOUNT_EXPIRED", 0xC000015B: "LOGON_TYPE_NOT_GRANTED",
    0xC0000224: "PASSWORD_MUST_CHANGE", 0xC0000022: "ACCESS_DENIED",
}  # fmt: skip
_MOST_KEPT: Final = 1_024
_MOST_MESSAGES: Final = 64


@dataclass(slots=True)
class _State:
    trees: "OrderedDict[int, str]" = field(default_factory=OrderedDict)
    files: "OrderedDict[bytes, tuple[str, str]]" = field(default_factory=OrderedDict)
    waiting: "OrderedDict[int, tuple[Piece, Any]]" = field(default_factory=OrderedDict)
    written: set[bytes] = field(default_factory=set)
    bound: rpc.Bound = field(default_factory=dict)
    challenge: dict[str, Any] = field(default_factory=dict)
    answer: tuple[Piece, dict[str, Any]] | None = None

    @property
    def weight(self) -> int:
        """About how many bytes are kept."""
        kept = len(self.trees) + len(self.files) + len(self.waiting) + len(self.written)
        return 1_000 * (kept + len(self.bound))


def _keep(kept: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    kept[key] = value
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)


def datagram(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """The messages in one packet."""
    if talk.state is None:
        talk.state = _State()
    data, at = piece.data, 4
    piece = piece._replace(data=b"")  # what is kept must be small
    for _ in range(_MOST_MESSAGES):
        message = data[at:]
        if message.startswith(_OLD):
            _old(talk, records, piece, message)
            return
        if not message.startswith(_NEW) or len(message) < _HEADER:
            return
        _new(talk, records, piece, message)
        following = int.from_bytes(message[20:24], "little")
        if following:
            at += max(following, _HEADER)
        else:  # another message may stand behind this one, behind its own length
            end = data.find(_NEW, at + _HEADER)
            if end < 0 or data[end - 4] != 0:
                return
            at = end


def _new(talk: Talk, records: Records, piece: Piece, message: bytes) -> None:
    command = int.from_bytes(message[12:14], "little")
    if message[16] & 1:
        _response(talk, records, piece, message, command)
    else:
        _request(talk, records, piece, message, command)


def _request(talk: Talk, records: Records, piece: Piece, message: bytes, command: int) -> None:
    state: _State = talk.state
    number = int.from_bytes(message[24:32], "little")
    body = message[_HEADER:]
    tree = state.trees.get(int.from_bytes(message[36:40], "little"), "")
    if command == SESSION:
        _logon(state, piece, message)
    elif command == TREE:
        _keep(state.waiting, number, (piece, _text(message, body, 4, 6)))
    elif command == CREATE and len(body) >= 48:
        options = int.from_bytes(body[40:44], "little")
        name = _text(message, body, 44, 46)
        _keep(state.waiting, number, (piece, (name, tree, options)))
    elif command in (WRITE, CONTROL):
        _write(talk, records, piece, message, command)
    elif command == _SET_INFO and len(body) >= 32:
        _set_info(talk, records, piece, message)


def _response(talk: Talk, records: Records, piece: Piece, message: bytes, command: int) -> None:
    state: _State = talk.state
    status = int.from_bytes(message[8:12], "little")
    number = int.from_bytes(message[24:32], "little")
    body = message[_HEADER:]
    if command == SESSION:
        _answered(talk, records, message, status)
    asked = state.waiting.pop(number, None)
    if asked is None or status:
        return
    at, what = asked
    if command == TREE and isinstance(what, str) and len(body) >= 3:
        tree = int.from_bytes(message[36:40], "little")
        _keep(state.trees, tree, what)
        kind = _SHARES.get(body[2], str(body[2]))
        emit(records, talk, MAPPING, {"path": what, "share_type": kind}, at)
    elif command == CREATE and isinstance(what, tuple) and len(body) >= 80:
        name, tree_name, options = what
        _keep(state.files, body[64:80], (name, tree_name))
        pipe = tree_name.upper().endswith("IPC$")
        action = (
            "FILE_DELETE" if options & _DELETE_ON_CLOSE else "PIPE_OPEN" if pipe else "FILE_OPEN"
        )
        size = str(int.from_bytes(body[48:56], "little"))
        _file(talk, records, at, action, (name, tree_name), size=size)


def _file(
    talk: Talk, records: Records, at: Piece, action: str, what: tuple[str, str], **more: str
) -> None:
    name, tree = what
    if name:
        fields = {"action": f"SMB::{action}", "path": tree or None, "name": name, **more}
        emit(records, talk, FILES, fields, at)


def _write(talk: Talk, records: Records, piece: Piece, message: bytes, command: int) -> None:
    """Data for a file, or a call through a pipe."""
    state: _State = talk.state
    body = message[_HEADER:]
    if command == WRITE:
        handle, begin = body[16:32], int.from_bytes(body[2:4], "little")
    elif int.from_bytes(body[4:8], "little") == _PIPE_CALL:
        handle, begin = body[8:24], int.from_bytes(body[24:28], "little")
    else:
        return
    what = state.files.get(handle, ("", ""))
    found = False
    for fields in rpc.calls(message[begin:], state.bound, handle):
        found = True
        fields["named_pipe"] = what[0] or None
        emit(records, talk, rpc.SHAPE, fields, piece)
    pipe = what[1].upper().endswith("IPC$")
    new = handle not in state.written and len(state.written) < _MOST_KEPT
    if command == WRITE and new and not found and not pipe:
        state.written.add(handle)
        _file(talk, records, piece, "FILE_WRITE", what)


def _set_info(talk: Talk, records: Records, piece: Piece, message: bytes) -> None:
    """A file is renamed, or marked to be deleted."""
    body = message[_HEADER:]
    what = talk.state.files.get(body[16:32])
    at = int.from_bytes(body[8:10], "little")
    if what is None or body[2] != 1:
        return
    if body[3] == _RENAME:
        size = int.from_bytes(message[at + 16 : at + 20], "little")
        name = ntlm.text(message[at + 20 : at + 20 + size])
        _file(talk, records, piece, "FILE_RENAME", (name, what[1]), prev_name=what[0])
    elif body[3] == _DISPOSITION and message[at : at + 1] == b"\1":
        _file(talk, records, piece, "FILE_DELETE", what)


def _text(message: bytes, body: bytes, offset: int, length: int) -> str:
    """A text by where its place and its length stand in the body."""
    at = int.from_bytes(body[offset : offset + 2], "little")
    size = int.from_bytes(body[length : length + 2], "little")
    return ntlm.text(message[at : at + size])


def _logon(state: _State, piece: Piece, message: bytes) -> None:
    at = message.find(ntlm.SIGNATURE)
    found = ntlm.parse(message[at:]) if at >= 0 else None
    if found is not None and found.pop("kind") == "answer":
        state.answer = (piece, found)


def _answered(talk: Talk, records: Records, message: bytes, status: int) -> None:
    """The server's challenge, or its verdict."""
    state: _State = talk.state
    at = message.find(ntlm.SIGNATURE)
    found = ntlm.parse(message[at:]) if at >= 0 else None
    if found is not None and found.pop("kind") == "challenge":
        state.challenge = found
    if status != _MORE and state.answer is not None:
        piece, fields = state.answer
        fields = {**fields, **state.challenge, "success": "F" if status else "T"}
        fields["status"] = _STATUS.get(status, f"0x{status:08X}")
        emit(records, talk, NTLM, fields, piece)
        state.answer = None


def _old(talk: Talk, records: Records, piece: Piece, message: bytes) -> None:
    """SMB 1: shares, files and logons."""
    if len(message) < 35:
        return
    state: _State = talk.state
    command, status = message[4], int.from_bytes(message[5:9], "little")
    wide, reply = bool(message[11] & 0x80), bool(message[9] & 0x80)
    tree = int.from_bytes(message[24:26], "little")
    number = int.from_bytes(message[30:32], "little")
    words = message[33 : 33 + 2 * message[32]]
    begin = 35 + len(words)
    if command == OLD_SESSION:
        if reply:
            _answered(talk, records, message, status)
        else:
            _logon(state, piece, message)
    elif reply:
        asked = state.waiting.pop(number, None)
        if asked is not None and not status and isinstance(asked[1], str):
            _keep(state.trees, tree, asked[1])
            emit(records, talk, MAPPING, {"path": asked[1]}, asked[0])
        elif asked is not None and not status:
            _keep(state.files, words[5:7], asked[1])
            pipe = asked[1][1].upper().endswith("IPC$")
            _file(talk, records, asked[0], "PIPE_OPEN" if pipe else "FILE_OPEN", asked[1])
    elif command in (OLD_CALL, OLD_WRITE):
        handle, at = (words[30:32], 24) if command == OLD_CALL else (words[4:6], 22)
        begin = int.from_bytes(words[at : at + 2], "little")
        for fields in rpc.calls(message[begin:], state.bound, handle) if begin else ():
            fields["named_pipe"] = state.files.get(handle, ("", ""))[0] or None
            emit(records, talk, rpc.SHAPE, fields, piece)
    elif command == OLD_TREE and len(words) >= 8:
        at = begin + int.from_bytes(words[6:8], "little")
        _keep(state.waiting, number, (piece, _old_text(message, at, wide)))
    elif command == OLD_CREATE and len(words) >= 8:
        name = _old_text(message, begin, wide)
        _keep(state.waiting, number, (piece, (name, state.trees.get(tree, ""))))


def _old_text(message: bytes, at: int, wide: bool) -> str:
    """A text that ends with a zero; wide ones begin at an even place."""
    if not wide:
        return ntlm.text(
            message[at : at + 512].partition(b"\0")[0].decode("latin-1").encode("utf-16-le")
        )
    raw = message[at + at % 2 : at + at % 2 + 512]
    end = next((n for n in range(0, len(raw) - 1, 2) if raw[n : n + 2] == b"\0\0"), len(raw))
    return ntlm.text(raw[:end])
