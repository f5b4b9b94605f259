"""Imported before torchvision, or before what imports it: torchvision's own operators are built for one build of torch. Nothing here
needs them, but importing it without them fails."""
import torch

library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not torch._C._dispatch_has_kernel(f"torchvision::{name}"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
