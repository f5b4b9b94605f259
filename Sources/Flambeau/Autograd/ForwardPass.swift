/// The forward pass of derivatives: carries tangents along a recorded graph, from inputs to results, so that one pass gives a
/// Jacobian times a vector.
struct ForwardPass {
  private struct Place: Hashable {
    let node: ObjectIdentifier
    let index: Int

    init(_ node: Node, _ index: Int) {
      self.node = ObjectIdentifier(node)
      self.index = index
    }
  }

  private var tangents: [Place: Tensor] = [:]
  /// What the results of nodes look like: known from those who read them.
  private var shapes: [Place: OperandShape] = [:]
  /// By rising number, so that each follows what it reads.
  private var nodes: [Node] = []

  /// The tangents of `outputs`, nil where they do not depend on the inputs. The graph stays as it is.
  ///
  /// - Parameter seeds: The inputs, with their tangents.
  static func tangents(
    of outputs: [Tensor], along seeds: [(Edge, Tensor)], createGraph: Bool
  ) throws(TensorError) -> [Tensor?] {
    var pass = ForwardPass()
    for (edge, tangent) in seeds { pass.tangents[Place(edge.node, edge.index)] = tangent }
    pass.collect(outputs, from: seeds.map(\.0.node.sequence).min() ?? .max)
    let context = Context.current.withoutAutocast.with(gradEnabled: createGraph)
    try Context.attempt(context) { () throws(TensorError) in
      for node in pass.nodes where !context.isFailed { try pass.visit(node, createGraph: createGraph) }
    }
    return outputs.map { output in output.body.edge.flatMap { pass.tangents[Place($0.node, $0.index)] } }
  }

  /// Finds the nodes that made `outputs`, none older than the inputs.
  private mutating func collect(_ outputs: [Tensor], from oldest: UInt64) {
    var known: Set<ObjectIdentifier> = []
    var pending: [Node] = []
    func reach(_ edge: Edge, _ shape: OperandShape) {
      shapes[Place(edge.node, edge.index)] = shape
      if edge.node.sequence >= oldest && !edge.node.isLeaf && known.insert(ObjectIdentifier(edge.node)).inserted {
        pending.append(edge.node)
      }
    }
    for output in outputs {
      if let edge = output.body.edge { reach(edge, OperandShape(output.body)) }
    }
    while let node = pending.popLast() {
      nodes.append(node)
      for i in 0..<node.edges.count {
        if let edge = node.edges[i] { reach(edge, node.operandShape(i)) }
      }
    }
    nodes.sort { $0.sequence < $1.sequence }
  }

  private mutating func visit(_ node: Node, createGraph: Bool) throws(TensorError) {
    var arrived = Few<Tensor>(count: node.edges.count)
    var moves: OperandSet = []
    for i in 0..<node.edges.count {
      guard let edge = node.edges[i], let tangent = tangents[Place(edge.node, edge.index)] else { continue }
      arrived[i] = tangent
      moves.insert(.operand(i))
    }
    if moves.isEmpty { return }
    let results = (0..<node.resultCount).map { shapes[Place(node, $0)] ?? OperandShape() }
    let passed = try node.forward(arrived, moves, results, createGraph: createGraph)
    for i in 0..<passed.count {
      // An input's own tangent stays, even where it was computed from another input.
      if let tangent = passed[i], tangents[Place(node, i)] == nil { tangents[Place(node, i)] = tangent }
    }
  }
}

extension Node {
  /// The tangents of the results from those of the operands, by what the row knows or else by two gradients: that of the call is
  /// linear in its weights, and its derivative by them, along the tangents, is the Jacobian times the tangents.
  ///
  /// - Parameters:
  ///   - moves: The operands that have a tangent.
  ///   - results: Missing where nobody reads the result.
  fileprivate func forward(
    _ tangents: Few<Tensor>, _ moves: OperandSet, _ results: [OperandShape], createGraph: Bool
  ) throws(TensorError) -> Few<Tensor> {
    if results.count == 1, let known = try whileVisited({ () throws(TensorError) in try knownTangent(tangents) }) {
      return Few(known.to(results[0].dtype).expand(results[0].shape))
    }
    var weights = Few<Tensor>(count: results.count)
    var passed = Few<Tensor>()
    try Context.attempt(Context.current.with(gradEnabled: true)) { () throws(TensorError) in
      for (i, result) in results.enumerated() where !result.isMissing {
        // Any weights will do. A view, not the leaf: it is younger than all that the call has saved, where the second gradient shall not go.
        weights[i] = Tensor.ones(result.shape, dtype: result.dtype, device: result.device).requiresGrad_().view(result.shape)
      }
      passed = try whileVisited { () throws(TensorError) in
        asked = moves
        defer { asked = .all }
        return try backward(weights)
      }
    }
    var roots: [(Edge, Tensor)] = []
    for i in 0..<passed.count {
      if let tangent = tangents[i], let edge = passed[i]?.body.edge { roots.append((edge, tangent)) }
    }
    let wanted = (0..<weights.count).filter { weights[$0] != nil }
    let found = try Engine.gradients(
      roots, at: wanted.map { weights[$0]!.body.edge! }, retainGraph: createGraph, createGraph: createGraph)
    var products = Few<Tensor>(count: results.count)
    for (i, product) in zip(wanted, found) { products[i] = product }
    return products
  }
}
