"""Keys that sign a user's own models, and those that are trusted (Ed25519, RFC 8032).

A private key lies in the user's data folder, readable for him alone; trusted public keys lie beside
it, a file each. Rotation: make a new key, sign anew, take the old one out of the trusted.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import eddsa

from labrys.errors import ModelError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_CURVE: Final = "Ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with; `id` is the beginning of the SHA-256 of its bytes."""

    name: str
    raw: bytes

    @property
    def id(self) -> str:
        """How a signature names it."""
        return hashlib.sha256(self.raw).hexdigest()[:32]

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key signed the message."""
        try:
            eddsa.new(eddsa.import_public_key(self.raw), "rfc8032").verify(message, signature)
        except ValueError:
            return False
        return True


def home() -> Path:
    """The user's data folder for labrys (XDG)."""
    base = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return Path(base) / "labrys"


def make(name: str, place: Path | None = None) -> PublicKey:
    """Make a key of that name and trust it. ModelError if there is one, or the name is no name."""
    private, public = _paths(name, place)
    if private.exists():
        raise ModelError(f"{private}: there is a key of that name already")
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    public.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ECC.generate(curve=_CURVE)
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(key.export_key(format="PEM"))
    raw: bytes = key.public_key().export_key(format="raw")
    public.write_text(raw.hex() + "\n", "ascii")
    return PublicKey(name, raw)


def sign(message: bytes, name: str, place: Path | None = None) -> tuple[str, bytes]:
    """The id of the key and its signature of the message. ModelError where there is no such key."""
    private, _ = _paths(name, place)
    try:
        key = ECC.import_key(private.read_text("ascii"))
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(
            f"no key {name!r} to sign with ({error}); make one: labrys guard key {name}"
        ) from error
    if key.curve != _CURVE or not key.has_private():
        raise ModelError(f"{private}: not a private Ed25519 key")
    made: bytes = eddsa.new(key, "rfc8032").sign(message)
    public = PublicKey(name, key.public_key().export_key(format="raw"))
    return public.id, made


def trusted(place: Path | None = None) -> list[PublicKey]:
    """The keys whose signatures count; a file that holds none is passed over."""
    found = []
    for path in sorted(((place or home()) / "trusted").glob("*.pub")):
        try:
            raw = bytes.fromhex(path.read_text("ascii").strip())
            eddsa.import_public_key(raw)
        except (OSError, ValueError):
            continue
        found.append(PublicKey(path.stem, raw))
    return found


def trust(name: str, text: str, place: Path | None = None) -> PublicKey:
    """Trust a public key (64 hexadecimal digits) under a name."""
    _, public = _paths(name, place)
    try:
        raw = bytes.fromhex(text.strip())
        eddsa.import_public_key(raw)
    except ValueError as error:
        raise ModelError(f"not a public Ed25519 key: 64 hexadecimal digits ({error})") from error
    public.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    public.write_text(raw.hex() + "\n", "ascii")
    return PublicKey(name, raw)


def distrust(name: str, place: Path | None = None) -> None:
    """Trust a key no longer: what it signed is refused from now on."""
    _, public = _paths(name, place)
    try:
        public.unlink()
    except OSError as error:
        raise ModelError(f"no key {name!r} is trusted") from error


def _paths(name: str, place: Path | None) -> tuple[Path, Path]:
    if not _NAME.fullmatch(name):
        raise ModelError(f"{name!r} is no name of a key: letters, digits, dots and hyphens")
    folder = place or home()
    return folder / "keys" / f"{name}.key", folder / "trusted" / f"{name}.pub"
