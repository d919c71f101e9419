"""Signs a model's folder, and refuses one that is not what a trusted key signed.

Signed is the card, byte for byte; the card names every file with its size and SHA-256. So whatever is
changed, in a file, the card or the signature, is refused, and the reason said.
"""

import json
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from labrys.errors import ModelError
from labrys.guard import keys
from labrys.model.card import CARD, Artefact, load

SEAL: Final = "card.sig"
_CONTEXT: Final = b"labrys model card 1\0"
"""So that a signature of something else can never pass for one of a card."""
_LARGEST: Final = 1 << 20


def seal(folder: Path, key: str, place: Path | None = None) -> None:
    """Sign the model in a folder with a key of the user's. ModelError where it is not sound."""
    load(folder)
    card = _card(folder)
    uid, signature = keys.sign(_CONTEXT + card, key, place)
    made = {"algorithm": "Ed25519", "key": uid, "signature": signature.hex()}
    draft = folder / f".{SEAL}.draft"
    draft.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", "ascii")
    draft.replace(folder / SEAL)


def opened(folder: Traversable, place: Path | None = None) -> Artefact:
    """The model in a folder that a trusted key signed. ModelError says why it is refused."""
    card, said = _card(folder), _signature(folder)
    known = {each.id: each for each in keys.trusted(place)}
    key = known.get(str(said.get("key")))
    if key is None:
        raise ModelError(f"{folder}: signed by a key that is not trusted ({said.get('key')})")
    try:
        signature = bytes.fromhex(str(said.get("signature")))
    except ValueError as error:
        raise ModelError(f"{folder}/{SEAL}: not a signature ({error})") from error
    if said.get("algorithm") != "Ed25519" or not key.verify(_CONTEXT + card, signature):
        raise ModelError(f"{folder}: its card is not what {key.name} signed; it was changed since")
    artefact = load(folder)
    if _card(folder) != card:
        raise ModelError(f"{folder}: its card changed while it was read")
    return artefact


def signer(folder: Traversable, place: Path | None = None) -> str:
    """The name of the trusted key that signed a model; ModelError where none did."""
    opened(folder, place)
    uid = _signature(folder)["key"]
    return next(each.name for each in keys.trusted(place) if each.id == uid)


def _card(folder: Traversable) -> bytes:
    return _read(folder / CARD, "there is no model")


def _signature(folder: Traversable) -> dict[str, Any]:
    content = _read(folder / SEAL, "not signed; labrys guard sign does that")
    try:
        said = json.loads(content)
    except ValueError as error:
        raise ModelError(f"{folder}/{SEAL}: not a signature ({error})") from error
    if not isinstance(said, dict):
        raise ModelError(f"{folder}/{SEAL}: not a signature")
    return said


def _read(path: Traversable, missing: str) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ModelError(f"{path}: {missing}") from error
    if len(content) > _LARGEST:
        raise ModelError(f"{path}: larger than any card or signature")
    return content
