import Flambeau
import FlambeauModels
import FlambeauNN

/// Tokens 0..<kinds, [batch, length].
private func tokens(_ batch: Int, _ length: Int, kinds: Int) -> Tensor {
  Tensor((0..<batch * length).map { ($0 &* 7919) % kinds }, shape: [batch, length])
}

extension Workload {
  /// Language models, of random weights.
  static let languageModels: [Workload] = [
    Workload("gpt2_prefill256", .tokens, 256) {
      let (model, prompt) = (GPT2(.small).eval(), tokens(1, 256, kinds: 50257))
      let cache = model.makeCache(batch: 1, capacity: 1024)
      return {
        cache.truncate(to: 0)
        noGrad { _ = model.nextLogits(prompt, cache) }
      }
    },
    decoding("gpt2_decode", .float32), decoding("gpt2_decode_bf16", .bfloat16),
    Workload("bert_base_infer_8x128", .sequences, 8) {
      let (model, texts) = (BERT(pooling: false).eval(), tokens(8, 128, kinds: 30522))
      return { noGrad { _ = model(texts) } }
    },
  ]

  /// 16 tokens after 256. Each reads every weight but the positions'.
  private static func decoding(_ name: String, _ dtype: DType) -> Workload {
    let (weights, count) = (124_439_808 - 1024 * 768, 16)
    return Workload(
      name, .tokens, Double(count), least: .memory(read: count * weights * dtype.byteCount, written: 0)
    ) {
      let model = GPT2(.small).eval().to(dtype)
      let cache = model.makeCache(batch: 1, capacity: 1024)
      noGrad { _ = model.nextLogits(tokens(1, 256, kinds: 50257), cache) }
      return {
        cache.truncate(to: 256)
        noGrad {
          var token = tokens(1, 1, kinds: 100)
          for _ in 0..<count { token = model.nextLogits(token, cache).argmax(dim: -1, keepDim: true) }
        }
      }
    }
  }
}
