import numpy as np


def svm_loss_naive(W, X, y, reg):
  """
  Multiclass hinge loss, written with two explicit loops.

  Inputs:
  - W: weight matrix, array of shape (D, C)
  - X: batch of examples, one per row, array of shape (N, D)
  - y: class index of every row of X, array of shape (N,), values in 0..C-1
  - reg: (float) how strongly large weights are punished

  Returns a tuple of:
  - loss: a float
  - dW: derivative of the loss by W, same shape as W
  """
  dW = np.zeros(W.shape)

  C = W.shape[1]
  N = X.shape[0]
  loss = 0.0
  for i in range(N):
    scores = X[i].dot(W)
    correct = scores[y[i]]
    for j in range(C):
      if j == y[i]:
        continue
      margin = scores[j] - correct + 1
      if margin > 0:
        loss += margin
        dW[:, j] += X[i]
        dW[:, y[i]] -= X[i]

  loss /= N
  dW /= N

  loss += reg * np.sum(W * W)
  dW += 2 * reg * W
  return loss, dW


def svm_loss_vectorized(W, X, y, reg):
  """
  Same thing without loops; see svm_loss_naive for the arguments.
  """
  N = X.shape[0]
  scores = X.dot(W)
  correct = scores[np.arange(N), y][:, np.newaxis]
  margins = np.maximum(0, scores - correct + 1)
  margins[np.arange(N), y] = 0
  loss = margins.sum() / N + reg * np.sum(W * W)

  mask = (margins > 0).astype(X.dtype)
  mask[np.arange(N), y] = -mask.sum(axis=1)
  dW = X.T.dot(mask) / N + 2 * reg * W
  return loss, dW
