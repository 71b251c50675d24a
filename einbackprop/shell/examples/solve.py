"""A linear solve, differentiated: the adjoint method, for springs and their loads.

    einbackprop check solve.py --loss "misfit(K, F, wanted)" --grads "misfit_gradients(K, F, wanted)" \
        --wrt K --wrt F

Which stiffness K and which forces F bring the masses where they should be? The backward of a solve is a solve with
the transpose.
"""

import numpy as np


def displacements(K, F):
    return np.linalg.solve(K, F)


def misfit(K, F, wanted):
    u = displacements(K, F)
    return 0.5 * np.sum((u - wanted) ** 2)


def misfit_gradients(K, F, wanted):
    u = displacements(K, F)
    du = u - wanted
    adjoint = np.linalg.solve(K.T, du)
    dF = adjoint
    dK = -adjoint @ u.T
    return dK, dF


# Four masses in a row, held at both ends; a column of F is a load.
stiffness = np.array([3.0, 1.0, 2.0, 1.5, 2.5])
K = np.diag(stiffness[:-1] + stiffness[1:]) - np.diag(stiffness[1:-1], 1) - np.diag(stiffness[1:-1], -1)
F = np.array([[1.0, 0.0, 0.5], [0.0, -1.0, 0.5], [0.0, 2.0, 0.5], [-1.0, 0.0, 0.5]])
wanted = np.array([[0.5, 0.1, 0.2], [0.0, -0.5, 0.2], [0.0, 0.5, 0.2], [-0.5, 0.1, 0.2]])

if __name__ == "__main__":
    for step in range(20):
        dK, dF = misfit_gradients(K, F, wanted)
        F = F - 0.5 * dF
        print(step, misfit(K, F, wanted))
