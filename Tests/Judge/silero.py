#!/usr/bin/env python3
"""The weights for 16 kHz of silero-vad's TorchScript model, as safetensors: silero.py MODEL FOLDER writes FOLDER/state.safetensors. The
package's own safetensors file holds another training's weights."""
import sys

import torch
from safetensors.torch import save_file

NAMES = {
    "_model.stft.forward_basis_buffer": "stft_conv.weight",
    **{f"_model.encoder.{i}.reparam_conv.{kind}": f"conv{i + 1}.{kind}" for i in range(4) for kind in ("weight", "bias")},
    **{f"_model.decoder.rnn.{name}": f"lstm_cell.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    **{f"_model.decoder.decoder.2.{kind}": f"final_conv.{kind}" for kind in ("weight", "bias")},
}

state = torch.jit.load(sys.argv[1]).state_dict()
save_file({ours: state[theirs].contiguous() for theirs, ours in NAMES.items()}, f"{sys.argv[2]}/state.safetensors")
