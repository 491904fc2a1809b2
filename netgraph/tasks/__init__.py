"""Tasks: random families of problems, real data sets, losses, and the meta-features that describe a task.

Imported when first used, so that a table is read without torch.
"""

from typing import TYPE_CHECKING

from netgraph.lazy import attach
from netgraph.tasks.split import Split, split, stratified_order  # a function with the name of its file

if TYPE_CHECKING:
    from netgraph.tasks.bundled import bundled_columns, real_names
    from netgraph.tasks.check import TAIL, check_classes, check_data, check_targets, compressed, standardize
    from netgraph.tasks.dataset import RealDataset
    from netgraph.tasks.draw import draw_task, draw_tasks
    from netgraph.tasks.families import TaskFamily, family_names, get_family, register
    from netgraph.tasks.losses import LOSSES, Loss, get_loss
    from netgraph.tasks.meta_features import META_FEATURE_NAMES, check_meta_vector, get_meta_features
    from netgraph.tasks.modifiers import MODIFIERS, Modifier
    from netgraph.tasks.real import describe_real, install_real, load_real, real_task
    from netgraph.tasks.recipe import TaskRecipe
    from netgraph.tasks.table import Table, read_table
    from netgraph.tasks.task import Task, make_task

__all__ = [
    "LOSSES",
    "META_FEATURE_NAMES",
    "MODIFIERS",
    "TAIL",
    "Loss",
    "Modifier",
    "RealDataset",
    "Split",
    "Table",
    "Task",
    "TaskFamily",
    "TaskRecipe",
    "bundled_columns",
    "check_classes",
    "check_data",
    "check_meta_vector",
    "check_targets",
    "compressed",
    "describe_real",
    "draw_task",
    "draw_tasks",
    "family_names",
    "get_family",
    "get_loss",
    "get_meta_features",
    "install_real",
    "load_real",
    "make_task",
    "read_table",
    "real_names",
    "real_task",
    "register",
    "split",
    "standardize",
    "stratified_order",
]
__getattr__, __dir__ = attach(
    __name__,
    {
        "bundled": ["bundled_columns", "real_names"],
        "check": ["TAIL", "check_classes", "check_data", "check_targets", "compressed", "standardize"],
        "dataset": ["RealDataset"],
        "draw": ["draw_task", "draw_tasks"],
        "families": ["TaskFamily", "family_names", "get_family", "register"],
        "losses": ["LOSSES", "Loss", "get_loss"],
        "meta_features": ["META_FEATURE_NAMES", "check_meta_vector", "get_meta_features"],
        "modifiers": ["MODIFIERS", "Modifier"],
        "real": ["describe_real", "install_real", "load_real", "real_task"],
        "recipe": ["TaskRecipe"],
        "split": ["Split", "split", "stratified_order"],
        "table": ["Table", "read_table"],
        "task": ["Task", "make_task"],
    },
)
