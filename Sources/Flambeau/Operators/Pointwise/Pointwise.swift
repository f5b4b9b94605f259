import CKernels
import Synchronization

/// A row whose result depends element by element on its operands: one scalar program, from which everything comes.
///
/// Scalars are the program's run-time numbers. `number` is the category of a number that stands for an operand.
struct PointwiseArguments: Sendable {
  var scalars = Scalars()
  var number: DType.Category?
}

extension Operator where Attributes == PointwiseArguments {
  /// `numbers`: what becomes of the scalars. `typedBy`: the operands that decide the dtype, all if nil. `refusal`: the dtypes of
  /// operands that the row does not take, as a sentence or nil.
  static func map(
    _ name: String, _ rule: TypeRule = .promoted, _ program: Program, numbers: NumberRule = .exact,
    divisor: Divisor? = nil, typedBy: [Int]? = nil,
    refusal: @escaping @Sendable (DType) -> String? = { _ in nil }, samples: [Sample] = []
  ) -> Operator {
    let gradients = PointwiseGradients(name, program, numbers)
    return Operator(
      name, saves: gradients.saves,
      plan: { (operands, arguments) throws(TensorError) in
        let typing = typedBy.map { Few($0.map { operands[$0] }) } ?? operands
        var dtype = DType.common(typing, number: arguments.number)
        for i in 0..<operands.count {
          if let sentence = refusal(operands[i]!.body.dtype) { throw .dtype(sentence) }
        }
        if rule == .floating { dtype = dtype.floating }
        guard program.isRunnable(in: dtype.computeClass) else {
          throw .dtype("\"\(name)\" not implemented for '\(dtype.torchScalarName)'")
        }
        let layout = try Pointwise.resultLayout(operands)
        return ResultPlan(layout: layout, dtype: rule == .boolean ? .bool : dtype, compute: dtype)
      },
      fill: { (operands, arguments, plan, result) throws(TensorError) in
        let scalars = try plan.compute.taking(arguments.scalars, numbers, arguments.number)
        // A GPU would have to be waited for: there division by 0 gives what the hardware makes of it, as torch's does.
        if let divisor, result.device.isCPU, !plan.compute.isFloatingPoint { try divisor.checkNotZero(operands, scalars) }
        try Pointwise.run(program, operands, scalars, in: plan.compute, into: result)
      },
      shortcut: rule == .boolean ? nil : Shortcut(program) { refusal($0) == nil }, backward: gradients.backward,
      tangent: gradients.tangent, samples: samples
    ).onGPU()
  }
}

extension Operator where Attributes == PointwiseArguments {
  func callAsFunction(_ a: consuming Tensor, at site: CallSite? = nil) -> Tensor {
    call(Few(consume a), PointwiseArguments(), at: site)
  }

  /// Writes the result into `a`.
  func write(_ a: Tensor, at site: CallSite? = nil) -> Tensor { write(Few(a), PointwiseArguments(), at: site) }
}

/// What a row divides integers by.
enum Divisor: Sendable {
  case operand(Int)
  /// The first of the scalars.
  case number

  fileprivate func checkNotZero(_ operands: Few<Tensor>, _ scalars: Scalars) throws(TensorError) {
    let isZero =
      switch self {
      case .operand(let i): try operands[i]!.body.numbers().contains(0)
      case .number: scalars[0].integer == 0
      }
    if isZero { throw .argument("ZeroDivisionError") }
  }
}

