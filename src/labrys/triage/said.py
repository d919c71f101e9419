"""What people have said about a case's findings, as flags and links of its nodes."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.decisions import Lessons
from labrys.decisions.places import pairs
from labrys.triage.arrays import Flags, Ints
from labrys.triage.columns import NO_TIME, Columns
from labrys.triage.links import DECIDED, Links
from labrys.triage.nodes import Nodes


@dataclass(frozen=True, slots=True)
class Said:
    """`normal` nodes are of rules judged normal at their place; `links` tie what belongs together;
    each of `apart` is a set of nodes to be kept from all others."""

    normal: Flags
    links: Links
    apart: tuple[Flags, ...]

    def cut(self, links: list[Links]) -> list[Links]:
        """The links without those that lead out of a set to be kept apart."""
        for mine in self.apart:
            links = [each.of(np.flatnonzero(mine[each.node] == mine[each.other])) for each in links]
        return links


def said(columns: Columns, nodes: Nodes, lessons: Lessons) -> Said:
    """The lessons of `labrys.decisions` for these nodes."""
    return Said(
        normal=_normal(columns, nodes, lessons),
        links=_links([_nodes(columns, nodes, uids) for uids in lessons.together]),
        apart=tuple(_marked(nodes, _nodes(columns, nodes, uids)) for uids in lessons.apart),
    )


def _normal(columns: Columns, nodes: Nodes, lessons: Lessons) -> Flags:
    if not lessons.normal:
        return np.zeros(len(nodes.rule), np.bool_)
    rows = columns.rows[nodes.first]
    firsts = columns.table.select(["rule_uid", "entities"]).take(pa.array(rows))
    known = (pair in lessons.normal for pair in pairs(firsts))
    return np.fromiter(known, np.bool_, len(nodes.rule))


def _nodes(columns: Columns, nodes: Nodes, uids: tuple[str, ...]) -> Ints:
    """The nodes that hold these findings, each once, in order."""
    rows = pc.is_in(columns.table["uid"], value_set=pa.array(uids, pa.string()))
    wanted = rows.combine_chunks().to_numpy(zero_copy_only=False)[columns.rows]
    return np.unique(nodes.node[np.flatnonzero(wanted)])


def _marked(nodes: Nodes, chosen: Ints) -> Flags:
    made = np.zeros(len(nodes.rule), np.bool_)
    made[chosen] = True
    return made


def _links(groups: list[Ints]) -> Links:
    node = np.concatenate([np.zeros(0, np.int64), *(each[1:] for each in groups)])
    other = np.concatenate([np.zeros(0, np.int64), *(each[:-1] for each in groups)])
    return Links(node, other, np.full(len(node), DECIDED), np.full(len(node), NO_TIME))
