"""The steps of bench_derivatives.py in PyTorch: eager, and three ways of compiling them."""

import itertools

import torch

BETAS = (0.9, 0.999)


def make_step(problem, kind, form):
    """One optimizer step on a problem, and Adam's first moments.

    Args:
        problem: a `problem.Problem`.
        kind: "value", "gradient" or "laplacian".
        form: "eager", nested `torch.autograd.grad`; "compile", the same through `torch.compile(network)`, which raises
            for derivatives; "compile_traced", the whole loss compiled, with the switch that lets `torch.compile` trace
            `torch.autograd.grad`; "compile_func", the whole loss compiled, with `torch.func` instead.
    """
    network = Network(problem)
    optimizer = torch.optim.Adam(network.parameters(), lr=problem.learning_rate, betas=BETAS, eps=1e-8)
    targets = torch.tensor(problem.targets[kind])
    points = torch.tensor(problem.coords)
    differentiate = (FUNC if form == "compile_func" else NESTED)[kind]
    function = torch.compile(network) if form == "compile" else network

    def loss_at(coords):
        return torch.nn.functional.mse_loss(differentiate(function, coords), targets)

    if form in ("compile_traced", "compile_func"):
        torch._dynamo.config.trace_autograd_ops = True  # off by default in 2.13
        loss_at = torch.compile(loss_at, fullgraph=True)

    def step():
        optimizer.zero_grad(set_to_none=False)
        coords = points.detach().requires_grad_(kind != "value" and form != "compile_func")
        loss = loss_at(coords)
        loss.backward()
        optimizer.step()
        return loss.item()

    def first_moments():
        moments = [optimizer.state[p].get("exp_avg", torch.zeros_like(p)) for p in network.parameters()]
        return [moment.numpy().T for moment in moments]  # kernels (in, out)

    return step, first_moments


class Network(torch.nn.Module):
    """Sine layers and a linear head, from [-1, 1] onto [0, 1]."""

    def __init__(self, problem):
        super().__init__()
        self.omega_0 = problem.omega_0
        widths = [kernel.shape[0] for kernel, _ in problem.weights] + [1]
        dtype = torch.tensor(problem.coords).dtype
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*pair, dtype=dtype) for pair in itertools.pairwise(widths))
        with torch.no_grad():
            for layer, (kernel, bias) in zip(self.layers, problem.weights, strict=True):
                layer.weight.copy_(torch.tensor(kernel.T))
                layer.bias.copy_(torch.tensor(bias))

    def forward(self, x):
        *hidden, head = self.layers
        for layer in hidden:
            x = torch.sin(self.omega_0 * layer(x))
        return (head(x) + 1) / 2


def nested_gradient(network, coords):
    values = network(coords)
    return torch.autograd.grad(values, coords, torch.ones_like(values), create_graph=True)[0]


def nested_laplacian(network, coords):
    slopes = nested_gradient(network, coords)
    total = 0
    for axis in range(coords.shape[-1]):
        along = slopes[:, axis : axis + 1]
        second = torch.autograd.grad(along, coords, torch.ones_like(along), create_graph=True)[0]
        total = total + second[:, axis : axis + 1]
    return total


def func_gradient(network, coords):
    return torch.func.grad(lambda at: network(at).sum())(coords)


def func_laplacian(network, coords):
    """Forward over reverse."""
    total = 0
    for axis in range(coords.shape[-1]):
        unit = torch.nn.functional.one_hot(torch.tensor(axis), coords.shape[-1]).to(coords).expand_as(coords)
        _, along = torch.func.jvp(lambda at: func_gradient(network, at), (coords,), (unit,))
        total = total + along[:, axis : axis + 1]
    return total


NESTED = {
    "value": lambda network, coords: network(coords),
    "gradient": lambda network, coords: nested_gradient(network, coords)[:, None, :],
    "laplacian": nested_laplacian,
}
FUNC = {
    "gradient": lambda network, coords: func_gradient(network, coords)[:, None, :],
    "laplacian": func_laplacian,
}
