"""The contestants: a module each, with a function per group of tasks that it can do.

`steps`, `ops` and `programs` take a task of work.py and return a function that does it so many times;
`chains` returns a `work.Chain`; `classifier` makes a network for MNIST. A module without one of them
stays away from that group, and one that raises NotImplementedError from that task. `version` says what ran.
"""

CONTESTANTS = {
    "graphgrad": "contestants.graphgrad",
    "graphgrad jit": "contestants.graphgrad_jit",
    "NumPy by hand": "contestants.by_hand",
    "NumPy in place": "contestants.in_place",
    "PyTorch": "contestants.pytorch",
    "PyTorch compiled": "contestants.pytorch_compiled",
    "JAX jit": "contestants.jax_jit",
    "HIPS autograd": "contestants.hips",
    "MyGrad": "contestants.mygrad",
    "matrix products": "contestants.products",
}
