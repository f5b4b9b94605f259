/// What every row of the operator table has. Unchecked because it is a base class; rows are immutable.
class AnyOperator: @unchecked Sendable {
  /// The torch function's name, such as `add`; error messages begin with it.
  let name: String
  /// Calls that show what the row does; the tests hold each against torch.
  let samples: [Sample]
  /// What `autocast` does to its operands.
  let autocastPolicies: AutocastPolicies
  /// The row runs on GPUs too. Set as the row is made.
  final var runsOnGPU = false

  init(_ name: String, samples: [Sample]) {
    self.name = name
    self.samples = samples
    autocastPolicies = AutocastPolicies(name)
  }

  /// `Add` for `add`, `LogSoftmax` for `log_softmax`: torch's node names without `Backward`.
  final var nodeName: String {
    name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }
}

/// One row: what the call computes and how its gradient flows. `Attributes` are the arguments that are not tensors.
///
/// Unchecked as its base class is: what is not a `let` is set as the row is made.
final class Operator<Attributes: Sendable>: AnyOperator, @unchecked Sendable {
  typealias Forward = @Sendable (Few<Tensor>, Attributes) throws(TensorError) -> Value
  typealias Plan = @Sendable (Few<Tensor>, Attributes) throws(TensorError) -> ResultPlan
  typealias Fill = @Sendable (Few<Tensor>, Attributes, ResultPlan, Elements) throws(TensorError) -> Void
  typealias Edit = @Sendable (Few<Tensor>, Attributes, Elements) throws(TensorError) -> Void
  typealias Backward = @Sendable (Call<Attributes>, Tensor) throws(TensorError) -> Few<Tensor>
  typealias Tangent = @Sendable (Call<Attributes>, Few<Tensor>) throws(TensorError) -> Tensor?

  enum Body: Sendable {
    /// Returns elements of its own, or a view of the first operand's.
    case makes(Forward)
    /// Fills elements it is given: fresh ones, those of an operand nobody else holds, or those of a tensor that is written.
    /// Each is filled after the elements of the operands at its place were read.
    case fills(Plan, Fill)
    /// Changes some of the elements it is given, which are the first operand's own or a copy of them. It has refused before
    /// it writes to the operand's own.
    case edits(Edit)
  }

  let body: Body
  /// Nil where no gradient flows.
  let backward: Backward?
  /// How the result moves along tangents of the operands, where that is shorter than by two gradients: see ``Node/knownTangent(_:)``.
  let tangent: Tangent?
  /// What to save, given which operands need a gradient.
  let saves: @Sendable (_ needs: OperandSet) -> SavePlan
  /// How many results follow the first, such as indices. No gradient flows from them.
  let auxiliaryCount: Int
  /// For a view of some of the first operand's elements, none twice: where they are. Gradients of several such views of one
  /// tensor are added to one another in place.
  let selects: (@Sendable (Layout, Attributes) -> Layout)?
  /// For pointwise rows.
  let shortcut: Shortcut?
  /// Large results are computed again by the backward pass rather than kept by the calls that read them. Set as the row is made.
  final var isCheap = false
  /// For rows that edit: where the elements they are given are not the first operand's own, they copy these there themselves. Set as the
  /// row is made.
  final var copiesFirst = false
  /// For rows that write: what is written may come from another device than that of the target. Set as the row is made.
  final var crossesDevices = false

  init(
    _ name: String, auxiliaryCount: Int = 0, saves: @escaping @Sendable (OperandSet) -> SavePlan = { _ in SavePlan() },
    selects: (@Sendable (Layout, Attributes) -> Layout)? = nil, forward: @escaping Forward, backward: Backward? = nil,
    tangent: Tangent? = nil, samples: [Sample] = []
  ) {
    body = .makes(forward)
    self.selects = selects
    self.backward = backward
    self.tangent = tangent
    self.saves = saves
    self.auxiliaryCount = auxiliaryCount
    shortcut = nil
    super.init(name, samples: samples)
  }

  init(
    _ name: String, saves: @escaping @Sendable (OperandSet) -> SavePlan = { _ in SavePlan() }, plan: @escaping Plan,
    fill: @escaping Fill, shortcut: Shortcut? = nil, backward: Backward? = nil, tangent: Tangent? = nil,
    samples: [Sample] = []
  ) {
    body = .fills(plan, fill)
    self.backward = backward
    self.tangent = tangent
    self.saves = saves
    auxiliaryCount = 0
    selects = nil
    self.shortcut = shortcut
    super.init(name, samples: samples)
  }

  init(
    _ name: String, saves: @escaping @Sendable (OperandSet) -> SavePlan = { _ in SavePlan() }, edit: @escaping Edit,
    backward: Backward? = nil, samples: [Sample] = []
  ) {
    body = .edits(edit)
    self.backward = backward
    tangent = nil
    self.saves = saves
    auxiliaryCount = 0
    selects = nil
    shortcut = nil
    super.init(name, samples: samples)
  }
}

/// The elements a call results in, before they exist.
struct ResultPlan: Sendable {
  /// Dense.
  var layout: Layout
  var dtype: DType
  /// What the call computes in.
  var compute: DType
}

/// A set of operand positions. Those from the last bit's on are in it together: a list of any length is joined by few rows.
struct OperandSet: OptionSet, Sendable {
  let rawValue: UInt64
  static func operand(_ i: Int) -> OperandSet { OperandSet(rawValue: 1 << UInt64(Swift.min(i, 63))) }
  static let all = operands(from: 0)
  static func operands(from i: Int) -> OperandSet { OperandSet(rawValue: .max << UInt64(Swift.min(i, 63))) }
  func contains(_ i: Int) -> Bool { rawValue >> UInt64(Swift.min(i, 63)) & 1 == 1 }
}

