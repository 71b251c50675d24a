import numpy as np


# ratings of films, 0 where nobody rated; rows of A are people, columns of B films
def factorise(R, A, B, steps=3, alpha=0.01, beta=0.05):
    B = B.T
    for step in range(steps):
        for person in range(R.shape[0]):
            for film in range(R.shape[1]):
                if R[person, film] > 0:
                    off = R[person, film] - np.dot(A[person, :], B[:, film])
                    for k in range(A.shape[1]):
                        before = A[person, k]
                        A[person, k] = before + alpha * (2 * off * B[k, film] - beta * before)
                        B[k, film] = B[k, film] + alpha * (2 * off * before - beta * B[k, film])
    return A, B.T


if __name__ == '__main__':
    R = np.array([[4, 0, 1], [5, 2, 0], [0, 1, 4], [1, 1, 5]])
    A, B = np.random.rand(4, 2), np.random.rand(3, 2)
    A, B = factorise(R, A, B)
    print(A @ B.T)
