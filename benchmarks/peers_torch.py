"""In PyTorch: the steps of bench_derivatives.py, eager and compiled in three ways, and the fits of bench_quality.py."""

import itertools
import math
import time

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


def quality_curve(method, values, seconds):
    """(seconds since now, PSNR) of a fit of a picture (H, W, C) in PyTorch, and facts about it.

    Args:
        method: "torch_siren" or "torch_hash", see bench_quality.py.
        values: in [0, 1].
        seconds: of training.
    """
    started = time.perf_counter()
    torch.manual_seed(0)
    height, width, channels = values.shape
    targets = torch.tensor(values).reshape(-1, channels)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centres = torch.stack([2 * columns + 1 - width, 2 * rows + 1 - height], -1).reshape(-1, 2) / max(height, width)
    whole = method == "torch_siren"
    network = SineNetwork(channels) if whole else HashGrid(max(height, width), channels)
    rate = 1e-4 if whole else 1e-2
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, eps=1e-8 if whole else 1e-15)
    curve, errors, begun = [], [], time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        index = slice(None) if whole else torch.randint(len(targets), (16384,))
        if not whole:
            optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * elapsed / seconds)) / 2
        loss = torch.nn.functional.mse_loss(network(centres[index]), targets[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
        recent = errors[-1:] if whole else errors[-16:]
        curve.append((time.perf_counter() - started, -10 * math.log10(sum(recent) / len(recent))))
    with torch.no_grad():
        prediction = torch.cat([network(part) for part in centres.split(65536)]).clamp(0, 1)
        psnr_db = -10 * math.log10(torch.nn.functional.mse_loss(prediction, targets).item())
    facts = {"num_parameters": sum(p.numel() for p in network.parameters()), "setup_seconds": 0.0}
    return curve, {**facts, "psnr_db": round(psnr_db, 2)}


class SineNetwork(torch.nn.Module):
    """The paper's SIREN, four sine layers of 256, omega_0 = 30 in all layers, onto [0, 1]."""

    def __init__(self, channels, width=256, depth=4, omega_0=30.0):
        super().__init__()
        self.omega_0 = omega_0
        sizes = [2] + [width] * depth
        self.hidden = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.head = torch.nn.Linear(width, channels)
        with torch.no_grad():
            self.hidden[0].weight.uniform_(-1 / 2, 1 / 2)
            bound = math.sqrt(6 / width) / omega_0
            for layer in [*self.hidden[1:], self.head]:
                layer.weight.uniform_(-bound, bound)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.sin(self.omega_0 * layer(x))
        return (self.head(x) + 1) / 2


class HashGrid(torch.nn.Module):
    """A multi-resolution hash grid of 8 levels, tables of up to 2^18 entries of 2 features, and a network 64-64."""

    def __init__(self, finest, channels, levels=8, coarsest=8, table_size=2**18, features=2):
        super().__init__()
        ratio = (finest / coarsest) ** (1 / (levels - 1))
        self.cells = [int(coarsest * ratio**level + 1e-6) for level in range(levels)]
        counts = [min((cells + 1) ** 2, table_size) for cells in self.cells]
        self.tables = torch.nn.ModuleList(torch.nn.Embedding(count, features) for count in counts)
        for table in self.tables:
            torch.nn.init.uniform_(table.weight, -1e-4, 1e-4)
        self.network = torch.nn.Sequential(
            *(torch.nn.Linear(levels * features, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU()),
            torch.nn.Linear(64, channels),
        )

    def forward(self, x):
        encoded = []
        for cells, table in zip(self.cells, self.tables, strict=True):
            position = (x + 1) / 2 * cells
            lower = position.floor().clamp(max=cells - 1).long()
            fraction, level = position - lower, 0
            for right, below in itertools.product((0, 1), repeat=2):
                column, row = lower[:, 0] + right, lower[:, 1] + below
                dense = table.num_embeddings == (cells + 1) ** 2
                entry = column + row * (cells + 1) if dense else (column ^ (row * 2654435761)) % table.num_embeddings
                weight = (fraction[:, 0] if right else 1 - fraction[:, 0]) * (
                    fraction[:, 1] if below else 1 - fraction[:, 1]
                )
                level = level + weight[:, None] * table(entry)
            encoded.append(level)
        return self.network(torch.cat(encoded, -1))
