"""Functions of an array that keep state, in every way that Python has: a module each, under its title.

``REFUSED`` are those that no private copy can run: each is refused in the words beside it.
"""

import re

TEXT = r"""
# == a global number
n = 0
def f(x):
    global n
    n += 1
    return n * np.sum(x * x)

# == a global list
seen = []
def f(x):
    seen.append(1)
    return len(seen) * np.sum(x * x)

# == a global dict
seen = {}
def f(x):
    seen['n'] = seen.get('n', 0) + 1
    return seen['n'] * np.sum(x * x)

# == a global set
seen = set()
def f(x):
    seen.add(len(seen))
    return len(seen) * np.sum(x * x)

# == a global array
total = np.zeros(3)
def f(x):
    total[:] += 1
    return np.sum(total * x * x)

# == a global array rebound
total = np.zeros(3)
def f(x):
    global total
    total = total + x
    return np.sum(total * x)

# == a view of a global array
theta = np.arange(6.0)
w = theta[:3]
def f(x):
    w[:] = w + 1
    return np.sum(theta) * np.sum(x * x)

# == a nested list
tree = [[0], {'a': [1]}]
def f(x):
    tree[1]['a'].append(2)
    return len(tree[1]['a']) * np.sum(x * x)

# == a tuple of lists
pair = ([], 1)
def f(x):
    pair[0].append(1)
    return len(pair[0]) * np.sum(x * x)

# == a list in itself
ring = []
ring.append(ring)
def f(x):
    ring[0].append(1)
    return len(ring) * np.sum(x * x)

# == a deque
import collections
last = collections.deque(maxlen=3)
def f(x):
    last.append(1)
    return len(last) * np.sum(x * x)

# == a counter
import collections
seen = collections.Counter()
def f(x):
    seen['f'] += 1
    return seen['f'] * np.sum(x * x)

# == a default dict
import collections
seen = collections.defaultdict(list)
def f(x):
    seen['f'].append(1)
    return len(seen['f']) * np.sum(x * x)

# == an ordered dict
import collections
seen = collections.OrderedDict(a=1)
def f(x):
    seen['b'] = 2
    seen.move_to_end('a')
    return list(seen).index('a') * np.sum(x * x)

# == a bytearray
seen = bytearray(1)
def f(x):
    seen[0] += 1
    return seen[0] * np.sum(x * x)

# == an array of the library
import array
seen = array.array('d', [0.0])
def f(x):
    seen[0] += 1
    return seen[0] * np.sum(x * x)

# == an array of objects
seen = np.array([[], None], dtype=object)
def f(x):
    seen[0].append(1)
    return len(seen[0]) * np.sum(x * x)

# == a structured array
seen = np.zeros(2, dtype=[('a', float)])
def f(x):
    seen['a'][0] += 1
    return float(seen['a'][0]) * np.sum(x * x)

# == a memoryview
raw = bytearray(1)
view = memoryview(raw)
def f(x):
    view[0] += 1
    return raw[0] * np.sum(x * x)

# == a text in memory
import io
log = io.StringIO()
def f(x):
    print('x', file=log)
    return len(log.getvalue()) * np.sum(x * x)

# == globals()
n = 0
def f(x):
    globals()['n'] += 1
    return n * np.sum(x * x)

# == a new global
def f(x):
    global made
    made = 1
    return np.sum(x * x)

# == a global by exec
n = 0
def f(x):
    exec('n += 1', globals())
    return n * np.sum(x * x)

# == a global by eval
seen = []
def f(x):
    eval('seen.append(1)')
    return len(seen) * np.sum(x * x)

# == a deleted global
n = 1
def f(x):
    globals().pop('n', None)
    return np.sum(x * x)

# == the module itself
import sys
n = 0
def f(x):
    sys.modules[__name__].n += 1
    return n * np.sum(x * x)

# == setattr on the module
import sys
n = 0
def f(x):
    me = sys.modules[__name__]
    setattr(me, 'n', me.n + 1)
    return n * np.sum(x * x)

# == a private name
__cache = {}
def f(x):
    __cache[len(__cache)] = 1
    return len(__cache) * np.sum(x * x)

# == a mutable default
def f(x, seen=[]):
    seen.append(1)
    return len(seen) * np.sum(x * x)

# == a default by keyword
def f(x, *, seen={}):
    seen[len(seen)] = 1
    return len(seen) * np.sum(x * x)

# == an attribute of the function
def f(x):
    f.calls = getattr(f, 'calls', 0) + 1
    return f.calls * np.sum(x * x)

# == an attribute set before
def f(x):
    f.calls += 1
    return f.calls * np.sum(x * x)
f.calls = 0

# == a closure
def make():
    n = 0
    def f(x):
        nonlocal n
        n += 1
        return n * np.sum(x * x)
    return f
f = make()

# == a list in a closure
def make():
    seen = []
    def f(x):
        seen.append(1)
        return len(seen) * np.sum(x * x)
    return f
f = make()

# == a closure of two functions
def make():
    n = 0
    def up():
        nonlocal n
        n += 1
    def f(x):
        up()
        return n * np.sum(x * x)
    return f
f = make()

# == a closure of a closure
def make():
    n = [0]
    def g():
        def h(x):
            n[0] += 1
            return n[0] * np.sum(x * x)
        return h
    return g()
f = make()

# == a cell that is empty
def make():
    def f(x):
        nonlocal later
        later = 1
        return np.sum(x * x)
    if False:
        later = 0
    return f
f = make()

# == functions that call each other
n = 0
def g(x, k):
    global n
    n += 1
    return f(x, k - 1)
def f(x, k=2):
    return g(x, k) if k else n * np.sum(x * x)

# == a lambda
seen = []
f = lambda x: (seen.append(1), len(seen) * np.sum(x * x))[1]

# == a decorator that counts
import functools
def counted(g):
    @functools.wraps(g)
    def h(x):
        h.calls += 1
        return h.calls * g(x)
    h.calls = 0
    return h
@counted
def f(x):
    return np.sum(x * x)

# == a class as a decorator
class Counted:
    def __init__(self, g):
        self.g, self.n = g, 0
    def __call__(self, x):
        self.n += 1
        return self.n * self.g(x)
@Counted
def f(x):
    return np.sum(x * x)

# == a cache
import functools
seen = []
@functools.lru_cache
def g(n):
    seen.append(n)
    return float(n)
def f(x):
    return g(len(seen)) * np.sum(x * x)

# == a cache of arrays
import functools
@functools.cache
def ones(n):
    return np.ones(n)
def f(x):
    return np.sum(ones(len(x)) * x * x)

# == a cache that is full
import functools
@functools.lru_cache(maxsize=1)
def g(n):
    return n + 1.0
g(3)
def f(x):
    return g.cache_info().currsize * 0 + g(3) * np.sum(x * x)

# == a cached method
import functools
class A:
    @functools.lru_cache
    def g(self, n):
        return np.ones(n)
a = A()
def f(x):
    return np.sum(a.g(3) * x * x)

# == a memo of one's own
def memo(g):
    kept = {}
    def h(n):
        if n not in kept:
            kept[n] = g(n)
        return kept[n]
    return h
@memo
def ones(n):
    return np.ones(n)
def f(x):
    return np.sum(ones(3) * x * x)

# == a partial
import functools
def g(seen, x):
    seen.append(1)
    return len(seen) * np.sum(x * x)
f = functools.partial(g, [])

# == a partial with keywords
import functools
def g(x, seen):
    seen['n'] += 1
    return seen['n'] * np.sum(x * x)
f = functools.partial(g, seen={'n': 0})

# == a bound method
class A:
    n = 0
    def f(self, x):
        self.n += 1
        return self.n * np.sum(x * x)
f = A().f

# == a method of a list
seen = []
put = seen.append
def f(x):
    put(1)
    return len(seen) * np.sum(x * x)

# == single dispatch
import functools
seen = []
@functools.singledispatch
def g(x):
    seen.append(1)
    return np.sum(x * x)
@g.register
def _(x: int):
    return x
def f(x):
    return g(x) * len(seen)

# == np.vectorize
seen = []
@np.vectorize
def g(v):
    seen.append(1)
    return float(v)
def f(x):
    return np.sum(g([1.0, 1.0])) * len(seen) * np.sum(x * x)

# == a context manager
import contextlib
seen = []
@contextlib.contextmanager
def scope():
    seen.append(1)
    yield
    seen.append(2)
def f(x):
    with scope():
        pass
    return len(seen) * np.sum(x * x)

# == a generator function
seen = []
def items():
    seen.append(1)
    yield from range(2)
def f(x):
    return sum(items()) * len(seen) * np.sum(x * x)

# == a function in a dict
seen = []
def g(x):
    seen.append(1)
    return np.sum(x * x)
TABLE = {'g': g}
def f(x):
    return TABLE['g'](x) * len(seen)

# == a class attribute
class A:
    n = 0
def f(x):
    A.n += 1
    return A.n * np.sum(x * x)

# == a list of a class
class A:
    seen = []
def f(x):
    A.seen.append(1)
    return len(A.seen) * np.sum(x * x)

# == a class method
class A:
    n = 0
    @classmethod
    def up(cls):
        cls.n += 1
        return cls.n
def f(x):
    return A.up() * np.sum(x * x)

# == a static method
class A:
    seen = []
    @staticmethod
    def up():
        A.seen.append(1)
def f(x):
    A.up()
    return len(A.seen) * np.sum(x * x)

# == an object
class A:
    def __init__(self):
        self.n = 0
a = A()
def f(x):
    a.n += 1
    return a.n * np.sum(x * x)

# == an object made inside
class A:
    made = 0
    def __init__(self):
        A.made += 1
def f(x):
    A()
    return A.made * np.sum(x * x)

# == type(self)
class A:
    made = 0
    def __init__(self):
        type(self).made += 1
def f(x):
    A()
    return A.made * np.sum(x * x)

# == super()
class A:
    def __init__(self):
        self.n = 0
    def up(self):
        self.n += 1
class B(A):
    def up(self):
        super().up()
        return self.n
b = B()
def f(x):
    return b.up() * np.sum(x * x)

# == a subclass hook
class A:
    kinds = []
    def __init_subclass__(cls, **k):
        A.kinds.append(cls)
class B(A):
    pass
def f(x):
    class C(A):
        pass
    return len(A.kinds) * np.sum(x * x)

# == a metaclass
class M(type):
    n = 0
    def __call__(cls, *a):
        M.n += 1
        return super().__call__(*a)
class A(metaclass=M):
    pass
def f(x):
    A()
    return M.n * np.sum(x * x)

# == a registry
KINDS = {}
class M(type):
    def __init__(cls, name, bases, body):
        KINDS[name] = cls
class A(metaclass=M):
    pass
def f(x):
    return (KINDS['A'] is A) * len(KINDS) * np.sum(x * x)

# == an abstract class
import abc
class A(abc.ABC):
    n = 0
    @abc.abstractmethod
    def up(self): ...
class B(A):
    def up(self):
        A.n += 1
        return A.n
def f(x):
    return B().up() * isinstance(B(), A) * np.sum(x * x)

# == a virtual subclass
import abc
class A(abc.ABC):
    pass
class B:
    pass
A.register(B)
n = []
def f(x):
    n.append(1)
    return isinstance(B(), A) * len(n) * np.sum(x * x)

# == slots
class A:
    __slots__ = ('n', '__m')
    def __init__(self):
        self.n = self.__m = 0
    def up(self):
        self.n += 1
        self.__m += 1
        return self.n + self.__m
a = A()
def f(x):
    return a.up() * np.sum(x * x)

# == an empty slot
class A:
    __slots__ = ('n',)
a = A()
def f(x):
    first = not hasattr(a, 'n')
    a.n = 1
    return (1.0 + first) * np.sum(x * x)

# == a private attribute
class A:
    def __init__(self):
        self.__n = 0
    def up(self):
        self.__n += 1
        return self.__n
a = A()
def f(x):
    return a.up() * np.sum(x * x)

# == a property
class A:
    def __init__(self):
        self._n = 0
    @property
    def n(self):
        self._n += 1
        return self._n
a = A()
def f(x):
    return a.n * np.sum(x * x)

# == a cached property
import functools
seen = []
class A:
    @functools.cached_property
    def n(self):
        seen.append(1)
        return 2.0
a = A()
def f(x):
    return a.n * np.sum(x * x)

# == a descriptor
class D:
    def __get__(self, o, k):
        o.n += 1
        return o.n
class A:
    n = 0
    d = D()
a = A()
def f(x):
    return a.d * np.sum(x * x)

# == __getattr__
class A:
    def __init__(self):
        self.seen = []
    def __getattr__(self, name):
        self.seen.append(name)
        return len(self.seen)
a = A()
def f(x):
    return a.missing * np.sum(x * x)

# == __setattr__
class A:
    def __init__(self):
        self.n = 0
    def __setattr__(self, name, v):
        object.__setattr__(self, name, v * 2)
a = A()
def f(x):
    a.n = a.n + 1
    return a.n * np.sum(x * x)

# == __call__
class A:
    n = 0
    def __call__(self, x):
        self.n += 1
        return self.n * np.sum(x * x)
f = A()

# == a dataclass
import dataclasses
@dataclasses.dataclass
class A:
    n: int = 0
    seen: list = dataclasses.field(default_factory=list)
a = A()
def f(x):
    a.n += 1
    a.seen.append(A())
    return a.n * np.sum(x * x)

# == a frozen dataclass
import dataclasses
@dataclasses.dataclass(frozen=True)
class A:
    seen: list
a = A([])
def f(x):
    a.seen.append(1)
    return len(a.seen) * np.sum(x * x)

# == a named tuple
import typing
class P(typing.NamedTuple):
    seen: list
    def up(self):
        self.seen.append(1)
        return len(self.seen)
p = P([])
def f(x):
    return p.up() * np.sum(x * x)

# == a subclass of list
class L(list):
    n = 0
    def append(self, v):
        self.n += 1
        super().append(v)
seen = L()
def f(x):
    seen.append(1)
    return (seen.n + len(seen)) * np.sum(x * x)

# == a subclass of dict
class D(dict):
    def __missing__(self, key):
        self[key] = len(self) + 1.0
        return self[key]
seen = D()
def f(x):
    return seen[len(seen)] * np.sum(x * x)

# == a subclass of ndarray
class A(np.ndarray):
    pass
seen = np.zeros(1).view(A)
def f(x):
    seen[0] += 1
    return float(seen[0]) * np.sum(x * x)

# == an enumeration
import enum
class E(enum.Enum):
    A = 1
    B = 2
seen = {E.A: 0}
def f(x):
    seen[E.A] += 1
    return seen[E.A] * E.B.value * np.sum(x * x)

# == keys with a hash of their own
class K:
    def __init__(self, n):
        self.n = n
    def __hash__(self):
        return hash(self.n)
    def __eq__(self, o):
        return self.n == o.n
seen = {K(1): 0}
def f(x):
    seen[K(1)] += 1
    return seen[K(1)] * np.sum(x * x)

# == objects that hold each other
class A:
    pass
a, b = A(), A()
a.other, b.other, b.n = b, a, 0
def f(x):
    a.other.n += 1
    return b.other.other.n * np.sum(x * x)

# == an exception with a count
class E(ValueError):
    n = 0
    def __init__(self):
        E.n += 1
def f(x):
    try:
        raise E
    except E:
        return E.n * np.sum(x * x)

# == a weak reference
import weakref
class A:
    n = 0
a = A()
r = weakref.ref(a)
def f(x):
    r().n += 1
    return a.n * np.sum(x * x)

# == a namespace
import types
s = types.SimpleNamespace(n=0)
def f(x):
    s.n += 1
    return s.n * np.sum(x * x)

# == np.random
def f(x):
    return np.random.rand() * np.sum(x * x)

# == np.random.seed
def f(x):
    np.random.seed(1)
    return np.random.rand() * np.sum(x * x)

# == a function of np.random
from numpy.random import randn
def f(x):
    return randn() * np.sum(x * x)

# == a generator
rng = np.random.default_rng(0)
def f(x):
    return rng.random() * np.sum(x * x)

# == a random state
rng = np.random.RandomState(0)
def f(x):
    return rng.rand() * np.sum(x * x)

# == random
import random
def f(x):
    return random.random() * np.sum(x * x)

# == a random.Random
import random
r = random.Random(0)
def f(x):
    return r.random() * np.sum(x * x)

# == a function of random
from random import gauss
def f(x):
    return gauss(0, 1) * np.sum(x * x)

# == a value of this thread
import threading
own = threading.local()
own.n = 0
def f(x):
    own.n += 1
    return own.n * np.sum(x * x)

# == a lock
import threading
lock, seen = threading.Lock(), []
def f(x):
    with lock:
        seen.append(1)
    return len(seen) * np.sum(x * x)

# == a queue
import queue
q = queue.Queue()
def f(x):
    q.put(1)
    return q.qsize() * np.sum(x * x)

# == a context variable
import contextvars
c = contextvars.ContextVar('c', default=0)
def f(x):
    c.set(c.get() + 1)
    return c.get() * np.sum(x * x)

# == an environment variable
import os
def f(x):
    n = int(os.environ.get('EINBACKPROP_N', 0)) + 1
    os.environ['EINBACKPROP_N'] = str(n)
    return n * np.sum(x * x)

# == warnings
import warnings
def f(x):
    warnings.simplefilter('ignore')
    return np.sum(x * x)

# == NumPy's errors
def f(x):
    np.seterr(all='raise')
    return np.sum(x * x)

# == printing
def f(x):
    print('loss')
    return np.sum(x * x)

# == a file
def f(x):
    with open('einbackprop_was_here.txt', 'a') as file:
        file.write('x')
    return np.sum(x * x)

# == a thread
import threading
seen = []
def f(x):
    t = threading.Thread(target=seen.append, args=(1,))
    t.start()
    t.join()
    return len(seen) * np.sum(x * x)

# == pickling
import pickle
class A:
    made = 0
    def __setstate__(self, state):
        A.made += 1
a = A()
a.n = 1
def f(x):
    pickle.loads(pickle.dumps(a))
    return A.made * np.sum(x * x)

# == copying
import copy
class A:
    made = 0
    def __deepcopy__(self, memo):
        A.made += 1
        return self
a = A()
def f(x):
    copy.deepcopy(a)
    return A.made * np.sum(x * x)

# == a logger
import logging
log = logging.getLogger('f')
seen = []
def f(x):
    log.warning('%s', seen)
    seen.append(1)
    return len(seen) * np.sum(x * x)

# == an import
def f(x):
    import json
    return len(json.dumps([1])) * np.sum(x * x)

# == a patched NumPy
def f(x):
    np.einbackprop_count = getattr(np, 'einbackprop_count', 0) + 1
    return np.einbackprop_count * np.sum(x * x)
"""

