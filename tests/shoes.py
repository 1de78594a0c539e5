"""A shoe shop of 12 nodes, small enough to say every answer aloud.

footwear
├── shoes
│   ├── sneakers
│   │   ├── running shoes
│   │   └── kids' sneakers   (kids' shoes too)
│   ├── sandals
│   │   ├── flip-flops
│   │   └── hiking sandals
│   └── kids' shoes
│       └── kids' sneakers   (the same one)
└── boots
    ├── rain boots
    └── hiking boots
"""

from __future__ import annotations

from rootward.hierarchy import Hierarchy

EDGES: list[tuple[str, str]] = [
    ("footwear", ""),
    ("shoes", "footwear"),
    ("boots", "footwear"),
    ("sneakers", "shoes"),
    ("sandals", "shoes"),
    ("kids' shoes", "shoes"),
    ("running shoes", "sneakers"),
    ("kids' sneakers", "sneakers"),
    ("kids' sneakers", "kids' shoes"),
    ("flip-flops", "sandals"),
    ("hiking sandals", "sandals"),
    ("rain boots", "boots"),
    ("hiking boots", "boots"),
]
"""(child, parent), the root with an empty parent; 12 edges between 12 nodes, "kids' sneakers" with two parents."""

SECOND_PARENT = ("kids' sneakers", "kids' shoes")
"""Without this edge the shop is a tree."""

SYNONYMS = {"sneakers": ("trainers",), "flip-flops": ("thongs", "jandals")}
DEFINITIONS = {"sandals": "Open shoes held on by straps."}

ANCESTORS: dict[str, list[tuple[str, int]]] = {
    "footwear": [("footwear", 0)],
    "sandals": [("sandals", 0), ("shoes", 1), ("footwear", 2)],
    "flip-flops": [("flip-flops", 0), ("sandals", 1), ("shoes", 2), ("footwear", 3)],
    "kids' sneakers": [("kids' sneakers", 0), ("sneakers", 1), ("kids' shoes", 1), ("shoes", 2), ("footwear", 3)],
    "rain boots": [("rain boots", 0), ("boots", 1), ("footwear", 2)],
}
"""Some nodes with all their ancestors and distances, nearest first."""


def shoes() -> Hierarchy:
    """The shop as a hierarchy: rows in the order of EDGES, `footwear` is row 0."""
    return Hierarchy.from_edges(EDGES)


def shoe_tree() -> Hierarchy:
    """The shop without the second parent: a tree."""
    return Hierarchy.from_edges([edge for edge in EDGES if edge != SECOND_PARENT])