/// What a derivative reads: operands, the result, the results after the first.
struct SavePlan: Sendable {
  var operands: OperandSet = []
  var result = false
  var auxiliaries = false

  var isEmpty: Bool { operands.isEmpty && !result && !auxiliaries }
}

/// A recorded call, as its derivative sees it.
struct Call<Attributes: Sendable> {
  let node: OperatorNode<Attributes>

  var attributes: Attributes { node.attributes }
  func needs(_ operand: Int) -> Bool { node.needs(operand) }
  func shape(_ operand: Int) -> Shape { node.operandShapes[operand].shape }
  func dtype(_ operand: Int) -> DType { node.operandShapes[operand].dtype }
  func device(_ operand: Int) -> Device { node.operandShapes[operand].device }
  func isChannelsLast(_ operand: Int) -> Bool { node.operandShapes[operand].isChannelsLast }
  var operandCount: Int { node.edges.count }

  /// An operand that the row saves.
  func operand(_ i: Int) throws(TensorError) -> Tensor { try node.unpack(i) }
  /// An operand that may be missing.
  func optionalOperand(_ i: Int) throws(TensorError) -> Tensor? { node.operandShapes[i].isMissing ? nil : try node.unpack(i) }
  /// The result, if the row saves it.
  func result() throws(TensorError) -> Tensor { try node.unpack(node.edges.count) }
  /// A result after the first, if the row saves them.
  func auxiliary(_ i: Int) throws(TensorError) -> Tensor { try node.unpack(node.edges.count + 1 + i) }

  /// The same, out of the node's hands if this is the graph's last pass, so that its memory may become a gradient's.
  func takenAuxiliary(_ i: Int) throws(TensorError) -> Tensor {
    let tensor = try auxiliary(i)
    if node.isInLastPass { node.saved[node.edges.count + 1 + i] = nil }
    return tensor
  }
}

extension TensorError {
  static let backwardTwice = TensorError.autograd(
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
      + "freed). Saved intermediate values of the graph are freed when you call backward() or grad(). Specify "
      + "retainGraph: true if you need to backward through the graph a second time.")
}

/// The node of a row. Unchecked as every node is; its own fields never change.
final class OperatorNode<Attributes: Sendable>: Node, @unchecked Sendable {
  let row: Operator<Attributes>
  let attributes: Attributes

  /// The shape, dtype and device of each operand, for its gradient.
  let operandShapes: OperandShapes

  @inline(__always)
  init(
    _ row: Operator<Attributes>, _ attributes: Attributes, edges: consuming Edges,
    operandShapes: consuming OperandShapes
  ) {
    self.row = row
    self.attributes = attributes
    self.operandShapes = consume operandShapes
    super.init(edges: consume edges)
  }

  override var name: String { row.nodeName }
  override var label: Profiler.Label { .gradient(row) }

  override func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    guard let gradient = gradients[0] else { return Few() }
    if gradient.device.isCPU { return try row.backward!(Call(node: self), gradient) }
    return try GPUThread.naming(row.name) { () throws(TensorError) in try row.backward!(Call(node: self), gradient) }
  }

  override func operandShape(_ i: Int) -> OperandShape { operandShapes[i] }

  override func knownTangent(_ tangents: Few<Tensor>) throws(TensorError) -> Tensor? {
    try row.tangent?(Call(node: self), tangents)
  }

  override var again: Recomputation.Again? { computedAgain() }

  override var selectsElements: Bool { row.selects != nil }

  override func part(of gradient: Tensor) -> Tensor {
    let body = gradient.body
    return Tensor(TensorBody(Value(body.storage, row.selects!(body.layout, attributes), body.dtype)))
  }
}

struct OperandShape: Sendable {
  var shape = Shape()
  var dtype = DType.float32
  var device = Device.cpu
  /// See ``TensorBody/keepsChannelsLast``.
  var isChannelsLast = false
  /// No such operand was given.
  var isMissing = true

  init() {}

  @inline(__always)
  init(_ body: TensorBody) {
    self.init(body.layout.shape, body.dtype, body.device)
    isChannelsLast = body.keepsChannelsLast
  }

  @inline(__always)
  init(_ shape: Shape, _ dtype: DType, _ device: Device) {
    (self.shape, self.dtype, self.device, isMissing) = (shape, dtype, device, false)
  }
}

/// The shapes of a call's operands, which need no memory of their own where all are alike.
struct OperandShapes: Sendable {
  private var first = OperandShape()
  /// All of them, where they differ.
  private var all: [OperandShape]?

  @inline(__always)
  init(_ operands: borrowing Few<Tensor>) {
    guard let body = operands.first?.body else {
      all = OperandShapes.all(of: operands)
      return
    }
    first = OperandShape(body)
    for i in 1..<Swift.max(operands.count, 1) {
      guard let other = operands[i]?.body, other.dtype == body.dtype, other.device == body.device,
        other.layout.shape == body.layout.shape, other.keepsChannelsLast == first.isChannelsLast
      else {
        all = OperandShapes.all(of: operands)
        return
      }
    }
  }

  private static func all(of operands: borrowing Few<Tensor>) -> [OperandShape] {
    var shapes: [OperandShape] = []
    for i in 0..<operands.count {
      let body = operands[i]?.body
      shapes.append(
        body.map { OperandShape($0) } ?? OperandShape())
    }
    return shapes
  }

  @inline(__always)
  subscript(i: Int) -> OperandShape { all.map { $0[i] } ?? first }
}
