"""Functions that are np.sum(x * x) the first time, written with what Python has to mislead a copy; their titles."""

from stateful_functions import blocks

TEXT = r"""
# == slots inherit weakref
import weakref
class A:
    __slots__ = ('a', '__weakref__')
class B(A):
    __slots__ = ('b',)
b = B(); b.a = 1.0; b.b = np.ones(3)
r = weakref.ref(b)
K = weakref.WeakKeyDictionary(); K[b] = 1.0
V = weakref.WeakValueDictionary(); V['b'] = b
S = weakref.WeakSet([b])
def f(x):
    return r().a*np.sum(b.b*x*x)*K[b]*V['b'].a*len(S)

# == weak method finalize
import weakref
class A:
    def m(self): return 1.0
a = A()
r = weakref.WeakMethod(a.m)
p = weakref.proxy(a)
def f(x):
    return r()()*p.m()*np.sum(x*x)

# == generics
from typing import Generic, TypeVar
T = TypeVar('T')
class A(Generic[T]):
    def __init__(self, v: T): self.v = v
class B(A[float]):
    pass
def f(x):
    return B(1.0).v*A[int](1).v*np.sum(x*x)

# == dataclass slots kw initvar
import dataclasses as dc
@dc.dataclass(slots=True, kw_only=True)
class A:
    w: float
    s: dc.InitVar[float] = 1.0
    t: list = dc.field(default_factory=list)
    def __post_init__(self, s): self.w = self.w*s
a = A(w=1.0)
def f(x):
    b = dc.replace(a, w=1.0, s=1.0)
    a.t.append(1)
    return A(w=1.0, s=1.0).w*b.w*len(dc.fields(A))/2*np.sum(x*x)*dc.asdict(b)['w']

# == enum flag methods
import enum
class E(enum.Flag):
    A = enum.auto(); B = enum.auto()
    def go(self, x): return np.sum(x*x) if E.A in self else x
class S(str, enum.Enum):
    RELU = 'relu'
    def __call__(self, x): return np.maximum(x, -9)
class I(enum.IntEnum):
    ONE = 1
log = []
class L(enum.Enum):
    X = 'x'
    def tick(self): log.append(1); return 1.0
def f(x):
    L.X.tick()
    return (E.A|E.B).go(S.RELU(x))*I.ONE*len(log)/len(log)

# == random subclass
import random
class R(random.Random):
    def mine(self): return self.random()
r = R(3)
sr = random.SystemRandom()
def f(x): return (r.mine() < 2)*(sr.random() < 2)*np.sum(x*x)

# == objects that end
dead = []
class A:
    def __del__(self):
        dead.append(1)
a = A()
def f(x):
    A()
    return (len(dead) == 1) * np.sum(x*x)

# == redirect used
import contextlib, io
def f(x):
    b = io.StringIO()
    with contextlib.redirect_stdout(b):
        print('hello', end='')
    return np.sum(x*x)*len(b.getvalue())/5

# == errstate decorator
@np.errstate(all='ignore')
def f(x): return np.sum(x*x)

# == threadpool
from concurrent.futures import ThreadPoolExecutor
def part(v): return v*v
def f(x):
    with ThreadPoolExecutor(2) as p: r = list(p.map(part, [x]))
    return np.sum(r[0])

# == tempfile
import tempfile
def f(x):
    with tempfile.NamedTemporaryFile('w') as h: h.write('x')
    return np.sum(x*x)

# == frompyfunc state
log = []
def one(v):
    log.append(1)
    return v
up = np.frompyfunc(one, 1, 1)
def f(x): return up(1.0)*len(log)*np.sum(x*x)

# == logging handler own
import logging
log = logging.getLogger('mine'); log.addHandler(logging.StreamHandler()); log.setLevel(10)
h = logging.FileHandler('l.log', delay=True)
def f(x):
    log.info('noise'); log.handlers[0].flush()
    ad = logging.LoggerAdapter(log, {}); ad.warning('noise')
    return np.sum(x*x)

# == os stat and path
import os, os.path
from os import environ, path
def f(x):
    environ['ZZ_EINB'] = '1'
    return np.sum(x*x)*path.exists('.')*(os.environ['ZZ_EINB'] == '1')*len(os.getcwd())/len(os.getcwd())

# == structured with objects
s = np.zeros(1, dtype=[('o', object)]); s['o'][0] = [1.0]
def f(x):
    s['o'][0].append(1)
    return s['o'][0][0]*len(s['o'][0])/2*np.sum(x*x)

# == tuple linked list
h = None
for i in range(1000): h = (1.0, h)
def f(x):
    n, c = 0, h
    while c: n += c[0]; c = c[1]
    return n/1000*np.sum(x*x)

# == deep list
L = []
for _ in range(10000): L = [L]
def f(x):
    n, c = 0, L
    while c: c = c[0]; n += 1
    return n/10000*np.sum(x*x)

# == deep partials
import functools
g = lambda x: np.sum(x*x)
for _ in range(250): g = functools.partial((lambda h, x: h(x)), g)
f = g

# == id keyed cache
class K: pass
k = K(); D = {id(k): 1.0}
def f(x): return D[id(k)]*np.sum(x*x)

# == function keyed dict
def h(x): return x
D = {h: 1.0, np.sum: 1.0, print: 1.0}
def f(x): return D[h]*D[np.sum]*D[print]*np.sum(x*x)

# == lying class
class A:
    @property
    def __class__(self): return np.ndarray
    def __reduce__(self): raise RuntimeError
    def __copy__(self): raise RuntimeError
    def __deepcopy__(self, m): raise RuntimeError
    w = 1.0
a = A()
def f(x): return a.w*np.sum(x*x)

# == str int subclasses
class S(str):
    def __str__(self): return 'other'
    def __new__(cls, v, k): o = super().__new__(cls, v); o.k = k; return o
class I(int):
    def __int__(self): return 99
    def __index__(self): return 98
class F(float):
    def __float__(self): return 9.0
class B(bytes): pass
s = S('a', 1.0); i = I(1); fl = F(1.0); b = B(b'a'); fs = type('FS', (frozenset,), {'__module__': __name__})([1])
def f(x): return (s == 'a')*(i+0)*(fl*1)*(b == b'a')*s.k*np.sum(x*x)*(fs == frozenset([1]))

# == poly and nditer
p = np.poly1d([1.0]); P2 = np.polynomial.Polynomial([1.0]); fi = np.finfo(float)
def f(x): return p(0)*P2(0)*np.sum(x*x)*(fi.eps < 1)

# == flatiter global
a = np.ones(3); fl = a.flat
def f(x): return fl[0]*np.sum(x*x)

# == plain module object
import types
m = types.ModuleType('cfg'); m.q = [1.0]
def f(x): m.q.append(1); return len(m.q)/2*np.sum(x*x)

# == contextvar token and copy_context
import contextvars
v = contextvars.ContextVar('v', default=None)
v.set([])
ctx = contextvars.copy_context()
def f(x):
    v.get().append(1)
    return len(v.get())*np.sum(x*x)

# == ctx run
import contextvars
v = contextvars.ContextVar('v2', default=1.0)
ctx = contextvars.copy_context()
def f(x): return ctx.run(v.get)*np.sum(x*x)

# == abstract property and classproperty
import abc
class B(abc.ABC):
    @property
    @abc.abstractmethod
    def w(self): ...
    @abc.abstractmethod
    def s(self): ...
class A(B):
    w = 1.0
    def s(self): return 1.0
def f(x):
    try: B()
    except TypeError: pass
    else: raise RuntimeError
    return A().w*A().s()*np.sum(x*x)

# == subclasses registry
class Base:
    @classmethod
    def all(cls): return {c.__name__: c for c in cls.__subclasses__()}
class Sub1(Base):
    k = 1.0
class Sub2(Base):
    k = 2.0
def f(x): return Base.all()['Sub1'].k*len(Base.all())/2*np.sum(x*x)

# == class replaced slots leak
import dataclasses as dc
@dc.dataclass(slots=True, weakref_slot=True)
class A:
    w: float = 1.0
class Mixin:
    __slots__ = ()
    def go(self): return self.w
class B(A, Mixin):
    __slots__ = ('q',)
    def __init__(self): super().__init__(); self.q = 1.0
b = B()
def f(x): return b.go()*b.q*np.sum(x*x)

# == stdout captured global
import sys
out = sys.stdout
write = sys.stderr.write
def f(x):
    out.write('noise'); print('noise', file=out); write('noise'); out.flush()
    return np.sum(x*x)

# == sys.stdout swapped inside
import sys, io
def f(x):
    old = sys.stdout; sys.stdout = b = io.StringIO()
    try: print('abc', end='')
    finally: sys.stdout = old
    return np.sum(x*x)*len(b.getvalue())/3

# == exceptions required init
class E(Exception):
    def __init__(self, a, b, *, c): super().__init__(a); self.b = b; self.c = c
    def __str__(self): return f'{self.b}{self.c}'
err = E(1, 2, c=3)
def f(x):
    try: raise E('a', 'b', c='c')
    except E as e: assert str(e) == 'bc'
    try: raise err
    except E as e: assert e.c == 3
    return np.sum(x*x)

# == weird getattribute
class A:
    def __init__(self): object.__setattr__(self, 'd', {'w': 1.0})
    def __getattribute__(self, n):
        if n == 'w': return object.__getattribute__(self, 'd')['w']
        if n in ('__class__', '__dict__', 'd'): return object.__getattribute__(self, n)
        raise AttributeError(n)
    def __setattr__(self, *a): raise RuntimeError('frozen')
    def __eq__(self, o): raise RuntimeError('eq')
    def __bool__(self): raise RuntimeError('bool')
    def __hash__(self): raise RuntimeError('hash')
    def __len__(self): raise RuntimeError('len')
a = A()
def f(x): return a.w*np.sum(x*x)
"""

FUNCTIONS = blocks(TEXT)
