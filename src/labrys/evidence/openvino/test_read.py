"""Operations are found without parsing XML."""

from labrys.evidence.openvino.read import _row, sniff

NET = b'<net name="m" version="11"><layers>%s</layers></net>'


def test_an_operation_of_no_set_needs_an_extension():
    row = _row(
        NET % b'<layer id="0" type="Relu" version="opset8"/><layer type=\'Own\' version=\'mine\'/>'
    )
    assert row["classes"] == ["Relu", "Own"]
    assert row["custom_code"] == ["mine.Own"]
    assert row["format_version"] == 11


def test_sniff():
    assert sniff(NET % b"<layer/>", "x") > 0.9
    assert sniff(b"<net><layer/></net>", "x.xml") == 0.0