enum Pointwise {
  /// Runs `program` over the operands, broadcast to the shape of `result`, computing in `dtype`.
  static func run(
    _ program: Program, _ operands: Few<Tensor>, _ scalars: Scalars, in dtype: DType, into result: Elements
  ) throws(TensorError) {
    let computeClass = dtype.computeClass
    if operands.count <= 3 && result.device.isCPU {
      var quick = Quick(program.plan(in: computeClass), result)
      for i in 0..<operands.count { quick.add(operands[i]!.body) }
      if quick.isSimple && quick.run(scalars) { return }
    }
    let shape = result.layout.shape
    func elements(_ i: Int) -> Elements {
      let body = operands[i]!.body
      return body.elements(body.layout.broadcast(to: shape)!)
    }
    if !result.device.isCPU {
      return try Backend.map(
        program, in: computeClass, inputs: (0..<operands.count).map(elements), scalars: scalars, into: [result])
    }
    withExtendedLifetime(operands) {
      switch operands.count {
      case 1: Interpreter.run(program, in: computeClass, elements(0), scalars: scalars, into: result)
      case 2: Interpreter.run(program, in: computeClass, elements(0), elements(1), scalars: scalars, into: result)
      case 3:
        Interpreter.run(
          program, in: computeClass, elements(0), elements(1), elements(2), scalars: scalars, into: result)
      default:
        Interpreter.run(
          program, in: computeClass, inputs: (0..<operands.count).map(elements), scalars: scalars, into: [result])
      }
    }
  }

  static func broadcastShape(_ operands: Few<Tensor>) throws(TensorError) -> Shape {
    var shape = operands[0]!.body.layout.shape
    for i in 1..<Swift.max(operands.count, 1) {
      shape = try Shape.broadcast(shape, operands[i]!.body.layout.shape)
    }
    return shape
  }

  /// The layout of what `operands` broadcast to.
  @inline(__always)
  static func resultLayout(_ operands: Few<Tensor>) throws(TensorError) -> Layout {
    let first = operands[0]!.body
    var isSame = first.layout.isContiguous && first.layout.offset == 0
    for i in 1..<Swift.max(operands.count, 1) where isSame {
      isSame = operands[i]!.body.layout.shape == first.layout.shape
    }
    return isSame ? first.layout : resultLayout(try broadcastShape(operands), operands)
  }

  /// Dense, in the order of dimensions of the first operand that has the whole shape; row-major if there is none.
  static func resultLayout(_ shape: Shape, _ operands: Few<Tensor>) -> Layout {
    for i in 0..<operands.count {
      let layout = operands[i]!.body.layout
      if layout.shape == shape { return layout.isContiguous ? Layout(shape) : layout.dense }
    }
    return Layout(shape)
  }
}

/// The gradient of a pointwise row: a pointwise row for each operand, from the program's derivatives.
final class PointwiseGradients: Sendable {
  private let name: String
  private let program: Program
  private let numbers: NumberRule
  private let lock = Lock()
  /// Of each operand, once it is asked for: an unretained ``Slope``, which ``made`` holds.
  private nonisolated(unsafe) let slopes: UnsafeMutablePointer<Atomic<UInt>>
  /// Guarded by the lock.
  private nonisolated(unsafe) var made: [Slope] = []

  /// What the gradient of one operand takes.
  private final class Slope: Sendable {
    let derivative: Derivative
    let isZero: Bool
    let isCotangent: Bool
    let row: Operator<PointwiseArguments>

    init(_ derivative: Derivative, _ name: String, _ numbers: NumberRule) {
      self.derivative = derivative
      (isZero, isCotangent) = (derivative.isZero, derivative.isCotangent)
      row = .map(name + "_backward", .promoted, derivative.program, numbers: numbers)
    }
  }

  /// What the derivatives of the first four operands read, 16 bits each: known, the result, operands from 0 on.
  private let reads = Atomic<UInt64>(0)

  init(_ name: String, _ program: Program, _ numbers: NumberRule = .exact) {
    self.name = name
    self.program = program
    self.numbers = numbers
    slopes = .allocate(capacity: Swift.max(program.inputCount, 1))
    for i in 0..<program.inputCount { (slopes + i).initialize(to: Atomic(0)) }
  }

  deinit {
    slopes.deinitialize(count: program.inputCount)
    slopes.deallocate()
  }

