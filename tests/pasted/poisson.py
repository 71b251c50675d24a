#!/usr/bin/env python
# Poisson regression by hand
import numpy as np
np.random.seed(1)
n, p = 50, 3
X = np.hstack([np.ones((n, 1)), np.random.randn(n, p)])
beta_true = np.array([0.5, 1., -0.5, 0.2])
counts = np.random.poisson(np.exp(X.dot(beta_true)))

def negloglik(beta):
    eta = X.dot(beta)
    return np.sum(np.exp(eta) - counts * eta)

def score(beta):
    return X.T.dot(np.exp(X.dot(beta)) - counts)

beta = np.zeros(p + 1)
for it in range(200):
    beta -= 0.001 * score(beta)
print(beta)
