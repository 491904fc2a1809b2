"""The record of a search: a study of optuna in an SQLite file, which a search that was interrupted goes on with."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netgraph.errors import StoreError, missing_extra
from netgraph.reading import FAILURES, building, one_line

if TYPE_CHECKING:
    from types import ModuleType

    from optuna import Study
    from optuna.trial import FrozenTrial

NAME = "netgraph"
#: Key of the study's attribute that says what it is a study of.
_ABOUT = "about"


def load_optuna() -> "ModuleType":
    """Import optuna, which then speaks of nothing below warnings.

    Raises:
        NetGraphError: When it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise missing_extra("a search needs optuna", "search") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextmanager
def open_study(path: Path, n_objectives: int, about: Mapping[str, Any]) -> "Iterator[Study]":
    """Open the study in a file, or begin one; what is added to it is on disk at once.

    Args:
        path: The SQLite file.
        n_objectives: Objectives, each of them minimized.
        about: What the study is of, as JSON can hold it; that of a study that exists must be the same.

    Raises:
        NetGraphError: When optuna is not installed, the file is of something else, or is a study of something else.
    """
    optuna = load_optuna()
    from sqlalchemy.exc import SQLAlchemyError

    failures = SQLAlchemyError, optuna.exceptions.OptunaError

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=30.0, check_same_thread=False)

    try:  # the URL only names the kind: not every path could stand in one
        storage = optuna.storages.RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})
    except (*failures, *FAILURES) as error:
        raise StoreError(f"{path}: cannot be read as a study of optuna: {_reason(error)}") from None
    try:
        with building(path):
            study = _checked(path, storage, ["minimize"] * n_objectives, dict(about))
            values_of(study.get_trials(deepcopy=False), n_objectives)
        yield study
    except failures as error:
        raise StoreError(f"{path}: {_reason(error)}") from None
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _reason(error: BaseException) -> str:
    """Give what the database itself said, in one line."""
    inner = error.__cause__ if error.__cause__ is not None else error
    return one_line(getattr(inner, "orig", None) or inner)


def _checked(path: Path, storage: Any, directions: list[str], about: dict[str, Any]) -> "Study":
    optuna = load_optuna()
    known = {summary.study_name for summary in optuna.get_all_study_summaries(storage)}
    if NAME in known and _ABOUT not in optuna.load_study(study_name=NAME, storage=storage).user_attrs:
        optuna.delete_study(study_name=NAME, storage=storage)  # interrupted before it had begun
    study: Study = optuna.create_study(study_name=NAME, storage=storage, directions=directions, load_if_exists=True)
    if _ABOUT not in study.user_attrs:
        study.set_user_attr(_ABOUT, about)
    found = study.user_attrs[_ABOUT]
    for key in about:
        if found.get(key) != about[key]:
            raise StoreError(f"{path}: {_other(key, found.get(key), about[key])}; choose another folder")
    return study


def _other(key: str, found: Any, asked: Any) -> str:
    shown = all(isinstance(value, int | list) or len(str(value)) < 20 for value in (found, asked))
    return f"holds a study with {key} {_said(found)}, not {_said(asked)}" if shown else f"holds a study of other {key}"


def _said(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def values_of(trials: "Sequence[FrozenTrial]", n_objectives: int) -> Tensor:
    """Give the objectives of trials, [n, objectives] float64; inf for those that failed."""
    failed = [float("inf")] * n_objectives
    return torch.tensor([trial.values or failed for trial in trials], dtype=torch.float64).reshape(-1, n_objectives)
