extension LoRA {
  /// The text of PEFT's `adapter_config.json`, which it wants beside `adapter_model.safetensors`.
  public var adapterConfig: String {
    let names = maps.keys.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
    let startsWithInputs = layersStartWithInputs
    return """
      {
        "peft_type": "LORA",
        "r": \(rank),
        "lora_alpha": \(alpha),
        "lora_dropout": \(dropout),
        "bias": "none",
        "fan_in_fan_out": \(startsWithInputs),
        "inference_mode": true,
        "target_modules": [\(names)]
      }

      """
  }
}
