"""A script that writes models into the current folder, as exported programs (.pt2) and as TorchScript (.pt)."""

from __future__ import annotations

SCRIPT = """
import os
import numpy as np
import torch
from torch import Tensor, nn
from typing import List, Tuple

rows = torch.export.Dim("rows", max=64)
weights = torch.from_numpy(np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32))


class Dense(nn.Module):
    def __init__(self, kind=torch.float32):
        super().__init__()
        self.weight = nn.Parameter(weights.to(kind))

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.weight.dtype) @ self.weight


class Writes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x.add_(1.0)
        return x * 2


class Two(nn.Module):
    def forward(self, left: Tensor, right: Tensor) -> Tuple[Tensor, Tensor]:
        return left + right.float(), right + 1


class Named(nn.Module):
    def forward(self, left, right):
        return {"sum": left + right.float(), "count": right + 1}


class Pool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class Many(nn.Module):
    def forward(self, x: Tensor) -> List[Tensor]:
        return [x]


class Nested(nn.Module):
    def forward(self, x):
        return x, (x + 1,)


class Keyword(nn.Module):
    def forward(self, *, x):
        return x + 1


class Number(nn.Module):
    def forward(self, x: Tensor, n: int) -> Tensor:
        return x + n


def write(name, model, *inputs, **sizes):
    program = torch.export.export(model, inputs, dynamic_shapes=sizes or None)
    torch.export.save(program, f"{name}.pt2")


def script(name, model):
    torch.jit.script(model).save(f"{name}.pt")


x, right = torch.zeros(2, 6), torch.zeros(2, 3, dtype=torch.int64)
write("dense", Dense(), x, x={0: rows})
write("fixed", Dense(), x)
write("half", Dense(torch.bfloat16), x, x={0: rows})
write("writes", Writes(), x, x={0: rows})
write("two", Named(), torch.zeros(2, 3), right, left={0: rows}, right={0: rows})
sizes = {0: rows, 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
write("pool", Pool(), torch.zeros(2, 3, 4, 5), x=sizes)
write("nested", Nested(), x)
write("number", Number(), x, 3)
torch.export.save(torch.export.export(Keyword(), (), {"x": x}), "keyword.pt2")
for name, model in {"dense": Dense(), "writes": Writes(), "two": Two(), "many": Many(), "number": Number()}.items():
    script(name, model)
torch.save(Dense().state_dict(), "state.pt")


@torch.library.custom_op("my::frob", mutates_args=())
def frob(x: Tensor) -> Tensor:
    return x * 2


@frob.register_fake
def _(x):
    return torch.empty_like(x)


class Custom(nn.Module):
    def forward(self, x):
        return torch.ops.my.frob(x)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


write("custom", Custom(), x)
torch.jit.trace(Custom(), x).save("custom.pt")
torch.save(Evil(), "evil.pt")
"""
