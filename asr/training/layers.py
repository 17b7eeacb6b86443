"""What passes between the network and its writer, without PyTorch: affine layers and the frames that each looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Frames around its own that each layer sees; the last layer sees its own alone. What is seen ahead is waited for.
OFFSETS = ((-2, -1, 0, 1, 2), (-1, 0, 1), *(((-3, 0, 3),) * 3), (-6, -3, 0), (0,))
BEFORE = -sum(min(offsets) for offsets in OFFSETS)  # frames, in all
AHEAD = sum(max(offsets) for offsets in OFFSETS)


@dataclass(frozen=True, slots=True)
class Layer:
    weight: npt.NDArray[np.float32]  # [out, offsets * in], the earliest frame first
    bias: npt.NDArray[np.float32]
