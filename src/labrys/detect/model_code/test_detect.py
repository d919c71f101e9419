"""What a pickled model may do, and what it may not, however the name is reached."""

import pickle
from collections import OrderedDict, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from labrys.detect.model_code.detect import detect
from labrys.detect.model_code.verdict import Verdict, telling, verdict
from labrys.evidence.pickle.read import read
from labrys.evidence.records import Source
from labrys.ocsf.schema import Severity


def found(tmp_path, data):
    path = tmp_path / "m.pkl"
    path.write_bytes(data)
    source = Source(path, "case/m.pkl", sha256(data).hexdigest(), len(data))
    rows = []
    for shape, batch in read(source):
        rows += detect(shape, pa.Table.from_batches([batch])).to_pylist()
    return rows


def calls(module, name, argument=b"S'x'\n"):
    return b"c%s\n%s\n(%stR." % (module.encode(), name.encode(), argument)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, b"x"], "b": {"c"}},
        OrderedDict(a=defaultdict(list)),
        [datetime.now(UTC), Decimal("1.5"), range(3), slice(1)],
        np.arange(6.0).reshape(2, 3),
        np.array(["a", None], object),
        np.random.default_rng(1),
        RandomForestClassifier(n_estimators=2).fit([[0], [1]], [0, 1]),
        SVC().fit([[0], [1]], [0, 1]),
        make_pipeline(FunctionTransformer(np.log1p), StandardScaler()).fit([[1.0], [2.0]]),
        TfidfVectorizer().fit(["some words", "other words"]),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_ordinary_models_are_left_alone(tmp_path, value, protocol):
    assert found(tmp_path, pickle.dumps(value, protocol)) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("posix", "getpid"), ("builtins", "eval"), ("__builtin__", "execfile"),
        ("subprocess", "Popen"), ("importlib", "import_module"), ("logging", "FileHandler"),
        ("torch.hub", "load"), ("numpy.testing._private.utils", "runstring"), ("pip", "main"),
        ("sklearn.utils._testing", "check_output"), ("pandas.io.pickle", "read_pickle"),
        ("numpy", "load"), ("operator", "attrgetter"), ("collections", "OrderedDict.__init__"),
        ("sklearn.svm", "SVC.fit.__globals__"), ("timeit", "timeit"), ("code", "interact"),
    ],
)  # fmt: skip
def test_what_no_model_needs_is_dangerous(tmp_path, module, name):
    (row,) = found(tmp_path, calls(module, name))
    assert row["severity_id"] == Severity.HIGH
    assert row["rule_uid"] == "model_code.dangerous"
    assert row["reasons"][0]["feature"] == f"calls {module}.{name}"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("my_package.steps", "Scaler"),
        ("__main__", "Model"),
        ("sklearn.utils", "shuffle"),
        ("numpy", "mean"),
    ],
)
def test_what_is_not_known_is_unknown_code(tmp_path, module, name):
    (row,) = found(tmp_path, calls(module, name))
    assert (row["severity_id"], row["rule_uid"]) == (Severity.MEDIUM, "model_code.unknown")


def test_a_class_that_is_only_made_is_less_than_one_that_is_called():
    made, called = frozenset(("named", "made", "state")), frozenset(("named", "called"))
    assert verdict("lightgbm.sklearn.LGBMRanker", made, carries_code=False) == Verdict.ALLOWED
    assert verdict("lightgbm.sklearn.LGBMRanker", called, carries_code=False) == Verdict.UNKNOWN
    assert verdict("numpy.log1p", frozenset(("named",)), carries_code=False) == Verdict.ALLOWED
    assert verdict("numpy.log1p", called, carries_code=False) == Verdict.UNKNOWN


def carried(names, module="dill._dill", maker="_create_function", coder="_create_code"):
    texts = b"".join(b"X" + len(each).to_bytes(4, "little") + each.encode() for each in names)
    code = b"c%s\n%s\n((%sttR" % (module.encode(), coder.encode(), texts)
    return b"\x80\x02c%s\n%s\n(%stR." % (module.encode(), maker.encode(), code)


def test_code_that_only_computes_is_told_and_no_more(tmp_path):
    (row,) = found(tmp_path, carried(["x", "shape", "mean"]))
    assert (row["severity_id"], row["rule_uid"]) == (Severity.LOW, "model_code.own_code")


def test_code_that_reaches_out_is_dangerous(tmp_path):
    (row,) = found(tmp_path, carried(["x", "subprocess", "check_output"]))
    assert row["severity_id"] == Severity.HIGH
    assert row["reasons"][0] == {
        "feature": "code in it uses", "value": "subprocess, check_output", "weight": 3.0,
    }  # fmt: skip


def test_a_function_of_no_code_is_unknown():
    how = frozenset(("called",))
    assert verdict("dill._dill._create_function", how, carries_code=False) == Verdict.UNKNOWN


def test_words_are_told_once():
    assert telling(["x", "os", "os", "system"]) == ["os", "system"]


def test_other_shapes_and_empty_batches_give_nothing():
    assert detect("model.file", pa.table({"names": ["os.system"]})).num_rows == 0
    assert detect("model.pickle", pa.table({"names": pa.array([], pa.string())})).num_rows == 0
