import Flambeau
import FlambeauNN
import Foundation
import Testing

/// Parameters from torch, with what its generator yields after them.
struct InitialisationGolden: Decodable {
  struct Values: Decodable {
    let shape: [Int]
    let bits: String
  }

  struct Case: Decodable {
    let module: String?
    let `init`: String?
    let seed: Int
    let state: [String: Values]?
    let result: Values?
    let after: Int64?
  }

  let cases: [Case]

  static let all: [String: Case] = {
    let path = packageRoot.appendingPathComponent("Tests/Golden/initialisation.json")
    let golden = try! JSONDecoder().decode(InitialisationGolden.self, from: Data(contentsOf: path))
    return Dictionary(uniqueKeysWithValues: golden.cases.map { ($0.module ?? $0.`init`!, $0) })
  }()
}

extension Tensor {
  /// The elements' little-endian bytes in hex, as the golden files write them.
  func hex() -> String {
    func text<Element: TensorElement>(_ type: Element.Type) -> String {
      array(of: type).withUnsafeBytes { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
    }
    switch dtype {
    case .float32: return text(Float.self)
    case .float64: return text(Double.self)
    case .int64: return text(Int64.self)
    default: fatalError("no golden has the dtype \(dtype)")
    }
  }
}

@Suite struct InitialisationTests {
  static let modules: [(name: String, make: @Sendable () -> any Module)] = [
    ("Linear(10, 7)", { Linear(10, 7) }),
    ("Linear(3, 2, bias=False)", { Linear(3, 2, bias: false) }),
    ("Sequential(Linear(4, 5), ReLU(), Linear(5, 3))", { Sequential(Linear(4, 5), ReLU(), Linear(5, 3)) }),
    ("Conv2d(3, 8, 3)", { Conv2d(3, 8, 3) }),
    (
      "Conv2d(4, 8, (3, 1), groups=2, bias=False)", { Conv2d(4, 8, [3, 1], groups: 2, bias: false) }
    ),
    ("LayerNorm(6)", { LayerNorm(6) }), ("RMSNorm(6)", { RMSNorm(6) }), ("BatchNorm2d(4)", { BatchNorm2d(4) }),
    ("MultiheadAttention(16, 4)", { MultiheadAttention(16, 4) }),
  ]

  @Test(arguments: modules.indices) func modulesStartAsInTorch(_ index: Int) throws {
    let (name, make) = Self.modules[index]
    let golden = try #require(InitialisationGolden.all[name])
    let generator = Generator(seed: golden.seed)
    let state = withGenerator(generator) { make().stateDict() }
    #expect(Set(state.keys) == Set(golden.state!.keys))
    for (key, tensor) in state {
      #expect(Array(tensor.shape) == golden.state![key]!.shape)
      #expect(tensor.hex() == golden.state![key]!.bits, "\(name).\(key)")
    }
    #expect(generator.nextInt64() == golden.after)
  }

  static let inits: [(name: String, run: @Sendable (Tensor) -> Tensor)] = [
    ("xavier_uniform_", { Init.xavierUniform_($0) }), ("xavier_normal_", { Init.xavierNormal_($0) }),
    ("kaiming_uniform_", { Init.kaimingUniform_($0, nonlinearity: .leakyReLU(slope: 0.1)) }),
    ("kaiming_normal_", { Init.kaimingNormal_($0, nonlinearity: .relu) }),
  ]

  @Test(arguments: inits.indices) func functionsFillAsInTorch(_ index: Int) throws {
    let (name, run) = Self.inits[index]
    let golden = try #require(InitialisationGolden.all[name])
    let tensor = Tensor.zeros(Shape(golden.result!.shape))
    let filled = withGenerator(Generator(seed: golden.seed)) { run(tensor) }
    #expect(filled.isSame(as: tensor))
    #expect(tensor.hex() == golden.result!.bits)
  }

