"""Tasks: random regression families, real data sets, and the meta-features that describe either."""

from netgraph.tasks.bundled import bundled_columns, real_names
from netgraph.tasks.check import TAIL, check_data, compressed, standardize
from netgraph.tasks.dataset import RealDataset
from netgraph.tasks.draw import draw_task, draw_tasks
from netgraph.tasks.families import TaskFamily, family_names, get_family, register
from netgraph.tasks.meta_features import META_FEATURE_NAMES, check_meta_vector, get_meta_features
from netgraph.tasks.modifiers import MODIFIERS, Modifier
from netgraph.tasks.real import describe_real, install_real, load_real, real_task
from netgraph.tasks.recipe import TaskRecipe
from netgraph.tasks.split import Split, split
from netgraph.tasks.table import Table, read_table
from netgraph.tasks.task import Task, make_task

__all__ = [
    "META_FEATURE_NAMES",
    "MODIFIERS",
    "TAIL",
    "Modifier",
    "RealDataset",
    "Split",
    "Table",
    "Task",
    "TaskFamily",
    "TaskRecipe",
    "bundled_columns",
    "check_data",
    "check_meta_vector",
    "compressed",
    "describe_real",
    "draw_task",
    "draw_tasks",
    "family_names",
    "get_family",
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
]
