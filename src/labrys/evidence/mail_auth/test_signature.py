"""Signatures made here, and by another implementation, are checked; none that was tampered passes."""

import base64
import re
from hashlib import sha256
from pathlib import Path

import pytest
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC, RSA
from Cryptodome.Signature import eddsa, pkcs1_15
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.mail.mime import parse
from labrys.evidence.mail_auth import arc, dkim
from labrys.evidence.mail_auth.signature import Field, header_form, signed
from labrys.evidence.mail_auth.zone import Zone, read

SAMPLES = Path(__file__).parent / "samples"
WHEN = 1_794_906_000_000
RSA_KEY = RSA.generate(1024)
EDWARDS_KEY = ECC.generate(curve="ed25519")
BODY = b"Dear  Bob, \r\nhere\t they are.\r\n\r\n\r\n"
FIELDS = [
    (b"From", b" Ann <ann@firm.example>"),
    (b"Subject", b"  Figures\r\n\tof   May "),
    (b"To", b" bob@other.example"),
]


def public(key) -> str:
    return base64.b64encode(key.public_key().export_key(format="DER")).decode()


def edwards(key) -> str:
    return base64.b64encode(key.public_key().export_key(format="raw")).decode()


def zone(**more: str) -> Zone:
    made = Zone()
    made.add("r._domainkey.firm.example", "TXT", f"v=DKIM1; p={public(RSA_KEY)}")
    made.add("e._domainkey.firm.example", "TXT", f"k=ed25519; p={edwards(EDWARDS_KEY)}")
    for name, value in more.items():
        made.add(f"{name}._domainkey.firm.example", "TXT", value)
    return made


def plain_body(body: bytes, simple: bool) -> bytes:
    """The canonical body, line by line as RFC 6376 describes it: the reference."""
    lines = body.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    if not simple:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and lines[-1] == b"":
        lines.pop()
    if not lines:
        return b"\r\n" if simple else b""
    return b"".join(line + b"\r\n" for line in lines)


def plain_field(name: bytes, value: bytes, simple: bool) -> bytes:
    if simple:
        return name + b":" + value
    value = re.sub(rb"\r\n(?=[ \t])", b"", value)
    return name.lower() + b":" + re.sub(rb"[ \t]+", b" ", value).strip(b" ")


def sign(
    fields=tuple(FIELDS), body=BODY, *, algorithm="rsa-sha256", form="relaxed/relaxed",
    covers="from:subject:to:from", more="", selector="", key=None, domain="firm.example",
) -> bytes:  # fmt: skip
    """A message with a DKIM-Signature on top: the small signer that the checks are tested by."""
    head, _, rest = form.partition("/")
    simple, simple_body = head == "simple", rest != "relaxed"
    selector = selector or algorithm[0]
    limit = re.search(r"l=(\d+)", more)
    covered = plain_body(body, simple_body)[: int(limit[1]) if limit else None]
    digest = base64.b64encode(sha256(covered).digest()).decode()
    value = (
        f" v=1; a={algorithm}; c={form}; d={domain}; s={selector};\r\n\th={covers}; {more}"
        f" bh={digest};\r\n b="
    ).encode()
    left = list(fields)
    data = b""
    for name in covers.split(":"):
        found = [at for at, one in enumerate(left) if one[0].lower() == name.strip().encode()]
        if found:
            data += plain_field(*left.pop(found[-1]), simple) + b"\r\n"
    data += plain_field(b"DKIM-Signature", value, simple)
    if algorithm.startswith("rsa"):
        made = pkcs1_15.new(key or RSA_KEY).sign(SHA256.new(data))
    else:
        made = eddsa.new(key or EDWARDS_KEY, "rfc8032").sign(SHA256.new(data).digest())
    head_block = b"".join(name + b":" + value + b"\r\n" for name, value in fields)
    written = re.sub(r"(.{60})", r"\1\r\n ", base64.b64encode(made).decode()).encode()
    return b"DKIM-Signature:" + value + written + b"\r\n" + head_block + b"\r\n" + body


def checked(raw: bytes, records: Zone, when: int = WHEN) -> list[str]:
    message = parse(raw, 0, len(raw))
    made = signed(message.headers.block, raw[message.body : message.end])
    return [one.result for one in dkim.check(made, records, when)]


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
@pytest.mark.parametrize("form", ["relaxed/relaxed", "simple/simple", "relaxed", "simple/relaxed"])
def test_a_good_signature_passes_and_a_changed_message_does_not(algorithm, form):
    raw = sign(algorithm=algorithm, form=form)
    assert checked(raw, zone()) == ["pass"]
    assert checked(raw.replace(b"\r\n", b"\n"), zone()) == ["pass"]
    assert checked(raw.replace(b"they are", b"they were"), zone()) == ["fail"]
    assert checked(raw.replace(b"of   May", b"of   June"), zone()) == ["fail"]
    # From is covered once more than it is there: a second one on top breaks the signature.
    assert checked(b"From: eve@evil.example\r\n" + raw, zone()) == ["fail"]
    assert checked(b"X-New: 1\r\n" + raw, zone()) == ["pass"]


