"""Mistakes in statements that make complex values: they are located and repaired as those of real ones are."""

import numpy as np
import pytest
from mutant_outcomes import module_of

from einbackprop import check
from einbackprop.diagnosis.experiments import conformed, flat, shapes_of, shifted

LAYER = """\
import numpy as np


def forward(a, b, z):
    u = (a + 2j * z) * np.exp(1j * b)
    v = u / (u + 1 + 0.5j)
    return u, v


def loss(a, b, z):
    u, v = forward(a, b, z)
    return np.sum(np.abs(v) ** 2)


def gradients(a, b, z):
    u, v = forward(a, b, z)
    slope = (1 - v) / (u + 1 + 0.5j)
    v_bar = 2 * v
    u_bar = np.conj(slope) * v_bar
    da_bar = np.conj(np.exp(1j * b)) * u_bar
    db_bar = np.conj(1j * u) * u_bar
    return np.real(da_bar), np.real(db_bar)
"""


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("slope = (1 - v) / (u + 1 + 0.5j)", "slope = (1 + v) / (u + 1 + 0.5j)"),
        ("u_bar = np.conj(slope) * v_bar", "u_bar = np.conj(slope) * v"),
        ("db_bar = np.conj(1j * u) * u_bar", "db_bar = np.conj(1j * v) * u_bar"),
        ("da_bar = np.conj(np.exp(1j * b)) * u_bar", "da_bar = np.conj(np.exp(1j * b)) * v_bar"),
    ],
)
def test_a_mistake_in_a_complex_value_is_found_on_its_line(line: str, mistake: str) -> None:
    rng, text = np.random.default_rng(0), LAYER.replace(line, mistake)
    module = module_of(text, f"complex_{mistake[:2]}")
    arguments = [rng.uniform(0.5, 1.5, 3) for _ in range(3)]
    (found,) = [item for item in check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings if item.line]
    assert text.splitlines()[found.line - 1].strip() == mistake
    assert found.write is not None
    mended = text.replace(mistake, found.write.strip())
    again = module_of(mended, f"mended_{mistake[:2]}")
    assert check(again.loss, again.gradients, *arguments, wrt=(0, 1)).ok


def test_a_complex_value_is_shifted_by_its_real_and_imaginary_parts() -> None:
    value = np.array([1 + 2j, 3 - 1j])
    assert flat(value).tolist() == [1, 2, 3, -1]
    assert shapes_of(value) == [(2, 2)]
    assert shifted(value, np.array([0.0, 1, 0, 0])).tolist() == [1 + 3j, 3 - 1j]
    assert shifted(2j, np.array([1.0, 0])) == 1 + 2j
    real_for_complex = conformed(1.0, shapes_of(value))
    assert real_for_complex is not None
    assert real_for_complex.tolist() == [1, 0, 1, 0]
    assert conformed(value, [(2,)]) is None
