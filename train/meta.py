"""Learn a method's base from photos: MAML and its kin, or an encoder, whatever the method's `Base` says.

python -m inrcodec.train.meta NAME --photos DIR [--seed 0] [--steps N]

Every CHECKPOINT_STEPS a checkpoint is left beside the base, and the same command goes on from it.
"""

import argparse
import math
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..models import METHODS
from ..models.method import Base, Tensors
from ..models.shared import FOLDER
from ..runtime.pixels import write_atomically
from .progress import Progress, shown

SIDE = 768  # pixels of a photo's longer side, of which crops are taken at 1/1 to 1/3
MEASURED = 512  # patches over which a base is measured in the end
CHECKPOINT_STEPS = 200
GRADIENT_MAX = 0.1
SPIKE = 3.0  # over the mean of late losses


def photos(folder: Path) -> list[Tensor]:
    """(3, h, w) in [0, 1], each in three sizes. Raises FileNotFoundError where there are none."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise FileNotFoundError(f"wanted photos (JPEG or PNG) in {folder}, found none")
    result = []
    for path in paths:
        with Image.open(path) as picture:
            for part in (1, 2, 3):
                small = picture.convert("RGB")
                small.thumbnail((SIDE // part, SIDE // part), Image.Resampling.LANCZOS)
                result.append(torch.from_numpy(np.asarray(small).astype(np.float32) / 255).permute(2, 0, 1))
    return result


def crops(pictures: list[Tensor], n: int, size: int, generator: torch.Generator) -> Tensor:
    """(n, 3, size, size): random places, flipped and turned."""
    fitting = [picture for picture in pictures if min(picture.shape[1:]) >= size]
    result = []
    for k in torch.randint(len(fitting), (n,), generator=generator).tolist():
        picture = fitting[k]
        row, column = (int(torch.randint(side - size + 1, (), generator=generator)) for side in picture.shape[1:])
        crop = picture[:, row : row + size, column : column + size]
        turn, flip = torch.randint(4, (2,), generator=generator).tolist()
        crop = torch.rot90(crop, turn, (1, 2))
        result.append(crop.flip(2) if flip % 2 else crop)
    return torch.stack(result)


def learn(base: Base, pictures: list[Tensor], steps: int, seed: int, checkpoint: Path) -> Tensors:
    """Fresh or, where there is a checkpoint, on from it. Raises ValueError for one that was begun otherwise."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: tensor.requires_grad_() for name, tensor in base.start(generator).items()}
    adam, first = torch.optim.Adam(tensors.values(), lr=base.lr), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if (of := state.get("of")) != (seed, steps):
            raise ValueError(
                f"wanted a checkpoint of (seed, steps) {seed, steps}, got {of}: delete {checkpoint} to begin anew"
            )
        for name, tensor in state["tensors"].items():
            tensors[name].data.copy_(tensor)
        adam.load_state_dict(state["adam"])
        generator.set_state(state["generator"])
        first = state["step"]

    def keep(step: int) -> None:
        buffer = BytesIO()
        detached = {name: tensor.detach() for name, tensor in tensors.items()}
        state = {"tensors": detached, "adam": adam.state_dict(), "generator": generator.get_state(), "step": step}
        torch.save({"of": (seed, steps), **state}, buffer)
        write_atomically(checkpoint, buffer.getvalue())

    mean = math.nan
    with shown(quiet=False) as watch:
        for step in range(first, steps):
            loss = base.loss(tensors, crops(pictures, base.batch, base.size, generator), generator)
            if loss > SPIKE * mean:  # an inner loop that ran away has nothing to teach
                continue
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tensors.values(), GRADIENT_MAX)
            adam.param_groups[0]["lr"] = base.lr * 0.5 * (1 + math.cos(math.pi * step / steps))
            adam.step()
            mean = loss.item() if step == first else 0.98 * mean + 0.02 * loss.item()
            watch(Progress(f"{base.name}, loss {mean:.5f}", step / steps, step, 0.0, math.nan, math.nan))
            if step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1:
                keep(step + 1)
    measured = crops(pictures, MEASURED if base.size <= 64 else base.batch, base.size, generator)
    return base.finish({name: tensor.detach() for name, tensor in tensors.items()}, measured)


def main(arguments: list[str] | None = None) -> None:
    bases = {base.name: base for method in METHODS.values() for base in method().bases}
    parser = argparse.ArgumentParser("inrcodec.train.meta", description="Learn a method's base from photos.")
    parser.add_argument("name", choices=sorted(bases))
    parser.add_argument("--photos", required=True, type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER, metavar="DIR")
    options = parser.parse_args(arguments)
    base = bases[options.name]
    checkpoint = options.output / f"{base.name}.resume"
    tensors = learn(base, photos(options.photos), options.steps or base.steps, options.seed, checkpoint)
    buffer = BytesIO()
    arrays = {name: tensor.numpy().astype(np.float16) for name, tensor in tensors.items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(options.output / f"{base.name}.npz", buffer.getvalue())
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
