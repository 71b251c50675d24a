import numpy as np

# one step of a network with two hidden neurons, worked through by hand
u = np.array([[0.6], [-0.3]])
m1 = np.array([[0.4, -0.2], [0.3, 0.5]])
c1 = np.array([[0.1], [-0.2]])
m2 = np.array([[0.7, -0.4]])
c2 = np.array([[0.2]])

wanted = 0.9
step_size = 0.2

h = np.tanh(m1 @ u + c1)
out = m2 @ h + c2
e = wanted - out

s2 = -2 * e
s1 = (1 - h ** 2) * (m2.T @ s2)

new_m2 = m2 - step_size * s2 @ h.T
new_c2 = c2 - step_size * s2
new_m1 = m1 - step_size * s1 @ u.T
new_c1 = c1 - step_size * s1
print(new_m1, new_c1, new_m2, new_c2)
