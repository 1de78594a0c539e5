"""The paper "Hierarchical Retrieval: The Geometry and a Pretrain-Finetune Recipe" (arXiv 2509.16411), measured with
rootward: its tables and figures, and studies around it.

    rootward-paper table1 --scale cpu --seeds 3
    rootward-paper report reports -o report.html

or, in Python, `rootward_paper.registry.reproduce("table1", "cpu")`.
"""

OF_THE_PAPER = {
    "table1": "recall by distance on WordNet: the paper's trainings and ours",
    "table2": "HyperLex: rank correlation with people's ratings (--data)",
    "tableC1": "what is retrieved for cat, recliner and motorist",
    "figure2": "the dimension that retrieval needs, against height and width of a tree",
    "figure3": "recall against steps on the (4, 5)-tree: three trainings",
    "figure4": "recall against steps on WordNet, through both stages",
    "figure5": "recall at k on ESCI, joint training against pretrain-finetune (--data)",
    "figureC1": "rebalanced training at every share of regular pairs",
    "figureD1": "hyperbolic embeddings at the same dimension, data and metric",
    "figureE1": "learning rate and temperature of finetuning",
}
AROUND_IT = {
    "best": "our best recipe against the best published row, by distance",
    "baselines": "other embeddings and classifiers: recall, time, memory, latency",
    "losses": "why long distances are lost: losses, optimisers, dimensions",
    "scarce": "few near pairs: two stages against mixed training",
    "irregular": "hierarchies of many shapes",
    "incomplete": "recall on far pairs that are not in training",
    "order": "the right set against the nearest first, by score alone",
    "cost": "training time and memory against nodes, depth and dimension",
    "noise": "missing and wrong pairs under the construction",
    "margins": "what a margin buys after rounding, quantisation and under a graph index",
}
STUDIES = {**OF_THE_PAPER, **AROUND_IT}
"""Every study by name, with one line about it. `rootward_paper.registry.EXPERIMENTS` has how each is measured."""
