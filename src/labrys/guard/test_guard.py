"""Whatever is changed in a model is refused, with the reason; the way back is there."""

import json
import os
import stat

import numpy as np
import pytest

from labrys.errors import ModelError
from labrys.guard import keys, own, seal
from labrys.guard.shipped import shipped
from labrys.model.card import packed, save


@pytest.fixture
def place(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def model(tmp_path):
    return made(tmp_path / "model", 1)


def made(folder, value):
    save(folder, {"name": "x", "version": str(value)}, {"w.npz": packed({"w": np.full(3, value)})})
    return folder


@pytest.fixture
def signed(model, place):
    keys.make("own", place)
    seal.seal(model, "own", place)
    return model


def test_what_was_signed_is_opened(signed, place):
    assert seal.opened(signed, place).card["version"] == "1"
    assert seal.signer(signed, place) == "own"


def test_a_private_key_is_for_its_owner_alone(place):
    keys.make("own", place)
    mode = os.stat(place / "keys/own.key").st_mode
    assert stat.S_IMODE(mode) == 0o600
    with pytest.raises(ModelError, match="already"):
        keys.make("own", place)


@pytest.mark.parametrize("name", ["card.json", "card.sig", "w.npz"])
def test_every_changed_byte_is_refused(signed, place, name):
    path = signed / name
    content = path.read_bytes()
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        # White space and the case of digits of a signature's own file mean nothing.
        if name == "card.sig" and same(content, changed):
            continue
        with pytest.raises(ModelError):
            seal.opened(signed, place)
    path.write_bytes(content)
    seal.opened(signed, place)


def same(one, other):
    try:
        first, second = (json.loads(bytes(each)) for each in (one, other))
    except ValueError:
        return False
    return {**first, "signature": first["signature"].lower()} == {
        **second, "signature": str(second.get("signature")).lower(),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["card.json", "card.sig", "w.npz"])
def test_what_is_missing_or_cut_is_refused(signed, place, name):
    content = (signed / name).read_bytes()
    (signed / name).write_bytes(content[:-2])
    with pytest.raises(ModelError):
        seal.opened(signed, place)
    (signed / name).unlink()
    with pytest.raises(ModelError):
        seal.opened(signed, place)


def test_a_signature_is_of_this_card_and_by_a_trusted_key(signed, tmp_path, place):
    other = made(tmp_path / "other", 2)
    (other / seal.SEAL).write_bytes((signed / seal.SEAL).read_bytes())
    with pytest.raises(ModelError, match="not what own signed"):
        seal.opened(other, place)
    keys.make("mallory", tmp_path / "elsewhere")
    seal.seal(other, "mallory", tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="not trusted"):
        seal.opened(other, place)
    public = (tmp_path / "elsewhere/trusted/mallory.pub").read_text()
    keys.trust("colleague", public, place)
    assert seal.signer(other, place) == "colleague"


def test_rotation(signed, place):
    keys.make("new", place)
    keys.distrust("own", place)
    with pytest.raises(ModelError, match="not trusted"):
        seal.opened(signed, place)
    seal.seal(signed, "new", place)
    assert seal.signer(signed, place) == "new"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "x" * 99])
def test_names_of_keys_stay_in_their_folder(place, name):
    with pytest.raises(ModelError, match="no name of a key"):
        keys.make(name, place)


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33])
def test_what_is_no_key_is_not_trusted(place, text):
    with pytest.raises(ModelError):
        keys.trust("x", text, place)
    (place / "trusted").mkdir(parents=True, exist_ok=True)
    (place / "trusted/x.pub").write_text(text)
    assert keys.trusted(place) == []


def test_own_models_are_used_and_given_up_again(tmp_path, place):
    keys.make("own", place)
    assert own.in_use("mail", place) is None
    for value in (1, 2):
        own.add("mail", made(tmp_path / f"m{value}", value), "own", place)
    assert own.in_use("mail", place).card["version"] == "2"
    assert own.back("mail", place) == 1
    assert own.in_use("mail", place).card["version"] == "1"
    assert own.back("mail", place) == 0
    assert own.in_use("mail", place) is None
    with pytest.raises(ModelError, match="in use already"):
        own.back("mail", place)


def test_a_model_in_use_that_was_changed_is_no_silent_way_back_to_ours(tmp_path, place):
    keys.make("own", place)
    kept = own.add("mail", made(tmp_path / "m", 1), "own", place)
    (kept.place / "w.npz").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"w\.npz is not the file"):
        own.in_use("mail", place)
    assert own.every("mail", place)[0].why


def test_only_so_many_are_kept(tmp_path, place):
    keys.make("own", place)
    for value in range(13):
        own.add("mail", made(tmp_path / f"m{value}", value), "own", place)
    assert [each.number for each in own.every("mail", place)] == list(range(4, 14))


def test_a_model_without_a_key_is_not_taken_in(model, place):
    with pytest.raises(ModelError, match="labrys guard key"):
        own.add("mail", model, "own", place)
    assert own.every("mail", place) == []
    with pytest.raises(ModelError, match="is no detector"):
        own.folder("../x", place)


def test_every_model_that_comes_with_labrys_is_as_its_card_says():
    found = list(shipped())
    assert found
    for each in found:
        assert each.why == ""
        assert each.card["licence"] == "Apache-2.0"
        assert each.card["data"]
