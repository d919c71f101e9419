"""What the gate writes into a header of what it checked itself."""

from labrys.evidence.mail_auth.test_columns import POLICY, RECORDS, message
from labrys.evidence.mail_auth.test_signature import sign
from labrys.evidence.mail_auth.zone import given as records
from labrys.gate import marks
from labrys.gate.judge import Judge
from labrys.gate.policy import Action


def test_what_was_checked_with_given_records_is_said(tmp_path, monkeypatch):
    (tmp_path / "dns.txt").write_text(RECORDS + POLICY)
    monkeypatch.setenv("LABRYS_MAIL_RECORDS", str(tmp_path / "dns.txt"))
    records.cache_clear()
    (judged,) = Judge(()).judge([message(back="eve@evil.example", raw=sign())])
    records.cache_clear()
    fields = dict(marks.added(judged, Action.ACCEPT, "mx.corp.test"))
    assert fields["Authentication-Results"].replace("\n\t", " ") == (
        "mx.corp.test; spf=pass smtp.mailfrom=evil.example; dkim=pass header.d=firm.example; "
        "dmarc=pass header.from=firm.example; arc=none; x-labrys=pass"
    )
