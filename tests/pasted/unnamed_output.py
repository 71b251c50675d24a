# a small net whose layers are lists; nothing in the loop has a name but the weights
import numpy as np
r=np.random.RandomState(4)
t=r.randint(0,3,24)
x=np.vstack((np.cos(t),np.sin(t)))+.3*r.randn(2,24)   # 2 x 24
y=np.eye(3)[:,t]

s=[2,6,5,3]
W=[r.randn(o,i)/i**.5 for i,o in zip(s,s[1:])]
b=[np.zeros((o,1)) for o in s[1:]]

def f(x):
    A=[x]
    for l in range(2): A.append(np.tanh(W[l]@A[-1]+b[l]))
    z=W[-1]@A[-1]+b[-1]
    e=np.exp(z-z.max(0))
    A.append(e/e.sum(0))
    return A

def g(A,y):
    d=(A[-1]-y)/y.shape[1]
    G=[None]*3
    for l in range(3)[::-1]:
        G[l]=(d@A[l].T, d.sum(1,keepdims=True))
        if l: d=(W[l].T@d)*(1-A[l] ** 2)
    return G

for k in range(60):
    e=.5/(1+.01*k)
    for l,(u,v) in enumerate(g(f(x),y)):
        W[l]-=e*u
        b[l]-=e*v
print("richtig", (f(x)[-1].argmax(0)==t).mean())