TEXT += r"""
# == values of a dict
weights = {"a": 1.0}
values = weights.values()
def f(x):
    weights["b"] = 2.0
    return sum(values) * np.sum(x * x)

# == a key function
import functools
seen = []
def compare(a, b):
    seen.append(1)
    return a - b
key = functools.cmp_to_key(compare)
def f(x):
    return sorted([2.0, 1.0], key=key)[0] * len(seen) * np.sum(x * x)

# == a weak proxy
import weakref
class A:
    n = 0
a = A()
p = weakref.proxy(a)
def f(x):
    p.n += 1
    return a.n * np.sum(x * x)

# == an alias of a generic class
class Box:
    made = 0
    def __class_getitem__(cls, item):
        import types
        return types.GenericAlias(cls, item)
    def __init__(self):
        Box.made += 1
B = Box[int]
def f(x):
    return isinstance(B(), Box) * Box.made * np.sum(x * x)

# == attributes that are entries
class Settings(dict):
    __getattr__ = dict.__getitem__
s = Settings(n=1.0)
def f(x):
    s["n"] += 1
    return s.n * np.sum(x * x)

# == a decoder and a time
import json, time
decoder, now = json.JSONDecoder(), time.localtime(0)
def f(x):
    return decoder.decode("2") * (now.tm_year > 0) * np.sum(x * x)
"""

