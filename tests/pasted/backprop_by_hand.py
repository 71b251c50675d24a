# Backprop by hand, one example, no loops.
# companion to the worksheet: every line is one arrow in the diagram
import numpy as np

# input and target
x = np.array([0.05, 0.10])
t = np.array([0.01, 0.99])

# weights (rows = units)
W1 = np.array([[0.15, 0.20],
               [0.25, 0.30],
               [-0.10, 0.40]])
b1 = np.array([0.35, 0.35, 0.10])
W2 = np.array([[0.40, 0.45, -0.20],
               [0.50, 0.55, 0.30]])
b2 = np.array([0.60, 0.60])

sig = lambda u: 1 / (1 + np.exp(-u))

# ---- forward ----
net_h = W1 @ x + b1
out_h = sig(net_h)
net_o = W2 @ out_h + b2
out_o = sig(net_o)

E = 0.5 * np.sum((t - out_o) ** 2)
print("error", E)

# ---- backward ----
dE_dout_o = out_o - t
dE_dnet_o = dE_dout_o * out_o * (1 - out_o)
dE_dW2 = np.outer(dE_dnet_o, out_h)
dE_db2 = dE_dnet_o

dE_dout_h = W2.T @ dE_dnet_o
dE_dnet_h = dE_dout_h * out_h * (1 - out_h)
dE_dW1 = np.outer(dE_dnet_h, x)
dE_db1 = dE_dnet_h

print("dE/dW2\n", dE_dW2)
print("dE/dW1\n", dE_dW1)

# one step with eta = 0.5
eta = 0.5
W1_new = W1 - eta * dE_dW1
W2_new = W2 - eta * dE_dW2
print("W1 after\n", W1_new)
print("W2 after\n", W2_new)
