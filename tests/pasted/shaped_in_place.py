"""A flat script that makes columns of its samples where they are."""
import numpy as np

draw = np.random.RandomState(1)
pictures = draw.rand(12, 9).astype("float32")
digits = np.eye(4)[draw.randint(0, 4, 12)]
into, out = draw.uniform(-0.5, 0.5, (5, 9)), draw.uniform(-0.5, 0.5, (4, 5))
b_into, b_out = np.zeros((5, 1)), np.zeros((4, 1))
speed = 0.01
for epoch in range(2):
    for picture, digit in zip(pictures, digits):
        picture.shape += (1,)
        digit.shape += (1,)
        hidden = 1 / (1 + np.exp(-(b_into + into @ picture)))
        shown = 1 / (1 + np.exp(-(b_out + out @ hidden)))
        delta_out = shown - digit
        delta_hidden = out.T @ delta_out * (hidden * (1 - hidden))
        out += -speed * delta_out @ hidden.T
        b_out += -speed * delta_out
        into += -speed * delta_hidden @ picture.T
        b_into += -speed * delta_hidden
