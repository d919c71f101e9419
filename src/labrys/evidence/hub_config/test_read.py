"""Code of its own and templates are found in configurations of a hub."""

from labrys.evidence.hub_config.read import _row, sniff


def test_what_is_said():
    row = _row(
        {"auto_map": {"AutoModel": "m.M"}, "chat_template": [{"name": "a", "template": "t"}, 5]}
    )
    assert row["custom_code"] == ["AutoModel=m.M"]
    assert row["templates"] == ["t"]
    assert _row({})["custom_code"] == []


def test_sniff():
    assert sniff(b'{"auto_map": {}}', "x") == 0.9
    assert sniff(b'{"name": 1}', "config.json") == 0.0