def test_relaxed_forgives_blanks_and_simple_does_not():
    for form, wanted in (("relaxed/relaxed", "pass"), ("simple/simple", "fail")):
        raw = sign(form=form)
        assert checked(raw.replace(b"Dear  Bob, \r\n", b"Dear Bob,\r\n"), zone()) == [wanted]
        assert checked(raw.replace(b"Subject:  ", b"SUBJECT: "), zone()) == [wanted]


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"b c", b"=", b"\xe9"]), max_size=30))
def test_canonical_bodies_are_as_the_standard_describes_them(parts):
    body = b"".join(parts)
    made = signed(b"", body)
    assert made.body_form(simple=True) == plain_body(body, simple=True)
    assert made.body_form(simple=False) == plain_body(body, simple=False)


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b":", b";"]), max_size=20))
def test_canonical_fields_are_as_the_standard_describes_them(parts):
    value = b" x" + b"".join(parts) + b"y"
    for simple in (True, False):
        one = signed(b"SubJect:" + value + b"\r\nTo: z", b"").fields[0]
        assert header_form(one, simple) == plain_field(b"SubJect", value, simple)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ({"more": "l=12;"}, "policy"),
        ({"more": "l=99999;"}, "permerror"),
        ({"more": "x=1794906001;"}, "pass"),
        ({"more": "x=1794905999;"}, "fail"),
        ({"more": "x=soon;"}, "permerror"),
        ({"more": "i=ann@mail.firm.example;"}, "pass"),
        ({"more": "i=ann@firm.example.evil.example;"}, "permerror"),
        ({"more": "a=rsa-sha1;"}, "permerror"),  # a tag given twice
        ({"covers": "subject:to"}, "permerror"),
        ({"form": "tidy/relaxed"}, "permerror"),
        ({"selector": "unknown"}, dkim.NOT_GIVEN),
    ],
)
def test_what_a_signature_says_of_itself(given_, wanted):
    assert checked(sign(**given_), zone()) == [wanted]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v=DKIM1; p=", "permerror"),
        ("v=DKIM2; p=KEY", "permerror"),
        ("k=ed25519; p=KEY", "permerror"),
        ("h=sha1; p=KEY", "permerror"),
        ("s=chat; p=KEY", "permerror"),
        ("p=bm8ga2V5", "permerror"),
        ("p=%%%", "permerror"),
        ("nothing", "permerror"),
        ("v=DKIM1; t=s; s=email; h=sha1:sha256; p=KEY", "pass"),
    ],
)
def test_what_a_key_says_of_itself(record, wanted):
    made = zone(k=record.replace("KEY", public(RSA_KEY)))
    assert checked(sign(selector="k"), made) == [wanted]


def test_keys_that_anybody_can_break_are_refused_and_those_for_testing_count_for_nothing():
    weak = RSA.construct(_small_key())
    assert checked(sign(selector="k", key=weak), zone(k=f"p={public(weak)}")) == ["permerror"]
    made = zone(k=f"t=y; p={public(RSA_KEY)}")
    assert checked(sign(selector="k").replace(b"they", b"THEY"), made) == ["neutral"]
    made = zone(k=f"t=s; p={public(RSA_KEY)}")
    assert checked(sign(selector="k", more="i=@a.firm.example;"), made) == ["permerror"]


def _small_key() -> tuple[int, int, int]:
    """A key of 512 bits, which the library itself does not make."""
    from Cryptodome.Util.number import getPrime

    first, second = getPrime(256), getPrime(256)
    return first * second, 65537, pow(65537, -1, (first - 1) * (second - 1))


def elsewhere() -> bytes:
    return (SAMPLES / "signed_elsewhere.eml").read_bytes()


def test_what_another_implementation_signed_passes():
    records = read(SAMPLES / "signed_elsewhere.txt")
    raw = elsewhere()
    assert checked(raw, records) == ["pass", "pass"]
    message = parse(raw, 0, len(raw))
    found = arc.check(signed(message.headers.block, raw[message.body :]), records)
    assert (found.result, found.domain) == ("pass", "list.example")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (b"i=2; cv=pass", b"i=2; cv=fail", "fail"),
        (b"i=1; cv=none", b"i=1; cv=pass", "fail"),
        (b"here they are", b"here they were", "fail"),
        (b"ARC-Seal: i=1", b"X-Seal: i=1", "fail"),
        (b"ARC-Seal: i=1", b"ARC-Seal: i=2", "fail"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=99", "fail"),
        (b"i=1; list.example", b"i=1; evil.example", "fail"),
        (b"d=list.example; s=r", b"d=list.example; s=q", dkim.NOT_GIVEN),
        (b"ARC-", b"X-", "none"),
    ],
)
def test_chains_that_were_tampered_with(old, new, wanted):
    raw = elsewhere()
    assert old in raw
    message = parse(raw := raw.replace(old, new), 0, len(raw))
    found = arc.check(
        signed(message.headers.block, raw[message.body :]), read(SAMPLES / "signed_elsewhere.txt")
    )
    assert found.result == wanted


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_no_mutation_raises_or_lets_another_text_pass(at, new):
    raw = elsewhere()
    at %= len(raw)
    mutated = raw[:at] + new + raw[at + 1 :]
    records = read(SAMPLES / "signed_elsewhere.txt")
    results = checked(mutated, records)
    message = parse(mutated, 0, len(mutated))
    arc.check(signed(message.headers.block, mutated[message.body :]), records)
    relaxed = plain_body(mutated[message.body :].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), simple=False)  # fmt: skip
    if "pass" in results:
        assert relaxed == b"Dear Bob,\r\nhere they are.\r\n"


@given(st.binary(max_size=300))
def test_any_bytes_as_a_signature_are_only_no_signature(raw):
    made = signed(
        b"DKIM-Signature: " + raw + b"\r\nARC-Seal: " + raw + b"\r\nFrom: a@b.example", b"x"
    )
    assert all(one.result != "pass" for one in dkim.check(made, zone(), None))
    assert arc.check(made, zone()).result != "pass"


def test_long_runs_of_blanks_and_lines_take_no_time():
    blanks = b" " * 2_000_000 + b"x"
    made = signed(b"Subject:" + blanks, blanks + b"\n" * 2_000_000)
    assert len(made.body_form(simple=False)) == 4
    assert len(header_form(made.fields[0], simple=False)) == 9
    assert Field("a", b"a:b").value == b"b"
