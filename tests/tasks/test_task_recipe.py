"""What a recipe refuses, and that it names the key and what is allowed."""

import pytest

from netgraph.errors import NetGraphError
from netgraph.tasks import TaskRecipe

LINEAR = "families.linear"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"famlies": {}}, "tasks.famlies: unknown key; known: families, modifiers, n_features, rows, "),
        ({"families": {"cubic": 1}}, "tasks.families.cubic: unknown; known: linear, friedman1, "),
        ({"families": {"linear": -1}}, f"tasks.{LINEAR} is -1; it must be a number at least 0, or a mapping"),
        ({"families": {"linear": "2"}}, f"tasks.{LINEAR} is '2'; it must be a number at least 0"),
        ({"families": {"linear": {"weight": True}}}, f"tasks.{LINEAR}.weight is True; it must be a number at least 0"),
        ({"families": {"linear": {"rank": 2}}}, f"tasks.{LINEAR}.rank: unknown key; known: weight, effective_rank, "),
        (
            {"families": {"linear": {"effective_rank": [3, 2]}}},
            f"tasks.{LINEAR}.effective_rank is (3, 2); it must be two numbers from 0.1 to 1e+06, the smaller first",
        ),
        ({"families": {"linear": {"tail_strength": [0, float("nan")]}}}, f"{LINEAR}.tail_strength is (0, nan); it mus"),
        (
            {"families": {"mlp_teacher": {"depth": [1, 2.5]}}},
            "families.mlp_teacher.depth is (1, 2.5); it must be two whole numbers from 1 to 16, the smaller first",
        ),
        (
            {"families": {"mlp_teacher": {"activations": ["mish"]}}},
            "families.mlp_teacher.activations is ('mish',); it must be a list of some of tanh, relu, sigmoid, elu, sin",
        ),
        ({"families": {"mlp_teacher": {"activations": "tanh"}}}, "it must be a list of some of tanh"),
        ({"families": {"gaussian_process": {"product": 2}}}, "gaussian_process.product is 2; it must be a number from"),
        (
            {"families": {"products": {"factors": ["linear"]}}},
            "products.factors is ('linear',); it must be two or more",
        ),
        ({"families": {"products": {"factors": ["linear", "linear"]}}}, "it must be two or more, each once"),
        ({"families": {}}, "tasks.families is {}; it must be weights, one of them above 0 at least"),
        ({"families": {"linear": 0}}, "it must be weights, one of them above 0 at least"),
        ({"families": ["linear"]}, "it must be a mapping with some of linear, "),
        ({"modifiers": {"fog": {}}}, "tasks.modifiers.fog: unknown; known: collinearity, heavy_tails, "),
        (
            {"modifiers": {"collinearity": {"probability": 1.5}}},
            "tasks.modifiers.collinearity.probability is 1.5; it must be a number from 0 to 1",
        ),
        ({"modifiers": {"heavy_tails": {"nu": 3}}}, "modifiers.heavy_tails.nu: unknown key; known: probability, share"),
        (
            {"modifiers": {"discretization": {"levels": [1, 4]}}},
            "levels is (1, 4); it must be two whole numbers from 2",
        ),
        ({"modifiers": {"heavy_tails": 0.3}}, "modifiers.heavy_tails is 0.3; it must be a mapping of settings"),
        ({"n_features": [4, 2]}, "n_features is (4, 2); it must be two whole numbers at least 1, the smaller first"),
        ({"n_features": 4}, "n_features is 4; it must be two whole numbers"),
        ({"families": {"friedman1": 1}, "n_features": [2, 4]}, "n_features is (2, 4); it must be room for 5 columns"),
        ({"rows": 7}, "rows is 7; it must be a whole number at least 8"),
        ({"rows": 1, "learnable": False}, "rows is 1; it must be a whole number at least 2"),
        ({"rows": 20.0}, "rows is 20.0; it must be a whole number"),
        ({"signal_to_noise": [0, 10]}, "signal_to_noise is (0, 10); it must be two numbers above 0, the smaller first"),
        ({"signal_to_noise": 10}, "or null for no noise"),
        ({"distractors": [0, 1.5]}, "distractors is (0, 1.5); it must be two numbers from 0 to 1, the smaller first"),
        ({"learnable": "yes"}, "learnable is 'yes'; it must be true or false"),
    ],
)
def test_wrong_values_are_refused_by_name(values, message):
    with pytest.raises(NetGraphError) as caught:
        TaskRecipe.from_dict(values, "tasks.")
    assert message in str(caught.value)
    assert str(caught.value).startswith("tasks.")
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_no_mapping_is_refused():
    with pytest.raises(NetGraphError, match="tasks is 3; it must be a mapping"):
        TaskRecipe.from_dict(3, "tasks.")


def test_what_is_left_out_keeps_its_default():
    recipe = TaskRecipe.from_dict({"rows": 64, "modifiers": {"collinearity": None}})
    assert recipe.rows == 64
    assert recipe.families == TaskRecipe().families
    assert [one.name for one in recipe.active_modifiers] == ["collinearity"]
    assert recipe.active_modifiers[0].probability == TaskRecipe().active_modifiers[0].probability
