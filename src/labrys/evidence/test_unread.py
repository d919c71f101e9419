import pytest

from labrys.evidence.unread import UNKNOWN, why


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"regf\x01\0\0\0", ", a Windows registry hive: export it as text or CSV"),
        (b"\0\0\0\0\xef\xcd\xab\x89", ", an ESE database: export its tables as CSV"),
        (b"SQLite format 3\x00", ", an SQLite database: export its tables as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), ", a document or another compound file"),
        (b"\xeb\x52\x90NTFS    " + bytes(499) + b"\x55\xaa", ", an NTFS volume: mount it"),
        (b"\xeb\x3c\x90mkfs.fat" + bytes(499) + b"\x55\xaa", ", a disk or volume: mount it"),
        (bytes(4096), ", nothing but zeros"),
        (b"\x01\x02", ""),
        (b"", ""),
    ],
)
def test_a_file_that_no_reader_knows_is_called_by_its_kind(head: bytes, said: str) -> None:
    assert why(head).startswith(UNKNOWN + said)
    assert bool(said) or why(head) == UNKNOWN
