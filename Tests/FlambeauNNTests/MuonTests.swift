import Flambeau
import FlambeauNN
import Foundation
import Testing

/// Torch's Muon computes in bfloat16, whose products are summed up in another order: parameters are near torch's, momenta nearer.
@Suite struct MuonTests {
  struct Case: Encodable, Sendable {
    struct Arguments: Encodable, Sendable {
      var lr = 0.02
      var weight_decay = 0.1
      var momentum = 0.95
      var nesterov = true
      var ns_steps = 5
      var adjust_lr_fn = "original"
    }

    var optimizer = "Muon"
    var dtype = "float32"
    var state = ["momentum_buffer"]
    var arguments = Arguments()
  }

  private struct Plan: Encodable {
    let shapes, cases: [AnyPart]
    let steps: Int
  }

  private enum AnyPart: Encodable {
    case shape([Int])
    case test(Case)

    func encode(to encoder: any Encoder) throws {
      switch self {
      case .shape(let shape): try shape.encode(to: encoder)
      case .test(let test): try test.encode(to: encoder)
      }
    }
  }

  static let shapes = [[9, 4], [4, 9], [32, 32], [1, 6], [40, 17]]
  static let steps = 6
  static let cases = [
    Case(),
    Case(arguments: Case.Arguments(lr: 0.1, weight_decay: 0, momentum: 0.5, nesterov: false, adjust_lr_fn: "match_rms_adamw")),
    Case(dtype: "float64", arguments: Case.Arguments(ns_steps: 2)),
  ]

  @Test(.enabled(if: Torch.python != nil)) func stepsAreTorchs() throws {
    let draws = (0...Self.steps).map { _ in Self.shapes.map { Tensor.random(Shape($0)) } }
    let plan = Plan(shapes: Self.shapes.map(AnyPart.shape), cases: Self.cases.map(AnyPart.test), steps: Self.steps)
    let json = try JSONEncoder().encode(plan)
    var input = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) } + json
    for tensor in draws.joined() { tensor.floats.withUnsafeBytes { input.append(contentsOf: $0) } }
    let output = try Torch.run("optimizers.py", input: input)
    var at = 0
    func next(_ like: Tensor) -> Tensor {
      func read<Element: TensorElement & BinaryFloatingPoint>(_ type: Element.Type) -> Tensor {
        let numbers = output.withUnsafeBytes { raw in
          (0..<like.count).map { raw.loadUnaligned(fromByteOffset: at + $0 * MemoryLayout<Element>.size, as: Element.self) }
        }
        at += like.count * MemoryLayout<Element>.size
        return Tensor(numbers, shape: like.shape)
      }
      return like.dtype == .float64 ? read(Double.self) : read(Float.self)
    }
    for test in Self.cases {
      let (boxes, optimizer) = run(test, draws)
      // Square roots make no difference.
      for _ in 0..<2 {
        for (i, box) in boxes.enumerated() {
          let start = draws[0][i].to(box.dtype)
          let (theirs, momentum) = (next(box.tensor), next(box.tensor))
          let apart: Double = (box.tensor.detach() - theirs).norm().item()
          let moved: Double = (theirs - start).norm().item()
          #expect(apart < 0.02 * moved, "\(test) \(box.shape)")
          let ours = optimizer.stateDict().state["\(i).momentum_buffer"]!
          #expect((ours - momentum).abs().max().item() < 1e-6)
        }
      }
    }
    #expect(at == output.count)
  }

  private func run(_ test: Case, _ draws: [[Tensor]]) -> ([Parameter], Muon) {
    let dtype: DType = test.dtype == "float64" ? .float64 : .float32
    let boxes = draws[0].map { Parameter($0.to(dtype).clone()) }
    let arguments = test.arguments
    let optimizer = Muon(
      Array(boxes.dropLast()), lr: arguments.lr, weightDecay: arguments.weight_decay, momentum: arguments.momentum,
      nesterov: arguments.nesterov, nsSteps: arguments.ns_steps,
      adjustLr: arguments.adjust_lr_fn == "original" ? .original : .matchRMSAdamW)
    optimizer.addParamGroup([boxes.last!]) { $0.lr = 0.5 * arguments.lr }
    for step in 0..<Self.steps {
      for (i, box) in boxes.enumerated() { box.grad = i == 1 && step % 2 == 1 ? nil : draws[step + 1][i].to(dtype) }
      if step == Self.steps / 2 { optimizer.paramGroups[0].lr *= 0.3 }
      optimizer.step()
    }
    return (boxes, optimizer)
  }

  @Test func trainingGoesOnFromASavedState() throws {
    let gradients = (0..<4).map { _ in Tensor.random([6, 5]) }
    func train(_ optimizer: Muon, _ steps: Range<Int>) {
      for step in steps {
        optimizer.parameters[0].grad = gradients[step]
        optimizer.step()
      }
    }
    let whole = Muon([Parameter(.ones([6, 5]))], nsCoefficients: (3, -4, 2), nsSteps: 3)
    train(whole, 0..<2)
    let other = Muon([Parameter(whole.parameters[0].tensor.clone())])
    try other.loadStateDict(whole.stateDict())
    train(whole, 2..<4)
    train(other, 2..<4)
    #expect(whole.parameters[0].tensor.bits == other.parameters[0].tensor.bits)
  }

  @Test func misuseIsRefused() {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      return error?.message
    }
    let weight = Parameter(.ones([2, 2]))
    #expect(
      problem { _ = Muon([weight, Parameter(.ones([3]))]) }
        == "Muon only supports 2D parameters whereas we found a parameter with size: [3]")
    #expect(problem { _ = Muon([weight], lr: -1) } == "Learning rate should be >= 0 but is: -1.0")
    #expect(problem { _ = Muon([weight], nsSteps: 100) }?.hasPrefix("Number of steps must be less than 100") == true)
    #expect(problem { _ = Muon([]) } == "optimizer got an empty parameter list")
  }
}
