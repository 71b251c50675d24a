# Ridge regression, closed form vs gradient; notebook style
import numpy as np
rng = np.random.default_rng(3)
A = rng.normal(size=(30, 6)); true = rng.normal(size=6)
y = A @ true + 0.1 * rng.normal(size=30)
lam = 0.3

def objective(w):
    r = A @ w - y
    return 0.5 * r @ r + 0.5 * lam * w @ w

def objective_grad(w):
    return A.T @ (A @ w - y) + lam * w

w = np.zeros(6)
for k in range(100):
    w = w - 0.01 * objective_grad(w)
print(objective(w))