  /// Both ways of refusing, few and many numbers.
  @Test(.enabled(if: Torch.python != nil)) func truncatedNormalNumbersAreTorchs() throws {
    let cases: [(shape: Shape, mean: Double, std: Double, a: Double, b: Double)] = [
      ([5, 3], 0, 1, -2, 2), ([40, 7], 0.5, 2, -1, 1.5), ([300], 0, 0.02, -0.04, 0.04), ([7], 0, 1, 2, 3),
      ([60, 9], 1, 3, -0.5, 0.25), ([33], 0, 1, -5, -4),
    ]
    let seed = Int.random(in: 0..<1 << 40)
    let questions = cases.map { test in
      let call = "nn.init.trunc_normal_(torch.empty(\(test.shape)), \(test.mean), \(test.std), \(test.a), \(test.b))"
      return Torch.Question(expression: "\(call) + 0 * a", input: .zeros([]), seed: seed)
    }
    for (test, answer) in zip(cases, try Torch.judge(questions)) {
      let ours = withGenerator(Generator(seed: seed)) {
        Init.truncNormal_(.zeros(test.shape), mean: test.mean, std: test.std, a: test.a, b: test.b)
      }
      #expect(ours.bits == answer.output.bits, "seed \(seed)")
      #expect(ours.floats.allSatisfy { Double($0) >= test.a && Double($0) <= test.b })
    }
  }

  /// Draws and zeros to the bit; perpendicular matrices, in float64 but for one, to rounding.
  @Test(.enabled(if: Torch.python != nil)) func matricesAreTorchs() throws {
    typealias Case = (call: String, shape: Shape, dtype: DType, bound: Float, run: (Tensor) -> Tensor)
    let cases: [Case] = [
      ("eye_(t)", [4, 3], .float32, 0, { Init.eye_($0) }), ("eye_(t)", [2, 5], .float32, 0, { Init.eye_($0) }),
      ("dirac_(t)", [5, 3, 4], .float32, 0, { Init.dirac_($0) }),
      ("dirac_(t, 2)", [6, 2, 3, 2], .float32, 0, { Init.dirac_($0, groups: 2) }),
      ("dirac_(t, 3)", [3, 4, 1, 2, 5], .float32, 0, { Init.dirac_($0, groups: 3) }),
      ("sparse_(t, 0.3)", [7, 5], .float32, 0, { Init.sparse_($0, sparsity: 0.3) }),
      ("sparse_(t, 0.5, 2)", [40, 3], .float32, 0, { Init.sparse_($0, sparsity: 0.5, std: 2) }),
      ("orthogonal_(t)", [50, 7], .float32, 1e-5, { Init.orthogonal_($0) }),
      ("orthogonal_(t)", [1, 1], .float64, 1e-6, { Init.orthogonal_($0) }),
      ("orthogonal_(t)", [30, 30], .float64, 1e-6, { Init.orthogonal_($0) }),
      ("orthogonal_(t, 1.7)", [6, 3, 5], .float64, 1e-6, { Init.orthogonal_($0, gain: 1.7) }),
      ("orthogonal_(t)", [130, 129], .float64, 1e-6, { Init.orthogonal_($0) }),
    ]
    let seed = Int.random(in: 0..<1 << 40)
    let questions = cases.map { test in
      let call = "(lambda t: nn.init.\(test.call))(torch.ones(\(test.shape), dtype=torch.\(test.dtype))).float()"
      return Torch.Question(expression: "\(call) + 0 * a", input: .zeros([]), seed: seed)
    }
    for (test, answer) in zip(cases, try Torch.judge(questions)) {
      let ours = Tensor.ones(test.shape, dtype: test.dtype)
      #expect(withGenerator(Generator(seed: seed)) { test.run(ours) }.isSame(as: ours))
      let worst = zip(ours.floats, answer.output.floats).map { abs($0 - $1) }.max()!
      #expect(worst <= test.bound, "\(test.call) of \(test.shape), seed \(seed)")
    }
  }

  @Test func rowsOrColumnsArePerpendicular() {
    for shape: Shape in [[200, 200], [5, 8, 3], [17, 4]] {
      let weight = Init.orthogonal_(Tensor.zeros(shape, dtype: .float64), gain: 3)
      let matrix = weight.reshape([shape[0], -1])
      let products = shape[0] > matrix.shape[1] ? matrix.T.mm(matrix) : matrix.mm(matrix.T)
      let wrong = products - Tensor.eye(products.shape[0], dtype: .float64) * 9
      #expect(wrong.abs().max().item() < 1e-12)
    }
    #expect(Init.orthogonal_(.zeros([0, 3])).count == 0)
  }

