import Flambeau
import FlambeauModels
import FlambeauNN

/// Writes text with a language model.
struct TextWriter {
  let model: GPT2
  let codec: any TextCodec
  /// Logits are divided by it; at 0 the likeliest token is taken.
  var temperature = 0.8
  /// Only so many of the likeliest tokens are drawn from; nil for all.
  var topK: Int?

  /// What the model writes after `prompt`: `count` tokens drawn from the current generator, each given to `each` as it comes.
  func write(after prompt: [Int], count: Int, each: (String) -> Void = { _ in }) -> String {
    model.eval()
    var (tokens, written) = (prompt, "")
    for _ in 0..<count {
      let context = tokens.suffix(model.config.nPositions).map(Int64.init)
      let token = noGrad { next(model(Tensor(context, shape: [1, context.count]))[0, -1]) }
      tokens.append(token)
      let piece = codec.decode([token])
      each(piece)
      written += piece
    }
    return written
  }

  private func next(_ logits: Tensor) -> Int {
    if temperature == 0 { return Int(logits.argmax().item()) }
    let (values, indices) = logits.topK(min(topK ?? logits.count, logits.count))
    let choice = (values / temperature).softmax(dim: -1).multinomial(1)
    return Int(indices[Int(choice.item())].item())
  }
}
