import FlambeauModels
import Foundation
import Testing

/// Files of configuration that no network can have are refused as they are read.
@Suite struct ConfigTests {
  private static func refusal<Config: Decodable>(_ type: Config.Type, _ json: String) -> String {
    do {
      _ = try JSONDecoder().decode(type, from: Data(json.utf8))
      return ""
    } catch DecodingError.dataCorrupted(let context) { return context.debugDescription } catch { return "\(error)" }
  }

  private static func refusals(_ key: String, _ value: Int) -> [String] {
    let json = "{\"\(key)\": \(value)}"
    return [
      refusal(GPT2.Config.self, json), refusal(LLaMA.Config.self, json), refusal(BERT.Config.self, json),
      refusal(T5.Config.self, json),
    ]
  }

  @Test(arguments: [
    "vocab_size", "n_layer", "num_hidden_layers", "num_layers", "num_decoder_layers", "n_embd", "hidden_size", "d_model",
  ])
  func sizes(key: String) {
    for value in [-1, 1 << 40, .max] {
      #expect(Self.refusals(key, value).contains { $0.hasPrefix("\(value) is not within 0...") }, "\(key) \(value)")
    }
  }

  @Test func layersThatNobodyHas() {
    #expect(Self.refusal(GPT2.Config.self, #"{"n_layer": 100000}"#) == "100000 is not within 0...4096")
    #expect(Self.refusal(GPT2.Config.self, #"{"n_layer": 4096}"#) == "")
  }

  @Test func headsThatDoNotFit() {
    #expect(Self.refusal(GPT2.Config.self, #"{"n_embd": 16, "n_head": 0}"#) == "nEmbd (16) must be divisible by nHead (0)")
    #expect(
      Self.refusal(BERT.Config.self, #"{"hidden_size": 16, "num_attention_heads": 3}"#)
        == "hiddenSize (16) must be divisible by numAttentionHeads (3)")
    #expect(
      Self.refusal(LLaMA.Config.self, #"{"num_attention_heads": 4, "num_key_value_heads": 3}"#)
        == "numAttentionHeads (4) must be a multiple of numKeyValueHeads (3)")
    #expect(Self.refusal(LLaMA.Config.self, #"{"head_dim": 3}"#) == "headDim (3) must be even and above 0")
  }
}
