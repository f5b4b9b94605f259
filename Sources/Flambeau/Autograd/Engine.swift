/// The backward pass: walks nodes from the newest to the oldest, so each is reached when all its gradients are.
struct Engine {
  private struct Task {
    let node: Node
    var gradients: Few<Tensor>
  }

  private var tasks: [ObjectIdentifier: Task] = [:]
  private var queue = NodeQueue()
  private var leaves: [(accumulator: GradientAccumulator, gradient: Tensor?)] = []
  /// The results whose gradients are asked for, by edge; nil to accumulate into leaves.
  private var wanted: [WantedKey: Int]?
  private var found: [Tensor?] = []

  private struct WantedKey: Hashable {
    let node: ObjectIdentifier
    let index: Int
  }

  /// Adds gradients to `.grad` of every leaf that the roots reach.
  static func backward(
    _ roots: [(Edge, Tensor)], retainGraph: Bool, createGraph: Bool
  ) throws(TensorError) {
    var engine = Engine()
    try engine.run(roots, retainGraph: retainGraph, createGraph: createGraph)
    engine.store(createGraph: createGraph)
  }

  /// The gradients at `edges`, nil where the roots do not depend on them; `.grad` stays as it is.
  static func gradients(
    _ roots: [(Edge, Tensor)], at edges: [Edge], retainGraph: Bool, createGraph: Bool
  ) throws(TensorError) -> [Tensor?] {
    var engine = Engine()
    engine.found = Array(repeating: nil, count: edges.count)
    var wanted: [WantedKey: Int] = [:]
    for (i, edge) in edges.enumerated() {
      wanted[WantedKey(node: ObjectIdentifier(edge.node), index: edge.index)] = i
    }
    engine.wanted = wanted
    try engine.run(roots, retainGraph: retainGraph, createGraph: createGraph)
    // Repeated edges share one gradient.
    return edges.map { engine.found[wanted[WantedKey(node: ObjectIdentifier($0.node), index: $0.index)]!] }
  }

  private mutating func run(_ roots: [(Edge, Tensor)], retainGraph: Bool, createGraph: Bool) throws(TensorError) {
    let context = Context.current.with(gradEnabled: createGraph)
    for (edge, gradient) in roots { arrive(gradient, at: edge) }
    var failure: TensorError?
    Context.run(context) {
      do throws(TensorError) {
        while let node = queue.pop() {
          if context.isFailed { return }
          let task = tasks.removeValue(forKey: ObjectIdentifier(node))!
          try visit(task, retainGraph: retainGraph)
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private mutating func visit(_ task: Task, retainGraph: Bool) throws(TensorError) {
    let node = task.node
    var gradients = task.gradients
    for hook in node.hooks {
      if let gradient = gradients[hook.resultIndex], let changed = hook.body(gradient) {
        gradients[hook.resultIndex] = changed
      }
    }
    if let wanted {
      for i in 0..<gradients.count {
        if let slot = wanted[WantedKey(node: ObjectIdentifier(node), index: i)] { found[slot] = gradients[i] }
      }
      if node is GradientAccumulator { return }
    } else if let accumulator = node as? GradientAccumulator {
      if let gradient = gradients[0] { leaves.append((accumulator, gradient)) }
      return
    }
    if node.selectsElements && addInPlace(gradients[0], through: node) { return }
    node.isInLastPass = !retainGraph
    let passed = try node.backward(gradients)
    if !retainGraph { node.releaseSaved() }
    for i in 0..<passed.count {
      if let gradient = passed[i], let edge = node.edges[i] { arrive(gradient, at: edge) }
    }
  }

  /// Adds the gradient of a view to what has arrived for the tensor that it is a view of. False where nothing has, or
  /// somebody else sees it.
  private mutating func addInPlace(_ gradient: Tensor?, through node: Node) -> Bool {
    guard !Context.current.records, let gradient, let edge = node.edges[0] else { return false }
    let id = ObjectIdentifier(edge.node)
    guard var sum = tasks[id]?.gradients[edge.index], sum.dtype == gradient.dtype else { return false }
    tasks[id]!.gradients[edge.index] = nil
    let isAlone = sum.isAlone()
    if isAlone { node.part(of: sum).add_(gradient) }
    tasks[id]!.gradients[edge.index] = consume sum
    return isAlone
  }

  private mutating func arrive(_ gradient: Tensor, at edge: Edge) {
    let id = ObjectIdentifier(edge.node)
    if tasks[id] == nil {
      tasks[id] = Task(node: edge.node, gradients: Few(count: edge.node.resultCount))
      queue.push(edge.node)
    }
    if let known = tasks[id]!.gradients[edge.index] {
      // Nobody else holds it while it is taken out, so the sum may take its memory.
      tasks[id]!.gradients[edge.index] = nil
      tasks[id]!.gradients[edge.index] = (consume known) + gradient
    } else {
      tasks[id]!.gradients[edge.index] = gradient
    }
  }

  /// Writes what arrived at the leaves, after the whole pass has succeeded.
  private mutating func store(createGraph: Bool) {
    if Context.current.isFailed { return }
    Context.run(Context.current.with(gradEnabled: createGraph)) {
      for i in leaves.indices {
        let accumulator = leaves[i].accumulator
        if createGraph {
          let gradient = leaves[i].gradient!
          accumulator.gradient = accumulator.gradient.map { $0 + gradient } ?? gradient
        } else if let sum = accumulator.gradient {
          if sum.requiresGrad {
            accumulator.gradient = (sum + leaves[i].gradient!).detach()
          } else {
            sum.add_(leaves[i].gradient!)
          }
        } else {
          accumulator.gradient = leaves[i].gradient.take()!.owned()
        }
      }
    }
  }
}

extension Tensor {
  /// The elements in dense memory that no other tensor sees: their own where that is so, else a copy.
  fileprivate consuming func owned() -> Tensor {
    var tensor = self
    return tensor.isAlone() ? tensor.detach() : tensor.clone().detach()
  }

  /// Nothing else sees the elements, which are dense.
  fileprivate mutating func isAlone() -> Bool {
    isKnownUniquelyReferenced(&body) && isKnownUniquelyReferenced(&body.storage) && body.storage.isOwned && body.layout.isDense
  }
}

/// Nodes by falling sequence number: a binary heap.
private struct NodeQueue {
  private var heap: [Node] = []

  mutating func push(_ node: Node) {
    heap.append(node)
    var i = heap.count - 1
    while i > 0 {
      let parent = (i - 1) / 2
      if heap[parent].sequence >= heap[i].sequence { break }
      heap.swapAt(parent, i)
      i = parent
    }
  }

  mutating func pop() -> Node? {
    guard let top = heap.first else { return nil }
    let last = heap.removeLast()
    if heap.isEmpty { return top }
    heap[0] = last
    var i = 0
    while true {
      var largest = i
      for child in [2 * i + 1, 2 * i + 2] where child < heap.count && heap[child].sequence > heap[largest].sequence {
        largest = child
      }
      if largest == i { break }
      heap.swapAt(i, largest)
      i = largest
    }
    return top
  }
}
