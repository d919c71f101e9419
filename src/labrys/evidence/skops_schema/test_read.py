"""Names are gathered with how they are used, without recursion."""

from labrys.evidence.skops_schema.read import _names, sniff


def node(module, name, loader, **more):
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def test_how_names_are_used():
    inner = node("posix", "system", "TypeNode")
    names, whole = _names(node("functools", "partial", "PartialNode", content={"func": inner}))
    assert names == {"functools.partial": {"called"}, "posix.system": {"named"}}
    assert whole


def test_earlier_versions_name_functions_in_their_content():
    assert _names(node("numpy", "ufunc", "FunctionNode", content="log1p"))[0] == {
        "numpy.log1p": {"named"}
    }
    old = node(
        "builtins", "function", "FunctionNode", content={"module_path": "os", "function": "x"}
    )
    assert list(_names(old)[0]) == ["os.x"]


def test_nesting_without_end_is_told():
    value = []
    for _ in range(100_000):
        value = [value]
    assert _names(value) == ({}, False)


def test_sniff():
    assert sniff(b'{"__class__": "a", "__module__": "b", "__loader__": "c"}', "x") > 0.9
    assert sniff(b'{"__class__": "a"}', "schema.json") == 0.0