  @Test func gainsAreTorchs() {
    #expect(Init.gain(.linear) == 1 && Init.gain(.sigmoid) == 1)
    #expect(Init.gain(.tanh) == 5.0 / 3 && Init.gain(.selu) == 0.75)
    #expect(Init.gain(.relu) == 2.0.squareRoot())
    #expect(Init.gain(.leakyReLU()) == (2 / (1 + 0.01 * 0.01)).squareRoot())
  }

  @Test func constantsReachLeavesAndViews() {
    let weight = Parameter(.zeros([2, 3]))
    Init.constant_(weight.tensor, 2.5)
    #expect(weight.tensor.floats == [2.5, 2.5, 2.5, 2.5, 2.5, 2.5])
    Init.zeros_(weight.tensor.narrow(1, start: 1, length: 1))
    #expect(weight.tensor.floats == [2.5, 0, 2.5, 2.5, 0, 2.5])
    #expect(weight.requiresGrad && weight.tensor.isLeaf)
    let integers = Tensor([1, 2] as [Int64])
    Init.ones_(integers)
    #expect(integers.array(of: Int.self) == [1, 1])
  }

  /// A transposed tensor is filled in its memory's order, as torch does.
  @Test func layouts() {
    func drawn(_ tensor: Tensor) -> Tensor { withGenerator(Generator(seed: 5)) { Init.uniform_(tensor) } }
    let plain = drawn(.zeros([3, 2]))
    #expect(drawn(Tensor.zeros([3, 2]).T).T.floats == plain.floats)
    let wide = Tensor.zeros([3, 4])
    _ = drawn(wide.narrow(1, start: 0, length: 2))
    #expect(wide.narrow(1, start: 0, length: 2).floats == plain.floats)
    #expect(wide.narrow(1, start: 2, length: 2).floats == [0, 0, 0, 0, 0, 0])
  }

  @Test func misuseIsRefused() {
    func problem(_ body: () -> Void) -> String? {
      do {
        try withTensorErrors(body)
        return nil
      } catch { return "\(error)" }
    }
    #expect(
      problem { Init.kaimingUniform_(.zeros([3])) }?.hasPrefix(
        "kaiming_uniform_: Fan in and fan out can not be computed for tensor with fewer than 2 dimensions") == true)
    #expect(problem { Init.normal_(.zeros([3]), std: -1) }?.contains("std >= 0.0, but found std -1.0") == true)
    #expect(problem { Init.uniform_(.zeros([3]), from: 1, to: 0) }?.contains("from=1.0 > to=0.0") == true)
    #expect(problem { Init.uniform_(.zeros([3], dtype: .int64)) }?.contains("InitialisationTests.swift") == true)
    #expect(problem { Init.eye_(.zeros([3])) }?.hasPrefix("eye_: Only tensors with 2 dimensions are supported") == true)
    #expect(problem { Init.dirac_(.zeros([3, 3])) }?.contains("Only tensors with 3, 4, or 5 dimensions") == true)
    #expect(problem { Init.dirac_(.zeros([3, 3, 1]), groups: 2) }?.contains("dim 0 must be divisible by groups") == true)
    #expect(problem { Init.sparse_(.zeros([3, 3, 1]), sparsity: 0.1) }?.contains("with 2 dimensions are supported") == true)
    #expect(problem { Init.sparse_(.zeros([3, 3]), sparsity: 2) }?.contains("between 0 and 1, but got 2.0") == true)
    #expect(problem { Init.orthogonal_(.zeros([3])) }?.contains("Only tensors with 2 or more dimensions") == true)
    #expect(problem { Init.ones_(Tensor.zeros([1]).expand([3])) }?.contains("single memory location") == true)
  }

  @Test func nothingIsDrawnInAFailedScope() throws {
    let generator = Generator(seed: 3)
    let before = generator.state
    let weight = Tensor.ones([4, 4])
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        _ = weight.mm(.ones([3, 3]))
        withGenerator(generator) { _ = Init.kaimingUniform_(weight) }
      }
    }
    #expect(generator.state == before && weight.floats == Array(repeating: 1, count: 16))
  }
}