  private func slope(_ i: Int) -> Slope {
    let bits = slopes[i].load(ordering: .acquiring)
    if let known = UnsafeRawPointer(bitPattern: bits) { return Unmanaged<Slope>.fromOpaque(known).takeUnretainedValue() }
    let new = Slope(program.derivative(withRespectTo: i), name, numbers)
    lock.withLock { made.append(new) }
    slopes[i].store(UInt(bitPattern: Unmanaged.passUnretained(new).toOpaque()), ordering: .releasing)
    return new
  }

  func saves(_ needs: OperandSet) -> SavePlan {
    var plan = SavePlan()
    var known = reads.load(ordering: .relaxed)
    for i in 0..<program.inputCount where needs.contains(i) {
      if i > 3 || program.inputCount > 14 {
        plan.add(program.derivative(withRespectTo: i))
        continue
      }
      let place = UInt64(16 * i)
      if known >> place & 1 == 0 {
        var one = SavePlan()
        one.add(program.derivative(withRespectTo: i))
        let bits = 1 | (one.result ? 2 : 0) | one.operands.rawValue << 2
        known |= bits << place
        reads.bitwiseOr(bits << place, ordering: .relaxed)
      }
      let bits = known >> place & 0xffff
      if bits & 2 != 0 { plan.result = true }
      plan.operands.formUnion(OperandSet(rawValue: bits >> 2))
    }
    return plan
  }

  func backward(_ call: Call<PointwiseArguments>, _ gradient: Tensor) throws(TensorError) -> Few<Tensor> {
    try backward(call, call.attributes, gradient)
  }

  /// Of a call whose attributes hold those of the pointwise row.
  func backward<Attributes: Sendable>(
    _ call: Call<Attributes>, _ arguments: PointwiseArguments, _ gradient: Tensor
  ) throws(TensorError) -> Few<Tensor> {
    var gradients = Few<Tensor>(count: program.inputCount)
    var last: (slope: Slope, gradient: Tensor)?
    for i in 0..<program.inputCount where call.needs(i) {
      let slope = slope(i)
      // Those that are alike are computed once.
      if last?.slope.derivative.isSame(as: slope.derivative) != true {
        last = (slope, try self.gradient(slope, call, arguments, gradient))
      }
      gradients[i] = last!.gradient.fitted(to: call.shape(i), call.dtype(i))
    }
    return gradients
  }

  /// The Jacobian of each operand is diagonal: what a gradient is multiplied with, a tangent is.
  func tangent(_ call: Call<PointwiseArguments>, _ tangents: Few<Tensor>) throws(TensorError) -> Tensor? {
    var sum: Tensor?
    for i in 0..<program.inputCount {
      guard let tangent = tangents[i] else { continue }
      let term = try gradient(slope(i), call, call.attributes, tangent)
      sum = sum.map { $0 + term } ?? term
    }
    return sum
  }

  private func gradient<Attributes: Sendable>(
    _ slope: Slope, _ call: Call<Attributes>, _ arguments: PointwiseArguments, _ gradient: Tensor
  ) throws(TensorError) -> Tensor {
    if slope.isZero { return gradient.zerosLike() }
    if slope.isCotangent { return gradient }
    var operands = Few<Tensor>()
    for source in slope.derivative.operands {
      switch source {
      case .input(let k): operands.append(try call.operand(k))
      case .output: operands.append(try call.result())
      case .cotangent: operands.append(gradient)
      }
    }
    return slope.row.call(operands, arguments)
  }
}

extension SavePlan {
  fileprivate mutating func add(_ derivative: Derivative) {
    for source in derivative.operands {
      switch source {
      case .input(let k): operands.insert(.operand(k))
      case .output: result = true
      case .cotangent: break
      }
    }
  }
}

extension Derivative {
  /// Computes the same of the same values.
  fileprivate func isSame(as other: Derivative) -> Bool { operands == other.operands && program.code == other.program.code }

  /// The gradient is the one that arrives, unchanged.
  var isCotangent: Bool { operands == [.cotangent(0)] && program.outputs == [.input(0)] }
}
