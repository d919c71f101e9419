"""Some rules of a set as a set of their own: what is sent where only these can match."""

from collections.abc import Iterator, Sequence

import msgspec

from labrys.detect.sigma.ir import All, Any_, Leaf, Node, Not, RuleSet


def part(rules: RuleSet, numbers: Sequence[int]) -> RuleSet:
    """The rules of these numbers, in this order, with the atoms they use and no others.

    The digest stays that of the whole set, and correlations stay out.
    """
    chosen = [rules.rules[number] for number in numbers]
    used = dict.fromkeys(atom for rule in chosen for atom in _atoms(rule.when))
    place = {atom: number for number, atom in enumerate(used)}
    return RuleSet(
        digest=rules.digest,
        atoms=tuple(rules.atoms[atom] for atom in used),
        rules=tuple(
            msgspec.structs.replace(rule, when=_renumbered(rule.when, place)) for rule in chosen
        ),
        correlations=(),
        rejected=(),
        alone=tuple(rules.alone[number] for number in numbers) if rules.alone else (),
    )


def _atoms(node: Node) -> Iterator[int]:
    if isinstance(node, Leaf):
        yield node.atom
    else:
        for inner in (node.part,) if isinstance(node, Not) else node.parts:
            yield from _atoms(inner)


def _renumbered(node: Node, place: dict[int, int]) -> Node:
    if isinstance(node, Leaf):
        return Leaf(place[node.atom])
    if isinstance(node, Not):
        return Not(_renumbered(node.part, place))
    parts = tuple(_renumbered(inner, place) for inner in node.parts)
    return All(parts) if isinstance(node, All) else Any_(parts)