NOT_TO_BE_COPIED = r"""
# == an iterator == items is an iterator
items = iter([1.0, 2.0, 3.0])
def f(x):
    return next(items) * np.sum(x * x)

# == a running generator == items is a generator
def make():
    yield from [1.0, 2.0, 3.0]
items = make()
def f(x):
    return next(items) * np.sum(x * x)

# == a count == ids is an iterator
import itertools
ids = itertools.count(1)
def f(x):
    return next(ids) * np.sum(x * x)

# == an open file == file is an open file
import os
file = open(os.devnull)
def f(x):
    file.read()
    return np.sum(x * x)

# == leaving == the code calls sys.exit(3)
import sys
def f(x):
    sys.exit(3)

# == np.save == writes a file
def f(x):
    np.save('einbackprop_was_here', np.ones(2))
    return np.sum(x * x)

# == removing a file == removes a file
import os
def f(x):
    os.remove('einbackprop_was_here')
    return np.sum(x * x)

# == pathlib == the code writes a file: 'einbackprop_was_here.txt'
import pathlib
def f(x):
    pathlib.Path('einbackprop_was_here.txt').write_text('x')
    return np.sum(x * x)

# == a file descriptor == the code writes a file: 'einbackprop_was_here.txt'
import os
def f(x):
    os.close(os.open('einbackprop_was_here.txt', os.O_CREAT | os.O_WRONLY))
    return np.sum(x * x)

# == a process == subprocess.run
import subprocess, sys
def f(x):
    subprocess.run([sys.executable, '-c', 'open("einbackprop_was_here.txt", "w")'])
    return np.sum(x * x)

# == a signal handler == signal.signal
import signal
def f(x):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return np.sum(x * x)

# == an iterator in an object == .items is an iterator
class A:
    pass
a = A()
a.items = iter([1.0, 2.0])
def f(x):
    return next(a.items) * np.sum(x * x)
"""


def blocks(text: str) -> dict[str, str]:
    """The modules of a text by their titles."""
    parts = re.split(r"^# == (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


FUNCTIONS = blocks(TEXT)
NOT_READ = {"a view of a global array"}  # a trace does not follow a write through another view: it says so
REFUSED = {
    title.partition(" == ")[0]: (text, title.partition(" == ")[2]) for title, text in blocks(NOT_TO_BE_COPIED).items()
}
