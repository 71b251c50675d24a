#!/usr/bin/env python
# coding: utf-8

# # Linear regression with gradient descent
# We fit house prices with two features: size and number of rooms.

# In[1]:


import numpy as np
import math
# get_ipython().run_line_magic('matplotlib', 'inline')


# In[2]:


rng = np.random.default_rng(3)
size = rng.uniform(0.5, 3.0, 40)           # 1000 sqft
rooms = rng.integers(1, 6, 40)
x_train = np.column_stack([size, rooms])
y_train = 150 * size + 20 * rooms + 50 + rng.normal(0, 10, 40)   # 1000s of dollars
x_train.shape, y_train.shape


# ## Cost
# $$J(w,b) = \frac{1}{2m}\sum_i (f_{w,b}(x^{(i)}) - y^{(i)})^2$$

# In[3]:


def compute_cost(X, y, w, b):
    m = X.shape[0]
    cost = 0.0
    for i in range(m):
        f_wb_i = np.dot(X[i], w) + b
        cost = cost + (f_wb_i - y[i]) ** 2
    return cost / (2 * m)


# In[4]:


def compute_gradient(X, y, w, b):
    m, n = X.shape
    dj_dw = np.zeros((n,))
    dj_db = 0.
    for i in range(m):
        err = (np.dot(X[i], w) + b) - y[i]
        for j in range(n):
            dj_dw[j] = dj_dw[j] + err * X[i, j]
        dj_db = dj_db + err
    return dj_dw / m, dj_db / m


# In[5]:


w_init = np.zeros(2)
b_init = 0.
print(compute_cost(x_train, y_train, w_init, b_init))
print(compute_gradient(x_train, y_train, w_init, b_init))


# In[6]:


w, b = w_init.copy(), b_init
alpha = 0.05
J_history = []
for it in range(150):
    dj_dw, dj_db = compute_gradient(x_train, y_train, w, b)
    w = w - alpha * dj_dw
    b = b - alpha * dj_db
    J_history.append(compute_cost(x_train, y_train, w, b))
    if it % math.ceil(150 / 5) == 0:
        print(f"Iteration {it:4d}: Cost {J_history[-1]:8.2f}")


# In[ ]:




